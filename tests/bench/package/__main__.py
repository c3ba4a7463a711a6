"""Examining packages of 50 and 250 MB, beside unzip with sha256sum and beside Syft, round after round in turn."""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench import machine
from bench.package import contestants, corpus, report
from bench.process import Failed, Usage, run

CACHE = contestants.BUILDS / "bench/package"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.package", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds after the warm-up (default 5)")
    parser.add_argument("--coldcase", type=Path, default=contestants.COLDCASE, help="the binary (default: of the release build)")
    parser.add_argument("--markdown", action="store_true", help="print Markdown for the README instead of the tables")
    options = parser.parse_args()
    if machine.load() > 0.7:
        say("this machine was busy in the last minute; with something else to do, figures get too high")
    try:
        if not options.coldcase.exists():
            raise Failed(f"{options.coldcase} is missing: make build")
        packages = corpus.get(CACHE, say)
        os.sync()
        with tempfile.TemporaryDirectory(prefix="bench-package-") as folder:
            found = [measure(package, Path(folder), options) for package in packages]
    except (Failed, OSError) as failed:
        print(f"the bench of packages failed: {failed}", file=sys.stderr)
        return 1
    print((report.markdown if options.markdown else report.table)(found, options.coldcase))
    return 0


def measure(package: corpus.Package, folder: Path, options) -> report.Measured:
    processors = set(sorted(os.sched_getaffinity(0))[:2])
    turns = contestants.commands(options.coldcase, package.path, folder)
    measured = report.Measured(package, {label: [] for label in turns})
    for number in range(options.rounds + 1):
        say(f"{package.name}: " + (f"round {number} of {options.rounds}" if number else "warming up"))
        # Who begins takes turns as well.
        for label, command in list(turns.items())[:: 1 if number % 2 else -1]:
            output = folder / "output"
            usage: Usage = run(command, processors, output, folder / "errors")
            if number:
                measured.runs[label].append(usage)
            else:
                _did_the_work(label, package, output, measured)
    return measured


def _did_the_work(label: str, package: corpus.Package, output: Path, measured: report.Measured) -> None:
    """Whether every file was hashed, and coldcase's digests are sha256sum's; what was found is noted."""
    if label == contestants.UNZIP:
        measured.digests["sha256sum"] = sorted(line[:64] for line in output.read_text().splitlines())
    elif label == contestants.SYFT:
        measured.components[label] = len({part.get("purl") for part in json.loads(output.read_text())["components"]} - {None})
    else:
        scan = json.loads(output.read_text())
        measured.components[label] = len(scan["components"])
        measured.digests[label] = sorted(file["sha256"] for file in scan["inventory"] if file["sha256"] and "!/" not in file["path"])
    known = measured.digests.get("sha256sum")
    for name, digests in measured.digests.items():
        if known and digests != known:
            raise Failed(f"{name} hashed other files than sha256sum: {len(digests)} and {len(known)}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
