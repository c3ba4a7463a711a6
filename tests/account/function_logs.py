"""What Lambda itself writes of every invocation: the log in text or JSON, and the two segments of its trace."""

import contextvars
import datetime
import hashlib
import json
import math
import re
import secrets
import time

from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc

from account import log_events, xray
from account.lambda_additions import role_may
from account.processes import the_processes

# (trace id, id of the function's segment) of the invocation under way in this thread.
_trace: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar("account_trace", default=None)

_streams: dict[tuple, str] = {}  # (account, Region, group, function, version, process) → stream

LEVELS = ("DEBUG", "INFO", "WARN")


def apply() -> None:
    """Before lambda_additions, which asks whether the role may write logs at all."""
    lambda_svc._emit_lambda_logs = emit
    lambda_svc._xray_trace_id_for_invocation = _trace_header
    lambda_svc._execute_function_warm = _with_error_type(lambda_svc._execute_function_warm)


def _trace_header(config: dict, inbound: str | None = None) -> str | None:
    """What a function finds in _X_AMZN_TRACE_ID; the trace that its segments will belong to."""
    if (config.get("TracingConfig") or {}).get("Mode") != "Active":
        _trace.set(None)
        return None
    trace_id, segment_id = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}", secrets.token_hex(8)
    _trace.set((trace_id, segment_id))
    return f"Root={trace_id};Parent={segment_id};Sampled=1"


def _with_error_type(original):
    """Python's errors as Lambda reports them: type, stack and one event in the log, where MiniStack has one type for all."""
    def execute(function, event, request_id):
        result = original(function, event, request_id)
        body, log = result.get("body"), result.get("log") or ""
        begin = log.find("Traceback (most recent call last):")
        if not result.get("error") or not isinstance(body, dict) or begin < 0:
            return result
        stack = log[begin:].rstrip("\n")
        found = re.search(r"^([A-Za-z_][\w.]*)(?:: |$)", stack.rsplit("\n", body["errorMessage"].count("\n") + 1)[1])
        body["errorType"] = found.group(1).rpartition(".")[2] if found else "Exception"
        body |= {"requestId": request_id, "stackTrace": stack.split("\n")[1:-1]}
        error = f"[ERROR] {body['errorType']}: {body['errorMessage']}\n{stack}"
        result["log"] = log[:begin] + error.replace("\n", "\r")
        return result
    return execute


class Invocation:
    """One invocation as it was measured; times in seconds since the epoch."""

    def __init__(self, function: dict, request_id: str, failed: bool, elapsed_ms: int):
        self.config, self.request_id, self.failed = function.get("config") or function, request_id, failed
        measured = next((line for line in reversed(the_processes.invocations) if line["request_id"] == request_id), None)
        now = time.time()
        if measured is None:
            measured = {"cold": False, "init_ms": None, "duration_ms": float(elapsed_ms), "peak_rss_kb": 0, "pid": None,
                        "outcome": "error" if failed else "ok"}
            self.started = now - elapsed_ms / 1000
        else:
            self.started = datetime.datetime.fromisoformat(measured["started"]).timestamp()
        self.cold, self.init_ms, self.duration_ms = measured["cold"], measured["init_ms"] or 0.0, measured["duration_ms"]
        self.handling_from = self.started + self.init_ms / 1000
        self.ended = min(self.handling_from + self.duration_ms / 1000, now)
        self.memory_mb = math.ceil(measured["peak_rss_kb"] / 1024)
        self.process, self.outcome = measured["pid"], measured["outcome"]
        self.trace = _trace.get()
        _trace.set(None)

    @property
    def version(self) -> str:
        return self.config.get("Version", "$LATEST")

    @property
    def status(self) -> str:
        """As in platform.report: `timeout`, `failure` when the process died, `error` when the function said so."""
        if "Task timed out" in self.outcome:
            return "timeout"
        if self.outcome.startswith(("out of memory", "init failed")) or "Runtime exited" in self.outcome:
            return "failure"
        return "error" if self.failed or self.outcome != "ok" else "success"

    @property
    def billed_ms(self) -> int:
        return math.ceil(self.duration_ms + self.init_ms)


