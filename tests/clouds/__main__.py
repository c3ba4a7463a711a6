"""The command line: `python -m clouds cloudflare up` starts a stand-in of Cloudflare's API and ends with its standard input."""

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="clouds", description=__doc__)
    clouds = parser.add_subparsers(dest="cloud", required=True)
    cloudflare = clouds.add_parser("cloudflare", help="Cloudflare Workers")
    commands = cloudflare.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="start the stand-in and print where it is as one line of JSON")
    up.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    up.add_argument("--seconds-limit", type=float, help="end by itself after that many seconds")
    up.add_argument("--ignore-stdin", action="store_true", help="do not end when standard input reaches its end")

    up.add_argument("--checked", action="store_true", help="with Prism in between: what the vendor's types do not allow fails, and so does the end")
    up.add_argument("--record", type=Path, help="write every request to this file, a line of JSON each")

    from clouds.cloudflare import start
    return start.up(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
