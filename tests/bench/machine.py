"""The machine and the versions that figures were taken with."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from bench import responders


def description() -> list[str]:
    return [
        f"{_of_cpu('model name') or platform.machine()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, Linux {platform.release()}",
        f"coldcase {responders.BINARY.stat().st_size / 1e6:.1f} MB{'' if responders.is_release_build() else ' (NOT A RELEASE BUILD: quote nothing)'}, "
        f"Python {platform.python_version()}, boto3 {version('boto3')}, MiniStack {version('ministack')}",
    ]


def load() -> float:
    """How many processes wanted a processor in the last minute, on average, for each processor."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def available_gb() -> float:
    """Memory that can be had without swapping."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1e6
    return 0


def _of_cpu(field: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(field):
            return line.partition(":")[2].strip()
    return ""


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