def emit(function: dict, request_id: str, log_text: str, error: bool, duration_ms: int, *, log_source=None) -> None:
    """Writes the log of an invocation that is over, and its trace."""
    invocation = Invocation(function, request_id, error, duration_ms)
    settings = invocation.config.get("LoggingConfig") or {}
    group = settings.get("LogGroup") or f"/aws/lambda/{invocation.config.get('FunctionName')}"
    trace_kept = invocation.trace is not None and _keep_trace(invocation, group)
    lines = [line for line in (log_text or "").split("\n") if line]
    if settings.get("LogFormat") == "JSON":
        events = _as_json(invocation, lines, LEVELS.index(settings.get("SystemLogLevel") or "INFO"))
    else:
        events = _as_text(invocation, lines, trace_kept)
    if events:
        stream, ingested = _stream(invocation, group), int(time.time() * 1000)
        log_events.make(group, stream)
        log_events.store(group, stream, [(int(at * 1000), ingested, message) for at, message in events])


def _stream(invocation: Invocation, group: str) -> str:
    """One stream for each execution environment, named after the day on which it began."""
    key = (get_account_id(), get_region(), group, invocation.config.get("FunctionName"), invocation.version,
           invocation.process or invocation.request_id)
    if key not in _streams or invocation.cold:
        day = datetime.datetime.fromtimestamp(invocation.started, datetime.timezone.utc)
        _streams[key] = f"{day:%Y/%m/%d}/[{invocation.version}]{secrets.token_hex(16)}"
    return _streams[key]


def _output(line: str) -> str:
    return line.replace("\r", "\n") + "\n"


# --- text ---------------------------------------------------------------------------------------------------------


def _as_text(invocation: Invocation, lines: list[str], traced: bool) -> list[tuple[float, str]]:
    request, ended = invocation.request_id, invocation.ended
    events = []
    if invocation.cold:
        name, arn = _runtime(invocation.config)
        events.append((invocation.started, f"INIT_START Runtime Version: {name}\tRuntime Version ARN: {arn}\n"))
    events.append((invocation.handling_from, f"START RequestId: {request} Version: {invocation.version}\n"))
    events += [(ended, _output(line)) for line in lines if not (
        invocation.status == "timeout" and line.startswith("Task timed out"))]
    if invocation.status == "timeout":
        events.append((ended, f"{_iso(ended)} {request} Task timed out after {_timeout(invocation)} seconds\n\n"))
    elif invocation.status == "failure":
        reason = "signal: killed" if invocation.outcome == "out of memory" else invocation.outcome.rpartition("error: ")[2]
        events.append((ended, f"RequestId: {request} Error: Runtime exited with error: {reason}\nRuntime.ExitError\n"))
    events.append((ended, f"END RequestId: {request}\n"))
    events.append((ended, _report(invocation, traced)))
    return events


def _report(invocation: Invocation, traced: bool) -> str:
    fields = [f"REPORT RequestId: {invocation.request_id}", f"Duration: {invocation.duration_ms:.2f} ms",
              f"Billed Duration: {invocation.billed_ms} ms", f"Memory Size: {invocation.config.get('MemorySize', 128)} MB",
              f"Max Memory Used: {invocation.memory_mb} MB"]
    if invocation.cold:
        fields.append(f"Init Duration: {invocation.init_ms:.2f} ms")
    if invocation.status == "timeout":
        fields.append("Status: timeout")
    elif invocation.status == "failure":
        fields += ["Status: error", "Error Type: Runtime.ExitError"]
    line = "\t".join(fields) + "\t\n"
    if traced:
        trace_id, segment_id = invocation.trace
        line += f"XRAY TraceId: {trace_id}\tSegmentId: {segment_id}\tSampled: true\t\n"
    return line


def _timeout(invocation: Invocation) -> str:
    return f"{float(invocation.config.get('Timeout', 3)):.2f}"


def _runtime(config: dict) -> tuple[str, str]:
    """The version of a runtime and its ARN: made up, yet always the same for a runtime."""
    runtime = config.get("Runtime") or "image"
    name, _, number = runtime.rpartition(".")
    version = f"{name}:{number}.v1" if name == "provided" else re.sub(r"^([a-z]+)([\d.]+.*)$", r"\1:\2.v1", runtime)
    return version, f"arn:aws:lambda:{get_region()}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"


