"""The command line: `python -m demo_clouds cloudflare` tells the story there, and fails where a promise is not kept."""

import argparse
import signal
import sys

from demo import Unexpected


def main() -> int:
    parser = argparse.ArgumentParser(prog="demo_clouds", description=__doc__)
    parser.add_argument("cloud", choices=["cloudflare"])
    parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    from demo_clouds.cloudflare import story
    return story.main()


def run() -> int:
    try:
        return main()
    except Unexpected as failure:
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the account has ended.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
