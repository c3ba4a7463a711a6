"""Runs functions as processes: ends them with the account, holds them to their memory, and records every invocation."""

import os
import subprocess
import threading
import time
from datetime import datetime, timezone

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from account import function_sessions

# A hundred functions at once, looked at every 5 ms, would leave no processor to anybody else: the longer one runs, the
# rarer it is looked at.
SAMPLE_SECONDS = 0.005
SAMPLE_SECONDS_AT_MOST = 0.2


class FunctionProcess(subprocess.Popen):
    """A function's process, leading a process group of its own so that its children end with it."""

    guardian = None

    def __init__(self, *arguments, **options):
        environment = options["env"] = function_sessions.with_own_port(options.get("env") or {})
        self.memory_mb = int(environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 128))
        self.spawned_at = time.perf_counter()
        self.first_poll_at = None
        super().__init__(*arguments, process_group=0, **options)
        if self.guardian:
            self.guardian.started(self.pid)

    def wait(self, timeout=None):
        code = super().wait(timeout)
        self._reaped()
        return code

    def poll(self):
        code = super().poll()
        if code is not None:
            self._reaped()
        return code

    def _reaped(self) -> None:
        if self.guardian and not getattr(self, "_told", False):
            self._told = True
            self.guardian.ended(self.pid)

    def kill_group(self) -> None:
        try:
            os.killpg(self.pid, 9)
        except OSError:
            pass


class _FunctionSubprocess:
    """The `subprocess` module as MiniStack's runtime sees it: the same, but for Popen."""

    Popen = FunctionProcess

    def __getattr__(self, name):
        return getattr(subprocess, name)


class Memory:
    """Watches one process during one invocation: its peak resident memory, and that it stays within its limit."""

    def __init__(self, process: FunctionProcess, cold: bool, enforce: bool):
        self.process, self.enforce = process, enforce
        self.peak_kb, self.killed = 0, False
        self._over = threading.Event()
        if not cold:
            _reset_peak(process.pid)
        self._sampler = threading.Thread(target=self._sample, daemon=True, name="account-memory")
        self._sampler.start()

    def _sample(self) -> None:
        wait = SAMPLE_SECONDS
        while True:
            self._read()
            if self.enforce and self.peak_kb > self.process.memory_mb * 1024:
                self.killed = True
                self.process.kill_group()
                return
            if self._over.wait(wait):
                return
            wait = min(wait * 1.1, SAMPLE_SECONDS_AT_MOST)

    def _read(self) -> None:
        # VmHWM is the kernel's own high-water mark: nothing between two samples is missed while the process lives.
        self.peak_kb = max(self.peak_kb, _status_kb(self.process.pid, "VmHWM"))

    def stop(self) -> int:
        self._over.set()
        self._sampler.join()
        self._read()
        return self.peak_kb


def _status_kb(pid: int, field: str) -> int:
    try:
        with open(f"/proc/{pid}/status") as status:
            for line in status:
                if line.startswith(field + ":"):
                    return int(line.split()[1])
    except (OSError, ValueError):
        pass
    return 0


def _reset_peak(pid: int) -> None:
    """Sets VmHWM back to what is resident now, so that a warm process does not answer for the invocation before."""
    try:
        with open(f"/proc/{pid}/clear_refs", "w") as clear:
            clear.write("5")
    except OSError:
        pass


