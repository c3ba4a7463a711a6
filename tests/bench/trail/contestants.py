"""Who reads the trail files: coldcase, DuckDB, and gzip alone, which only decompresses them."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import process
from bench.trail import landscape
from bench.trail.corpus import Shape
from bench.trail.duckdb_query import FORMS
from bench.process import Failed, Usage

ROOT = Path(__file__).resolve().parents[3]
BUILDS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
COLDCASE = BUILDS / "release/coldcase"


@dataclass(frozen=True)
class Run:
    usage: Usage
    # What it printed.
    output: Path
    # DuckDB's query by itself, without the start of Python.
    query_seconds: float | None = None


class Contestant:
    name = ""
    gives_records = False

    def __init__(self, processors: set[int]):
        self.processors = processors

    def read(self, shape: Shape, folder: Path) -> Run:
        """Reads the files of a shape; what it prints and complains of goes into files in `folder`."""
        output = folder / "output"
        return Run(process.run(self.command(shape, folder), self.processors, output, folder / "errors"), output)

    def command(self, shape: Shape, folder: Path) -> list[str]:
        raise NotImplementedError


class Records(Contestant):
    """coldcase printing the records."""

    name, gives_records = "coldcase --records", True

    def __init__(self, processors: set[int], binary: Path):
        super().__init__(processors)
        self.binary = binary

    def command(self, shape: Shape, folder: Path) -> list[str]:
        return [str(self.binary), "activity", "--role", landscape.ROLE_ARN, "--trail", str(shape.folder), "--records"]


class Summary(Records):
    """coldcase summing the same records up."""

    name, gives_records = "coldcase, summary", False

    def __init__(self, processors: set[int], binary: Path, asked_for: int):
        super().__init__(processors, binary)
        self.asked_for = asked_for

    def read(self, shape: Shape, folder: Path) -> Run:
        run = super().read(shape, folder)
        try:
            summary = json.loads(run.output.read_bytes())
        except ValueError as wrong:
            raise Failed(f"coldcase's summary is no JSON: {wrong}") from None
        if not _says(summary, self.asked_for):
            raise Failed(f"coldcase's summary says nowhere that there are {self.asked_for} records: {str(summary)[:500]}")
        return run

    def command(self, shape: Shape, folder: Path) -> list[str]:
        return [*super().command(shape, folder)[:-1], "--json"]


class DuckDB(Contestant):
    name, gives_records = "DuckDB", True

    def __init__(self, processors: set[int], form: str):
        super().__init__(processors)
        self.form = form

    def read(self, shape: Shape, folder: Path) -> Run:
        run = super().read(shape, folder)
        return Run(run.usage, self._records(folder), json.loads(run.output.read_bytes())["query_seconds"])

    def command(self, shape: Shape, folder: Path) -> list[str]:
        return [sys.executable, "-m", "bench.trail.duckdb_query", str(shape.folder), landscape.ROLE_ARN, self.form, str(self._records(folder)),
                "--largest-bytes", str(shape.largest_bytes), "--threads", str(len(self.processors))]

    @staticmethod
    def _records(folder: Path) -> Path:
        return folder / "records"


class Gzip(Contestant):
    """gzip, one process for each processor at a time, into nothing."""

    name = "gzip -dc"

    def command(self, shape: Shape, folder: Path) -> list[str]:
        # Many files for each process, so that starting them costs nothing, and few enough that both
        # processors are busy to the end.
        each = max(1, shape.files // 24)
        return ["sh", "-c", 'find "$0" -name "*.json.gz" -print0 | xargs -0 -P "$1" -n "$2" gzip -dc > /dev/null',
                str(shape.folder), str(len(self.processors)), str(each)]


def _says(value, number: int) -> bool:
    """Whether a number stands anywhere in a JSON value."""
    if isinstance(value, (dict, list)):
        return any(_says(inner, number) for inner in (value.values() if isinstance(value, dict) else value))
    return value == number and not isinstance(value, bool)


def duckdb_forms(processors: set[int]) -> list[DuckDB]:
    return [DuckDB(processors, form) for form in FORMS]
