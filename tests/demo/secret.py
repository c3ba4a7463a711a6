"""Looks for the marked secret in everything that coldcase wrote: plain, and inside Base64 at any alignment."""

import base64
from pathlib import Path

from demo.cases import Case


def found_in(text: bytes, secret: str) -> bool:
    return any(needle in text for needle in _needles(secret))


def where(secret: str, folder: Path, cases: list[Case], said: dict[str, list[str]]) -> tuple[list[str], list[str]]:
    """(configuration exhibits that hold it, everything else that does). `said` is what was written elsewhere, by place."""
    allowed = {exhibit["key"] for case in cases for acquisition in case.acquisitions
               if acquisition["request"]["artifact"] == "configuration" for exhibit in acquisition["exhibits"]}
    kept, leaked = [], []
    for path in sorted(folder.rglob("*")):
        key = path.relative_to(folder).as_posix()
        if path.is_file() and found_in(path.read_bytes(), secret):
            (kept if key in allowed else leaked).append(key)
    leaked += [place for place, texts in said.items() if any(found_in(text.encode(), secret) for text in texts)]
    return kept, leaked


def _needles(secret: str) -> list[bytes]:
    needles = [secret.encode()]
    for shift in range(3):
        # Whole groups of the middle only: the groups at the ends depend on what stands beside the secret.
        encoded = base64.b64encode(b"\0" * shift + secret.encode())
        needles.append(encoded[4:-4])
    return needles
