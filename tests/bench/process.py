"""Runs one process, or a tree of them, on given processors, and measures it: wall time, processor time, peak memory."""

import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# Seconds between two looks at the memory of what runs.
LOOK_EVERY = 0.02


class Failed(Exception):
    """The run cannot say anything: something did not work."""


@dataclass(frozen=True)
class Usage:
    seconds: float
    processor_seconds: float
    peak_mb: float


def run(command: list[str], processors: set[int], output: Path, errors: Path) -> Usage:
    """Runs a command to its end; its standard output and error go into files."""
    before = _peak_kb(os.getpid())
    with output.open("wb") as out, errors.open("wb") as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   preexec_fn=lambda: os.sched_setaffinity(0, processors))
        peak_kb = _watch(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"{' '.join(command)[:300]} ended with {process.returncode}: {errors.read_text(errors='replace')[-1500:]}")
    # The kernel's own figure misses nothing, but also counts this process, which the other was for a moment.
    if used.ru_maxrss > before:
        peak_kb = max(peak_kb, used.ru_maxrss)
    return Usage(seconds, used.ru_utime + used.ru_stime, peak_kb / 1000)


def _watch(root: int) -> int:
    """The most memory that the processes of a tree held at a time, each taken at its own peak, until the first of them ends."""
    peak_kb = 0
    descriptor = os.pidfd_open(root)
    try:
        ended = select.poll()
        ended.register(descriptor, select.POLLIN)
        while not ended.poll(0 if not peak_kb else LOOK_EVERY * 1000):
            peak_kb = max(peak_kb, sum(map(_peak_kb, _tree(root))))
    finally:
        os.close(descriptor)
    return peak_kb


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        try:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:
            pass  # It has just ended.
    return found


def _peak_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
