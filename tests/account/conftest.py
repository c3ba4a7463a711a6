"""One account for the whole suite, and a folder's worth of small helpers for its tests."""

import io
import json
import subprocess
import sys
import time
import uuid
import zipfile
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
        self._clients = {}

    def client(self, service, region="us-east-1"):
        """The administrator's client of a service, made once."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self.client_of(service, region)
        return self._clients[service, region]

    def client_of(self, service, region="us-east-1", key=None, secret=None, token=None):
        return boto3.client(
            service, endpoint_url=self.endpoint, region_name=region,
            aws_access_key_id=key or self.where["access_key_id"],
            aws_secret_access_key=secret or self.where["secret_access_key"], aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}))

    def role(self, allowed=("*",), name=None, denied=(), service="lambda.amazonaws.com", path="/"):
        """A new role with those actions, whom Lambda and the account's own people may become; its ARN."""
        iam, name = self.client("iam"), name or f"role-{uuid.uuid4().hex[:8]}"
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": {"AWS": self.where["account"]}, "Action": "sts:AssumeRole"}]}
        arn = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.allow(name, allowed, denied)
        return arn

    def allow(self, role_name, allowed, denied=()):
        statements = [{"Effect": "Allow", "Action": list(allowed), "Resource": "*"}]
        if denied:
            statements.append({"Effect": "Deny", "Action": list(denied), "Resource": "*"})
        self.client("iam").put_role_policy(RoleName=role_name, PolicyName="policy", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": statements}))

    def session(self, role_arn, service, name="somebody"):
        """A client with a role's temporary credentials."""
        granted = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=name)["Credentials"]
        return self.client_of(service, key=granted["AccessKeyId"], secret=granted["SecretAccessKey"],
                           token=granted["SessionToken"])

    def function(self, code=None, role=None, **settings):
        """A new function, ready; its name."""
        client, name = self.client("lambda"), settings.pop("FunctionName", f"function-{uuid.uuid4().hex[:8]}")
        client.create_function(FunctionName=name, Role=role or self.role(), Code={"ZipFile": code or package()}, **{
            "Runtime": "provided.al2023", "Handler": "bootstrap", **settings})
        self.settled(name)
        return name

    def settled(self, name):
        client = self.client("lambda")
        until(lambda: (config := client.get_function_configuration(FunctionName=name))["State"] == "Active"
              and config.get("LastUpdateStatus", "Successful") == "Successful")

    def lines(self, page):
        import urllib.request
        with urllib.request.urlopen(f"{self.endpoint}/_account/{page}") as reply:
            return [json.loads(line) for line in reply.read().splitlines()]

    def post(self, page, *lines, method="POST"):
        """Sends lines of JSON to a page; the lines of its answer."""
        import urllib.request
        body = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()
        with urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/_account/{page}", body, method=method)) as reply:
            return [json.loads(line) for line in reply.read().splitlines()]

    def trail(self, name=None):
        return [record for record in self.lines("trail") if name is None or record["eventName"] == name]


def package(folder="responder", extra=None):
    """The zip of one of the functions in fixtures/, executable bits kept."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted((Path(__file__).parent / "fixtures" / folder).iterdir()):
            entry = zipfile.ZipInfo(path.name)
            entry.external_attr = path.stat().st_mode << 16
            archive.writestr(entry, path.read_bytes())
        for name, data in (extra or {}).items():
            archive.writestr(name, data)
    return content.getvalue()


def until(condition, seconds=10):
    """What `condition` answers, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return found


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    log = tmp_path_factory.mktemp("account") / "account.log"
    process, where = start_account("--log", str(log), "--seconds-limit", "1200")
    yield Account(where)
    process.stdin.close()
    process.wait(10)
