"""One account for the whole suite, and a folder's worth of small helpers for its tests."""

import json
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

TESTS = Path(__file__).resolve().parents[1]


def start_account(*arguments):
    process = subprocess.Popen([sys.executable, "-m", "account", "up", *arguments], cwd=TESTS, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line, "the account ended before it was ready"
    return process, json.loads(line)


class Account:
    def __init__(self, where: dict):
        self.where = where
        self.endpoint = where["endpoint"]

    def client(self, service, region="us-east-1", key=None, secret=None, token=None):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=region,
            aws_access_key_id=key or self.where["access_key_id"],
            aws_secret_access_key=secret or self.where["secret_access_key"], aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=True))

    def lines(self, page):
        import urllib.request
        with urllib.request.urlopen(f"{self.endpoint}/_account/{page}") as reply:
            return [json.loads(line) for line in reply.read().splitlines()]

    def trail(self, name=None):
        return [record for record in self.lines("trail") if name is None or record["eventName"] == name]


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    log = tmp_path_factory.mktemp("account") / "account.log"
    process, where = start_account("--log", str(log), "--seconds-limit", "300")
    yield Account(where)
    process.stdin.close()
    process.wait(10)
