"""The machine that figures were taken on."""

import os
import platform
from pathlib import Path


def hardware() -> str:
    return (f"{_of_cpu('model name') or platform.machine()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, "
            f"Linux {platform.release()}")


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