def _iso(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- JSON ---------------------------------------------------------------------------------------------------------


def _as_json(invocation: Invocation, lines: list[str], lowest: int) -> list[tuple[float, str]]:
    """Platform events of at least a level; what the function wrote stays as it wrote it."""
    request, status = {"requestId": invocation.request_id}, invocation.status
    done = "DEBUG" if status == "success" else "WARN"
    version, version_arn = _runtime(invocation.config)
    tracing = {}
    if invocation.trace:
        trace_id, segment_id = invocation.trace
        tracing = {"tracing": {"spanId": segment_id, "type": "X-Amzn-Trace-Id",
                               "value": f"Root={trace_id};Parent={segment_id};Sampled=1"}}
    failed = {"errorType": "Runtime.ExitError"} if status == "failure" else {}
    init = {"initializationType": "on-demand", "phase": "init"}
    metrics = {"durationMs": round(invocation.duration_ms, 3), "billedDurationMs": invocation.billed_ms,
               "memorySizeMB": int(invocation.config.get("MemorySize", 128)), "maxMemoryUsedMB": invocation.memory_mb}
    events = []
    if invocation.cold:
        metrics["initDurationMs"] = round(invocation.init_ms, 3)
        events += [
            ("INFO", invocation.started, "initStart", {
                **init, "runtimeVersion": version, "runtimeVersionArn": version_arn,
                "functionName": invocation.config.get("FunctionName"), "functionVersion": invocation.version}),
            ("DEBUG", invocation.handling_from, "initRuntimeDone", {**init, "status": "success"}),
            ("DEBUG", invocation.handling_from, "initReport", {
                **init, "status": "success", "metrics": {"durationMs": round(invocation.init_ms, 3)}})]
    events.append(("INFO", invocation.handling_from, "start", {**request, "version": invocation.version, **tracing}))
    events += [("", invocation.ended, "", line) for line in lines]
    events.append((done, invocation.ended, "runtimeDone", {
        **request, "status": status, **failed, "metrics": {"durationMs": metrics["durationMs"]}, **tracing}))
    events.append(("INFO" if status == "success" else "WARN", invocation.ended, "report", {
        **request, "metrics": metrics, **tracing, "status": status, **failed}))
    written = []
    for level, at, kind, content in events:
        if not kind:
            written.append((at, _output(content)))
        elif LEVELS.index(level) >= lowest:
            written.append((at, json.dumps({"time": _iso(at), "type": f"platform.{kind}", "record": content},
                                           separators=(",", ":"))))
    return written


# --- traces -------------------------------------------------------------------------------------------------------


def _keep_trace(invocation: Invocation, group: str) -> bool:
    """The service's segment and the function's, sent with the function's own role."""
    config = invocation.config
    if not role_may(config.get("Role", ""), "xray:PutTraceSegments"):
        return False
    trace_id, segment_id = invocation.trace
    arn, name, outer = config["FunctionArn"], config["FunctionName"], secrets.token_hex(8)
    qualified = {"function_arn": arn}
    subsegments = []
    if invocation.cold:
        subsegments.append({"id": secrets.token_hex(8), "name": "Initialization", "start_time": invocation.started,
                            "end_time": invocation.handling_from, "aws": qualified})
    subsegments.append({"id": secrets.token_hex(8), "name": "Invocation", "start_time": invocation.handling_from,
                        "end_time": invocation.ended, "aws": qualified})
    fault = {} if invocation.status == "success" else {"fault": True, "cause": {"exceptions": [
        {"id": secrets.token_hex(8), "message": invocation.outcome, "type": invocation.status}]}}
    xray.keep({"id": outer, "trace_id": trace_id, "name": name, "origin": "AWS::Lambda",
               "start_time": invocation.started, "end_time": invocation.ended, "resource_arn": arn,
               "http": {"response": {"status": 200}}, "aws": {"request_id": invocation.request_id}})
    xray.keep({"id": segment_id, "parent_id": outer, "trace_id": trace_id, "name": name, "origin": "AWS::Lambda::Function",
               "start_time": invocation.started, "end_time": invocation.ended, "resource_arn": arn,
               "aws": {"account_id": get_account_id(), "function_arn": arn, "request_id": invocation.request_id,
                       "cloudwatch_logs": [{"log_group": group}], "resource_names": [name]},
               "subsegments": subsegments, **fault})
    return True
