"""Deployment packages of a given size that no compression makes smaller; each has its own digest."""

import hashlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Package:
    path: Path
    sha256: str
    size_bytes: int


def make(folder: Path, name: str, megabytes: int) -> Package:
    """A stored zip of a handler and `megabytes` of random bytes, written and hashed a piece at a time."""
    path = folder / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return 'taken over'\n")
        with archive.open("payload.bin", "w", force_zip64=True) as payload:
            for _ in range(megabytes):
                payload.write(os.urandom(MEGABYTE))
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while piece := content.read(MEGABYTE):
            digest.update(piece)
    return Package(path, digest.hexdigest(), path.stat().st_size)
