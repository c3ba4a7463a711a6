"""Sweeps over many functions in the local account: calls a function, time, what a second sweep writes, and a sweep that is killed."""

import argparse
import io
import json
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from bench.local_account import Failed, LocalAccount, until

REGION = "us-east-1"
TEMPLATE = Path(__file__).resolve().parents[2] / "template.yaml"
SECONDS_LIMIT = 7200
ROLES = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.baseline", description=__doc__)
    parser.add_argument("--functions", type=int, default=2000, help="how many (default 2000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        account = LocalAccount(Path(folder), SECONDS_LIMIT)
        try:
            measure(account, options.functions)
        except (Failed, BotoCoreError, ClientError, OSError) as failed:
            print(f"the bench failed: {failed}", file=sys.stderr)
            return 1
        finally:
            account.end()
    return 0


def measure(account: LocalAccount, count: int) -> None:
    # Before anybody watches: making functions raises events as well.
    make(account, count)
    say(f"{count} functions of {ROLES} roles; deploying, which starts the first sweep")
    outputs = account.deploy(TEMPLATE, "coldcase", REGION, Tracing="off", BaselineRequestsPerSecond="100")
    bucket, machine = outputs["BucketName"], outputs["BaselineArn"]
    states = account.client("stepfunctions", REGION)
    first = until(lambda: states.list_executions(stateMachineArn=machine)["executions"], 60,
                  "the deployment started no sweep")[0]["executionArn"]
    until(lambda: len(records(account, bucket)) > count // 4, 3600, "the first sweep does not get on", every=2)
    states.stop_execution(executionArn=first, cause="killed by the bench")
    began, before = time.monotonic(), records(account, bucket)
    report("killed", f"after {len(before)} records")
    calls = Calls(account)
    took = sweep(states, machine, "taken-up")
    after = records(account, bucket)
    report("taken up", f"{len(after) - len(before)} records in {took:.0f} s")
    twice = [key for key in after if not key.endswith("/000001.json")]
    # The three or four functions of the stack are recorded as well.
    if twice or len(after) < count:
        raise Failed(f"{len(after)} records; recorded twice: {[differences(account, bucket, key) for key in twice[:3]]}")
    calls.forget()
    before = versions(account, bucket)
    took = sweep(states, machine, "second")
    written = versions(account, bucket) - before
    report("second sweep", f"{took:.0f} s, {len(written)} objects written")
    for service, made in calls.made().items():
        report(service, f"{sum(made.values()) / count:.1f} calls a function: " + ", ".join(
            f"{name} {number / count:.2f}" for name, number in made.most_common()))
    report("all", f"{time.monotonic() - began:.0f} s since the kill")
    if written:
        raise Failed(f"a sweep of unchanged functions wrote {sorted(written)[:3]} …")


def make(account: LocalAccount, count: int) -> None:
    iam, functions = account.client("iam", REGION), account.client("lambda", REGION)
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    roles = [iam.create_role(RoleName=f"many-{number}", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
             for number in range(ROLES)]

    def one(number: int) -> None:
        functions.create_function(
            FunctionName=f"many-{number:05}", Runtime="python3.12", Handler="app.handler",
            Role=roles[number // 10 % ROLES], Code={"ZipFile": package(number)},
            Environment={"Variables": {"NUMBER": str(number)}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(count)))


def package(number: int) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), f"def handler(event, context):\n    return {number}\n")
    return held.getvalue()


def sweep(states, machine: str, name: str) -> float:
    """A whole sweep; how long it took in seconds."""
    began = time.monotonic()
    execution = states.start_execution(stateMachineArn=machine, name=name, input="{}")["executionArn"]

    def status() -> str | None:
        now = states.describe_execution(executionArn=execution)["status"]
        return None if now == "RUNNING" else now

    if (ended := until(status, 7000, f"the sweep {name} does not end", every=0.5)) != "SUCCEEDED":
        raise Failed(f"the sweep {name} {ended}")
    return time.monotonic() - began


def records(account: LocalAccount, bucket: str) -> set[str]:
    pages = account.client("s3", REGION).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="baselines/")
    return {one["Key"] for page in pages for one in page.get("Contents", []) if one["Key"].endswith(".json")}


def versions(account: LocalAccount, bucket: str) -> set[tuple[str, str]]:
    pages = account.client("s3", REGION).get_paginator("list_object_versions").paginate(Bucket=bucket)
    return {(one["Key"], one["VersionId"]) for page in pages for one in page.get("Versions", [])}


def differences(account: LocalAccount, bucket: str, key: str) -> str:
    """What a record says otherwise than the one before it, by request."""
    def read(number: int) -> dict:
        name = f"{key.rpartition('/')[0]}/{number:06}.json"
        return json.loads(account.client("s3", REGION).get_object(Bucket=bucket, Key=name)["Body"].read())

    number = int(key.rpartition("/")[2].removesuffix(".json"))
    before, after = ({json.dumps(piece["request"]): piece for piece in read(one)["pieces"]} for one in (number - 1, number))
    changed = {request: (before.get(request, {}).get("result"), after.get(request, {}).get("result"))
               for request in before.keys() | after.keys()
               if settled(before.get(request)) != settled(after.get(request))}
    return f"{read(number)['function']} {changed}"


def settled(piece: dict | None) -> str:
    return json.dumps(piece, sort_keys=True) if piece is None else json.dumps(
        json.loads(json.dumps(piece), object_hook=lambda fields: {
            name: value for name, value in fields.items() if name not in ("received_at", "RevisionId", "LastProcessingResult")}), sort_keys=True)


class Calls:
    """What the stack's function asked of Lambda and IAM, by the account's own audit trail."""

    def __init__(self, account: LocalAccount):
        self._where = f"{account.where['endpoint']}/_account/trail"
        self._passed = 0
        self.forget()

    def _lines(self) -> list[bytes]:
        with urllib.request.urlopen(self._where) as reply:
            return reply.read().splitlines()

    def forget(self) -> None:
        self._passed = len(self._lines())

    def made(self) -> dict[str, Counter]:
        made: dict[str, Counter] = {}
        for line in self._lines()[self._passed:]:
            record = json.loads(line)
            if ":assumed-role/coldcase-BaselineRole" in str(record.get("userIdentity", {}).get("arn")):
                service = record["eventSource"].partition(".")[0]
                made.setdefault(service, Counter())[record["eventName"]] += 1
        return made


def report(what: str, figure: str) -> None:
    print(f"{what:<14} {figure}", flush=True)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
