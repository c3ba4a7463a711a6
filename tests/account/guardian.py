"""A small process that outlives the account and ends what it started, even when the account itself was killed."""

import os
import shutil
import signal


class Guardian:
    """Told about every process the account starts; kills those still alive once the account is gone."""

    def __init__(self, folder: str):
        read_end, write_end = os.pipe()
        if os.fork() == 0:
            os.close(write_end)
            try:
                _watch(read_end, folder)
            finally:
                os._exit(0)
        os.close(read_end)
        self._pipe = write_end

    def started(self, pid: int) -> None:
        os.write(self._pipe, f"+{pid}\n".encode())

    def ended(self, pid: int) -> None:
        os.write(self._pipe, f"-{pid}\n".encode())


def _watch(pipe: int, folder: str) -> None:
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    # Standard output belongs to whoever reads the account's line of JSON: holding it open would keep them waiting.
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    alive: dict[int, str] = {}
    with os.fdopen(pipe) as lines:
        for line in lines:
            pid = int(line[1:])
            if line[0] == "+":
                alive[pid] = birth(pid)
            else:
                alive.pop(pid, None)
    for pid, born in alive.items():
        # The birth time tells our process from a later one that was given the same number.
        if born and birth(pid) == born:
            try:
                os.killpg(pid, signal.SIGKILL)
            except OSError:
                pass
    shutil.rmtree(folder, ignore_errors=True)


def birth(pid: int) -> str:
    """When a process was started, in clock ticks since boot; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[19]
    except OSError:
        return ""
