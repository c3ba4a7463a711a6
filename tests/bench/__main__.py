"""`make bench`: both responders in one local account, round after round in turn, and a table of what came out."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from bench import machine, packages, report, responders, rounds, victims
from bench.local_account import Failed, LocalAccount
from bench.rounds import Measured

SECONDS_LIMIT = 900
# The account keeps everything in memory: the code deployed and the evidence, of both responders.
GB_A_LARGE_ROUND = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each responder (default 5)")
    parser.add_argument("--large-rounds", type=int, default=5, help="how many of them with the 250 MB package (default 5); each takes up to 2 GB of memory")
    parser.add_argument("--starts", type=int, default=3, help="cold starts in each round (default 3)")
    parser.add_argument("--small-only", action="store_true", help="leave the 250 MB package out")
    parser.add_argument("--markdown", action="store_true", help="print Markdown for the README instead of the table")
    options = parser.parse_args()
    if not responders.BINARY.exists():
        print(f"{responders.BINARY} is missing: make build", file=sys.stderr)
        return 1
    if machine.load() > 0.7:
        print("this machine was busy in the last minute; with something else to do, figures get too high", file=sys.stderr)
    if not options.small_only and (fitting := max(1, int(machine.available_gb() / GB_A_LARGE_ROUND))) < options.large_rounds:
        say(f"memory for {fitting} rounds with the 250 MB package")
        options.large_rounds = fitting
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            measured = measure(Path(folder), options)
        except (Failed, BotoCoreError, ClientError, OSError) as failed:
            print(f"the bench failed: {failed}", file=sys.stderr)
            return 1
    say(f"{options.rounds} rounds in {time.monotonic() - began:.0f} s\n")
    print((report.markdown if options.markdown else report.table)(*measured))
    return 0


def measure(folder: Path, options) -> tuple[Measured, Measured, Measured]:
    """The figures of coldcase, of the Python responder, and of the frugal Python responder."""
    account = LocalAccount(folder, SECONDS_LIMIT)
    try:
        say("the local account is up; making the functions that will be overwritten")
        # Two for the small package, cold and warm, and one for the large in each round. They are made before
        # anybody watches: making them raises events as well.
        victims_of = {region: iter(victims.make(account, region, options.rounds * 3))
                      for region in responders.REGIONS.values()}
        say("deploying the responders")
        ours, theirs, frugal = Measured(), Measured(), Measured()
        coldcase = responders.coldcase(account)
        sides = [(coldcase, ours), (responders.boto3(account, folder, like=coldcase), theirs)]
        if not options.small_only:
            careful = responders.boto3(account, folder, like=coldcase, frugal=True)
        for number in range(1, options.rounds + 1):
            cold, warm = packages.make(folder, "cold", 1), packages.make(folder, "warm", 1)
            # Who begins takes turns as well.
            turns = sides if number % 2 else sides[::-1]
            for responder, measured in turns:
                say(f"round {number} of {options.rounds}: {responder.name}")
                for _ in range(options.starts):
                    rounds.cold_start(account, responder, measured)
                for package, is_cold in ((cold, True), (warm, False)):
                    victim = next(victims_of[responder.region])
                    rounds.event_to_sealed(account, responder, measured, victim, package, 1, is_cold)
            if options.small_only or number > options.large_rounds:
                continue
            large = packages.make(folder, "large", 250)
            # Memory hardly varies: the frugal one is measured once.
            for responder, measured in [*turns, *([(careful, frugal)] if number == 1 else [])]:
                say(f"round {number} of {options.rounds}: {responder.name}, 250 MB")
                rounds.event_to_sealed(account, responder, measured, next(victims_of[responder.region]), large, 250, True)
            large.path.unlink()
        return ours, theirs, frugal
    finally:
        account.end()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
