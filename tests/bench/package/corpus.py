"""The packages that are examined: what people deploy, fetched from the registries once, of about 50 and 250 MB unzipped."""

import random
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packages import ordinary

MEGABYTE = 1_000_000
# Beside the ordinary Python packages: what makes a function for data as large as Lambda takes it.
DATA = ["pandas==2.3.3", "pillow==11.3.0", "lxml==6.0.2"]


@dataclass(frozen=True)
class Package:
    name: str
    path: Path
    files: int
    unzipped_bytes: int


def get(cache: Path, say) -> list[Package]:
    """The two packages; made unless they are there."""
    cache.mkdir(parents=True, exist_ok=True)
    found = []
    for name, make in (("50 MB", _small), ("250 MB", _large)):
        path = cache / f"{name.split()[0]}.zip"
        if not path.exists():
            say(f"fetching what the {name} package is made of")
            make(cache / "parts").rename(path)
        with zipfile.ZipFile(path) as archive:
            sizes = [entry.file_size for entry in archive.infolist()]
        found.append(Package(name, path, len(sizes), sum(sizes)))
    return found


def _small(parts: Path) -> Path:
    parts.mkdir(exist_ok=True)
    return ordinary.node(parts, ["typescript@5.9.3"])


def _large(parts: Path) -> Path:
    """Python for data; what is missing to 250 MB is a model: bytes that do not compress."""
    parts.mkdir(exist_ok=True)
    path = ordinary.python(parts, DATA)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        missing = 250 * MEGABYTE - sum(entry.file_size for entry in archive.infolist())
        if missing > 0:
            archive.writestr("model.bin", random.Random(1).randbytes(missing))
    return path
