"""The trail engine over at least 1 GB of trail files, beside DuckDB and gzip, round after round in turn."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from bench import machine
from bench.trail import contestants, corpus, report, sameness
from bench.process import Failed

CACHE = contestants.BUILDS / "bench/trail"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.trail", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds after the warm-up (default 5)")
    parser.add_argument("--size-mb", type=int, default=corpus.SIZE_MB, help=f"uncompressed size of each shape (default {corpus.SIZE_MB})")
    parser.add_argument("--coldcase", type=Path, default=contestants.COLDCASE, help="the binary (default: of the release build)")
    parser.add_argument("--generate", action="store_true", help="make the trail files unless they are there, and nothing else")
    parser.add_argument("--markdown", action="store_true", help="print Markdown for the README instead of the tables")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("at least one round")
    if machine.load() > 0.7:
        say("this machine was busy in the last minute; with something else to do, figures get too high")
    began = time.monotonic()
    try:
        files = corpus.get(CACHE, options.size_mb, say)
        if options.generate:
            say(f"trail files are there after {time.monotonic() - began:.0f} s")
            return 0
        if not options.coldcase.exists():
            raise Failed(f"{options.coldcase} is missing: make build")
        # What was just written goes to the disk now, not while something is measured.
        os.sync()
        with tempfile.TemporaryDirectory(prefix="bench-trail-") as folder:
            found = [measure(files, shape, Path(folder), options) for shape in files.shapes]
    except (Failed, OSError) as failed:
        print(f"the bench of the trail engine failed: {failed}", file=sys.stderr)
        return 1
    say(f"{options.rounds} rounds of each shape in {time.monotonic() - began:.0f} s\n")
    print((report.markdown if options.markdown else report.table)(files, found, options.coldcase))
    return 0


def measure(files: corpus.Corpus, shape: corpus.Shape, folder: Path, options) -> report.Measured:
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        raise Failed("two processors are needed")
    both, one = set(available[:2]), set(available[:1])
    records = contestants.Records(both, options.coldcase)

    say(f"{shape.name}: warming up, comparing records, trying DuckDB's forms")
    truth = sameness.Records("the generator", files.expected)
    ours = _checked(records, shape, folder, truth)
    duckdb, _, theirs = min(
        ((form, *_timed(form, shape, folder, truth)) for form in contestants.duckdb_forms(both)), key=lambda tried: tried[1])
    ours.must_equal(theirs)
    turns = {report.RECORDS: records, report.SUMMARY: contestants.Summary(both, options.coldcase, len(truth.by_id)),
             report.DUCKDB: duckdb, report.GZIP: contestants.Gzip(both), report.ONE_RECORDS: contestants.Records(one, options.coldcase), report.ONE_GZIP: contestants.Gzip(one)}
    digests = {report.RECORDS: ours.lines_digest, report.ONE_RECORDS: ours.lines_digest, report.DUCKDB: theirs.lines_digest}
    measured = report.Measured(shape, duckdb.form, ours.lines_digest == truth.lines_digest)
    for contestant in (turns[report.SUMMARY], turns[report.GZIP]):
        contestant.read(shape, folder)
    for number in range(1, options.rounds + 1):
        say(f"{shape.name}: round {number} of {options.rounds}")
        # Who begins takes turns as well.
        for label, contestant in list(turns.items())[:: 1 if number % 2 else -1]:
            run = contestant.read(shape, folder)
            if label in digests and sameness.lines_digest(run.output) != digests[label]:
                raise Failed(f"{contestant.name} gave other records than in the warm-up")
            measured.runs[label].append(run)
    return measured


def _checked(contestant: contestants.Contestant, shape: corpus.Shape, folder: Path, truth: sameness.Records) -> sameness.Records:
    """The records that a contestant gives; fails if they are not the ones that the generator wrote."""
    return _timed(contestant, shape, folder, truth)[1]


def _timed(contestant: contestants.Contestant, shape: corpus.Shape, folder: Path,
           truth: sameness.Records) -> tuple[float, sameness.Records]:
    run = contestant.read(shape, folder)
    records = sameness.Records(contestant.name, run.output)
    records.must_equal(truth)
    return run.query_seconds or run.usage.seconds, records


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
