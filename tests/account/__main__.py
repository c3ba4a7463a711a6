"""The command line: `python -m account up` starts an account, `python -m account deploy` deploys a SAM template into one."""

import argparse
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="account", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    up = commands.add_parser("up", help="start an account and print where it is as one line of JSON")
    up.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    up.add_argument("--seconds-limit", type=float, help="end by itself after that many seconds")
    up.add_argument("--auth", action=argparse.BooleanOptionalAction, default=True, help="enforce IAM")
    up.add_argument("--log", help="write the log to this file instead of standard error")
    up.add_argument("--ignore-stdin", action="store_true", help="do not end when standard input reaches its end")
    up.add_argument("--memory", choices=("enforce", "record"), default="enforce",
                    help="kill a function that outgrows its MemorySize, as Lambda does, or only record the peak")
    up.add_argument("--delivery-seconds", type=float, default=5,
                    help="how often trails write log files; 0 for only when a test asks")
    up.add_argument("--digest-seconds", type=float, default=3600, help="how often they write digests of these; 0 likewise")

    deploy = commands.add_parser("deploy", help="deploy a SAM template and print its outputs as JSON")
    deploy.add_argument("--endpoint", required=True)
    deploy.add_argument("--template", required=True)
    deploy.add_argument("--stack", required=True)
    deploy.add_argument("--region", default="us-east-1")
    deploy.add_argument("--parameter", action="append", nargs="+", default=[], metavar="K=V")

    options = parser.parse_args()
    if options.command == "up":
        from account import start
        return start.up(options)
    from account import deploy as deployment
    return deployment.deploy(options)


if __name__ == "__main__":
    sys.exit(main())
