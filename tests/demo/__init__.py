"""The demo: an attack on a Lambda function in a local account, answered and sealed before your eyes."""

import sys


class Unexpected(Exception):
    """Something that the demo promises did not happen; the words are for whoever watches."""


# The command line of the local account, run with this same interpreter.
ACCOUNT_COMMAND = [sys.executable, "-m", "account"]
