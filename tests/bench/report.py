"""The figures as a table of 80 columns and as Markdown: medians, ranges, ratios, and which wishes were met."""

import platform
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median

from bench import machine, responders
from bench.rounds import Measured
from bench.wishes import Wish

SIZES = (1, 250)


@dataclass(frozen=True)
class Row:
    label: str
    figure: str
    unit: str  # s or MB
    at_least: float | None = None  # how many times better coldcase should be

    def of(self, measured: Measured) -> list[float]:
        return measured.figures[self.figure]


ROWS = (
    Row("process start → first poll", "start", "s", 10),
    Row("process start → first response", "first response", "s"),
    Row("event → sealed, 1 MB, cold", "sealed 1 cold", "s", 2),
    Row("event → sealed, 1 MB, warm", "sealed 1 warm", "s"),
    Row("event → sealed, 250 MB, cold", "sealed 250 cold", "s"),
    Row("processor time, 1 MB, cold", "processor 1", "s"),
    Row("processor time, 250 MB, cold", "processor 250", "s"),
    Row("peak memory, 1 MB", "memory 1", "MB"),
    Row("peak memory, 250 MB", "memory 250", "MB", 4),
)
FLAT_WITHIN_MB = 16


def wishes(ours: Measured, theirs: Measured) -> list[Wish]:
    found = []
    for row in ROWS:
        if row.at_least and row.of(ours):
            ratio = median(row.of(theirs)) / median(row.of(ours))
            text = (f"{row.label}: at most 1/{row.at_least:g} of boto3's" if row.unit == "MB"
                    else f"{row.label}: at least {row.at_least:g} × faster")
            found.append(Wish(text, f"1/{ratio:.1f}" if row.unit == "MB" else f"{ratio:.1f} ×", ratio >= row.at_least))
    small, large = (ours.figures[f"memory {size}"] for size in SIZES)
    if small and large:
        growth = median(large) - median(small)
        found.append(Wish(f"memory: 250 MB within {FLAT_WITHIN_MB} MB of 1 MB", f"{growth:+.1f} MB", growth <= FLAT_WITHIN_MB))
    return found


def table(ours: Measured, theirs: Measured, frugal: Measured) -> str:
    lines = [f"{'median (least–most)':<32}{'coldcase':<20}{'boto3':<20}{'ratio':>7}", "─" * 79]
    for label, *cells in _rows(ours, theirs, frugal):
        lines.append(f"{label:<32}{cells[0]:<20}{cells[1]:<20}{cells[2]:>7}")
    lines += ["", *(wish.line() for wish in wishes(ours, theirs)), "", *_cases(ours, theirs), "", *notes(ours, theirs), "",
              *_measured_with()]
    return "\n".join(lines)


def _rows(ours: Measured, theirs: Measured, frugal: Measured):
    """(label, ours, theirs, ratio) of whatever was measured."""
    for row in filter(lambda row: row.of(ours) and row.of(theirs), ROWS):
        yield row.label, _summary(row, ours), _summary(row, theirs), _ratio(row, ours, theirs)
        if row.figure == "memory 250" and row.of(frugal):
            yield "  boto3 uploading part by part", "", _summary(row, frugal), _ratio(row, ours, frugal)


def markdown(ours: Measured, theirs: Measured, frugal: Measured) -> str:
    lines = ["| median (least–most) | coldcase | Python, boto3 | ratio | wanted |", "|---|---|---|---|---|"]
    met = {wish.text.split(":")[0]: wish.met for wish in wishes(ours, theirs)}
    wanted = {row.label: f"≥ {row.at_least:g} ×: {'met' if met[row.label] else 'not met'}" for row in ROWS if row.label in met}
    for label, *cells in _rows(ours, theirs, frugal):
        lines.append(f"| {label.strip()} | {' | '.join(cells)} | {wanted.get(label, '')} |")
    if flat := [wish for wish in wishes(ours, theirs) if "within" in wish.text]:
        lines.append(f"| {flat[0].text} | {flat[0].found} | | | {'met' if flat[0].met else 'not met'} |")
    lines += ["", *(f"- {text}" for text in [*_cases(ours, theirs), *_unwrapped(notes(ours, theirs))]), "",
              "Measured on: " + "; ".join(_measured_with()) + "."]
    return "\n".join(lines)


def _summary(row: Row, measured: Measured) -> str:
    values = row.of(measured)
    middle, least, most = median(values), min(values), max(values)
    if row.unit == "MB":
        return f"{middle:.0f} MB ({least:.0f}–{most:.0f})"
    if most < 1:
        return f"{middle * 1000:.0f} ms ({least * 1000:.0f}–{most * 1000:.0f})"
    digits = 2 if most < 10 else 1
    return f"{middle:.{digits}f} s ({least:.{digits}f}–{most:.{digits}f})"


def _ratio(row: Row, ours: Measured, theirs: Measured) -> str:
    return f"{median(row.of(theirs)) / median(row.of(ours)):.1f} ×"


def _cases(ours: Measured, theirs: Measured) -> list[str]:
    """What the cases hold, side by side; sizes differ in nothing but the package."""
    lines = []
    for size in SIZES:
        if size in ours.contents and size in theirs.contents:
            for name, measured in (("coldcase", ours), ("boto3", theirs)):
                contents = measured.contents[size]
                lines.append(f"{size} MB, {name}: {contents.counts()}; {contents.exhibits} exhibits, {contents.calls} calls")
            kinds = [measured.contents[size].kinds() for measured in (ours, theirs)]
            for name, more in (("coldcase", kinds[0] - kinds[1]), ("boto3", kinds[1] - kinds[0])):
                if more:
                    lines.append(f"{size} MB, only {name} has: {', '.join(sorted(more.elements()))}")
    return lines


def notes(ours: Measured, theirs: Measured) -> list[str]:
    """What the figures include, and where the comparison leans."""
    delivered = [value * 1000 for name, values in ours.figures.items() if name.startswith("delivered") for value in values]
    delivered += [value * 1000 for name, values in theirs.figures.items() if name.startswith("delivered") for value in values]
    wait = f" ({median(delivered):.0f} ms until either function had the event)" if delivered else ""
    return [
        "Both run in the same local account, whose own work for every call is in both",
        f"figures and shares the processors{wait}.",
        "\"Sealed\" is when S3 had the envelope, counted from UpdateFunctionCode's",
        "return. Every case is read back whole before its figures count: signature,",
        "every exhibit's digest, the package deployed. The Python responder makes its",
        "main clients before its first poll, ships bytecode, answers through a shorter",
        "loop than Lambda's own, and does not verify its signature before keeping it,",
        "as coldcase does: all of this favours Python. It has 512 MB, coldcase 128 MB.",
        "\"Processor time\" is that of the function's process up to its rest, tracing and",
        "telling included.",
    ]


def _measured_with() -> list[str]:
    return [
        machine.hardware(),
        f"coldcase {responders.BINARY.stat().st_size / 1e6:.1f} MB{'' if responders.is_release_build() else ' (NOT A RELEASE BUILD: quote nothing)'}, "
        f"Python {platform.python_version()}, boto3 {version('boto3')}, MiniStack {version('ministack')}",
    ]


def _unwrapped(lines: list[str]) -> list[str]:
    return [" ".join(lines)]
