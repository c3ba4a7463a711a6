"""Looks for secrets in everything that coldcase wrote: plain, escaped, compressed, and inside Base64 at any alignment."""

import base64
import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from demo.cases import Case


def found_in(text: bytes, secret: str) -> bool:
    return any(needle in text for needle in _needles(secret))


def where(secret: str, folder: Path, cases: list[Case], said: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """(configuration exhibits and records of what is good that hold it, everything else that does). `said` is what was written elsewhere, by place."""
    allowed = {exhibit["key"] for case in cases for acquisition in case.acquisitions
               if acquisition["request"]["artifact"] == "configuration" for exhibit in acquisition["exhibits"]}
    kept, leaked = [], []
    for path in sorted(folder.rglob("*")):
        key = path.relative_to(folder).as_posix()
        if path.is_file() and any(found_in(text, secret) for text in _unpacked(path.read_bytes())):
            (kept if key in allowed or key.startswith("baselines/") else leaked).append(key)
    leaked += [place for place, texts in said.items() if any(found_in(text.encode(), secret) for text in texts)]
    return kept, leaked


def _unpacked(content: bytes) -> Iterator[bytes]:
    """The bytes as they are, and what is packed in them."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    elif content.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield archive.read(name)


def _needles(secret: str) -> list[bytes]:
    needles = [secret.encode(), quote(secret, safe="").encode(), secret.replace("/", "\\/").encode()]
    for shift in range(3):
        # Whole groups of the middle only: the groups at the ends depend on what stands beside the secret.
        encoded = base64.b64encode(b"\0" * shift + secret.encode())
        needles.append(encoded[4:-4])
    return needles
