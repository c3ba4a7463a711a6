"""The account's start and end, and that it hands out an administrator whom policies bind."""

import os
import signal
import time

from account.conftest import Account, start_account


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_says_where_it_is(account):
    assert account.where["account"] == "111122223333"
    assert account.endpoint.startswith("http://127.0.0.1:")
    me = account.client("sts").get_caller_identity()
    assert me["Arn"] == "arn:aws:iam::111122223333:user/administrator"


def test_ends_when_its_standard_input_does():
    process, _ = start_account("--log", os.devnull)
    process.stdin.close()
    assert process.wait(5) == 0


def test_ends_on_sigterm():
    process, _ = start_account("--log", os.devnull)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0
