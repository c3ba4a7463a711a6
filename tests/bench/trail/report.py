"""The figures of each shape as a table of 80 columns and as Markdown, with ratios and which wishes were met."""

import platform
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench import machine
from bench.trail.contestants import Run
from bench.trail.corpus import Corpus, Shape
from bench.wishes import Wish

# What is wanted: DuckDB's time at least so many times coldcase's, coldcase's at most so many times gzip's.
TIMES_DUCKDB, TIMES_GZIP, MEMORY_MB = 3, 1.5, 64

RECORDS, SUMMARY, DUCKDB, GZIP = "coldcase --records", "coldcase, summary", "DuckDB", "gzip -dc"
ONE_RECORDS, ONE_GZIP = "  coldcase --records", "  gzip -dc"
LABELS = (RECORDS, SUMMARY, DUCKDB, GZIP, ONE_RECORDS, ONE_GZIP)


@dataclass
class Measured:
    """All that came out for one shape."""

    shape: Shape
    duckdb_form: str
    # Whether coldcase's records are those of the files byte for byte.
    is_verbatim: bool
    runs: dict[str, list[Run]] = field(default_factory=lambda: {label: [] for label in LABELS})

    def seconds(self, label: str) -> list[float]:
        """What counts: for DuckDB the query alone, without the start of Python."""
        return [run.query_seconds or run.usage.seconds for run in self.runs[label]]

    def peak_mb(self, label: str) -> float:
        return max(run.usage.peak_mb for run in self.runs[label])

    def times(self, slower: str, faster: str) -> float:
        return median(self.seconds(slower)) / median(self.seconds(faster))


def wishes(measured: Measured) -> list[Wish]:
    duckdb, gzip = measured.times(DUCKDB, RECORDS), measured.times(RECORDS, GZIP)
    peak = max(measured.peak_mb(label) for label in (RECORDS, SUMMARY))
    return [
        Wish(f"at least {TIMES_DUCKDB} × as fast as DuckDB", f"{duckdb:.2f} ×", duckdb >= TIMES_DUCKDB),
        Wish(f"at most {TIMES_GZIP} × the time of gzip alone", f"{gzip:.2f} ×", gzip <= TIMES_GZIP),
        Wish(f"less than {MEMORY_MB} MB of memory", f"{peak:.0f} MB", peak < MEMORY_MB),
    ]


def table(corpus: Corpus, found: list[Measured], binary: Path) -> str:
    lines = []
    for measured in found:
        lines += [*_about(corpus, measured), "",
                  f"{'median (least–most)':<21}{'time':<19}{'MB/s':>6}{'records/s':>11}{'processor':>11}{'memory':>9}", "─" * 77]
        for label in LABELS:
            if label == ONE_RECORDS:
                lines.append("on one processor")
            time, speed, records, processor, memory = _row(corpus, measured, label)
            lines.append(f"{label:<21}{time:<19}{speed:>6}{records:>11}{processor:>11}{memory:>9}")
        lines += ["", *(wish.line() for wish in wishes(measured)), *_beside(measured), ""]
    return "\n".join([*lines, *notes(), "", *_measured_with(binary)])


def markdown(corpus: Corpus, found: list[Measured], binary: Path) -> str:
    lines = []
    for measured in found:
        lines += [" ".join(_about(corpus, measured)), "",
                  "| median (least–most) | time | MB/s | records/s | processor | memory | time × coldcase |", "|---|---|---|---|---|---|---|"]
        for label in LABELS:
            one = " on one processor" if label.startswith(" ") else ""
            against = ONE_RECORDS if one else RECORDS
            lines.append(f"| {label.strip()}{one} | {' | '.join(_row(corpus, measured, label))} | {measured.times(label, against):.2f} |")
        lines += ["", *(f"- {wish.text}: {wish.found}, {'met' if wish.met else 'not met'}" for wish in wishes(measured)), ""]
    return "\n".join([*lines, " ".join(notes()), "", "Measured on: " + "; ".join(_measured_with(binary)) + "."])


def _about(corpus: Corpus, measured: Measured) -> list[str]:
    shape = measured.shape
    asked_for = sum(1 for _ in corpus.expected.open("rb"))
    same = "byte for byte as the files have them" if measured.is_verbatim else "the same in content, not byte for byte"
    return [f"{shape.name}: {shape.files:,} with {shape.uncompressed_bytes / 1e6:,.0f} MB in {shape.compressed_bytes / 1e6:,.0f} MB "
            f"of gzip ({shape.uncompressed_bytes / shape.compressed_bytes:.1f} ×),",
            f"{corpus.records:,} records, {asked_for:,} of them of the role asked for ({asked_for / corpus.records:.1%}).",
            "coldcase and DuckDB give exactly these, with everything that they hold;",
            f"coldcase's are {same}."]


def _row(corpus: Corpus, measured: Measured, label: str) -> tuple[str, str, str, str, str]:
    seconds = measured.seconds(label)
    middle = median(seconds)
    processor = median(run.usage.processor_seconds for run in measured.runs[label])
    return (f"{middle:.2f} s ({min(seconds):.2f}–{max(seconds):.2f})", f"{measured.shape.uncompressed_bytes / 1e6 / middle:.0f}",
            f"{corpus.records / middle:,.0f}", f"{processor:.2f} s", f"{measured.peak_mb(label):.0f} MB")


def _beside(measured: Measured) -> list[str]:
    start = median(run.usage.seconds - run.query_seconds for run in measured.runs[DUCKDB])
    return [
        f"DuckDB: {measured.peak_mb(DUCKDB) / measured.peak_mb(RECORDS):.0f} × coldcase's memory; fastest form here: {measured.duckdb_form};",
        f"        {start:.2f} s of Python starting and ending are not in its time",
        f"one processor: {measured.times(ONE_RECORDS, ONE_GZIP):.2f} × gzip's time; two are {measured.times(ONE_RECORDS, RECORDS):.2f} × as fast as one",
    ]


def notes() -> list[str]:
    """What the figures mean."""
    return [
        "Every contestant reads the same files from the page cache, in turn, on the same",
        "two processors; records go into a file, gzip's output into nothing. Every output",
        "of records is compared. MB/s and records/s are of what was read, uncompressed.",
        "Memory is the highest peak of any run, all processes together.",
    ]


def _measured_with(binary: Path) -> list[str]:
    gzip = subprocess.run(["gzip", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    release = "" if binary.parent.name == "release" else " (NOT A RELEASE BUILD: quote nothing)"
    return [machine.hardware(),
            f"coldcase {binary.stat().st_size / 1e6:.1f} MB{release}", f"DuckDB {version('duckdb')}, Python {platform.python_version()}, {gzip}"]