class Processes:
    """The invocations so far, oldest first, as `GET /_account/invocations` shows them."""

    def __init__(self):
        self.invocations: list[dict] = []
        self.enforce_memory = True

    def apply(self, guardian, enforce_memory: bool) -> None:
        FunctionProcess.guardian = guardian
        self.enforce_memory = enforce_memory
        # The runtime module starts every function through its global `subprocess`.
        lambda_runtime.subprocess = _FunctionSubprocess()
        # A REPORT line in a function's log tells the peak that was measured; MiniStack knows only containers' memory.
        lambda_svc._probe_peak_memory_mb = self._last_peak_mb
        provided, plain = lambda_runtime.ProvidedWorker, lambda_runtime.Worker
        provided._mark_first_poll = self._stamp_first_poll(provided._mark_first_poll)
        provided._spawn = self._with_memory_watched(provided._spawn)
        plain._spawn = self._stamp_ready(self._with_memory_watched(plain._spawn))
        # Both workers wait for stray log lines after the answer; the answer's own time is when they begin to.
        plain._drain_stderr_bounded = self._stamp_answer(plain._drain_stderr_bounded)
        provided.invoke = self._recorded(provided.invoke)
        plain.invoke = self._recorded(plain.invoke)

    def _last_peak_mb(self, function: dict) -> int:
        name = (function.get("config") or function).get("FunctionName")
        peaks = (line["peak_rss_kb"] for line in reversed(self.invocations) if line["function"] == name)
        return round(next(peaks, 0) / 1024)

    def _stamp_first_poll(self, original):
        def mark(worker, generation):
            process = worker._proc
            if process is not None and process.first_poll_at is None:
                process.first_poll_at = time.perf_counter()
            return original(worker, generation)
        return mark

    def _stamp_ready(self, original):
        """A Python function's process reports that its module is loaded: its runtime's first poll."""
        def spawn(worker, *arguments, **options):
            original(worker, *arguments, **options)
            if worker._proc is not None and worker._proc.first_poll_at is None:
                worker._proc.first_poll_at = time.perf_counter()
        return spawn

    def _stamp_answer(self, original):
        def drain(worker, *arguments, **options):
            worker.answered_at = time.perf_counter()
            return original(worker, *arguments, **options)
        return drain

    def _with_memory_watched(self, original):
        """Begins an invocation's memory watch as soon as there is a process, so that initialisation counts as well."""
        def spawn(worker, *arguments, **options):
            starter = threading.Thread(target=self._watch_once_started, args=(worker, worker._proc), daemon=True)
            worker.memory = None
            starter.start()
            return original(worker, *arguments, **options)
        return spawn

    def _watch_once_started(self, worker, before) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            process = worker._proc
            if isinstance(process, FunctionProcess) and process is not before:
                worker.memory = Memory(process, cold=True, enforce=self.enforce_memory)
                return
            time.sleep(0.001)

    def _recorded(self, original):
        def invoke(worker, event, request_id, **details):
            known = worker._proc
            cold = known is None or known.poll() is not None
            worker.answered_at = None
            if not cold:
                worker.memory = Memory(known, cold=False, enforce=self.enforce_memory)
            started, began = datetime.now(timezone.utc), time.perf_counter()
            try:
                result = original(worker, event, request_id, **details)
            except Exception as failure:
                self._record(worker, request_id, started, began, cold, f"init failed: {failure}", known)
                raise
            outcome = "ok" if result.get("status") == "ok" else str(result.get("error") or "error")
            if worker.memory is not None and worker.memory.killed:
                outcome = "out of memory"
                result["error"] = "RequestId: %s Error: Runtime exited with error: signal: killed" % request_id
                result["error_payload"] = {"errorMessage": result["error"], "errorType": "Runtime.ExitError"}
            self._record(worker, request_id, started, began, cold, outcome, known)
            return result
        return invoke

    def _record(self, worker, request_id, started, began, cold, outcome, known) -> None:
        ended = worker.answered_at or time.perf_counter()
        memory, worker.memory = worker.memory, None
        process = memory.process if memory else (worker._proc or known)
        # A process that was too quick to be watched can still be asked, while it lives.
        peak = memory.stop() if memory else _status_kb(getattr(process, "pid", 0), "VmHWM")
        first_poll = getattr(process, "first_poll_at", None)
        spawned = getattr(process, "spawned_at", None)
        init_ms = round((first_poll - spawned) * 1000, 3) if cold and first_poll and spawned else None
        handling_from = first_poll if cold and first_poll else began
        self.invocations.append({
            "function": worker.func_name,
            "version": worker.config.get("Version", "$LATEST"),
            "request_id": request_id,
            "started": started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "cold": cold,
            "init_ms": init_ms,
            "duration_ms": round((ended - handling_from) * 1000, 3),
            "peak_rss_kb": peak,
            "memory_mb": getattr(process, "memory_mb", None),
            "pid": getattr(process, "pid", None),
            "outcome": outcome,
        })


def stop() -> None:
    """Kills every function's process at once."""
    with lambda_runtime._lock:
        workers = [worker for pool in lambda_runtime._workers.values() for worker in pool]
    for worker in workers:
        process = worker._proc
        if isinstance(process, FunctionProcess) and process.returncode is None:
            process.kill_group()


the_processes = Processes()
