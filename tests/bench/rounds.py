"""One round of one responder: cold starts, a first response, and events that end in sealed cases, cold and warm."""

import json
import time
from collections import defaultdict
from datetime import datetime, timezone

from bench import cases, packages, victims
from bench.local_account import Failed, LocalAccount, processor_seconds, until
from bench.responders import Responder

# A read-only call wakes nobody; handed over directly, both look at it and answer that nothing is to be done.
NOTHING_TO_DO = {"eventVersion": "1.08", "eventSource": "lambda.amazonaws.com", "eventName": "GetFunction20150331v2",
                 "eventID": "00000000-0000-4000-8000-000000000000", "eventTime": "2026-01-01T00:00:00Z",
                 "awsRegion": "us-east-1", "recipientAccountId": "111122223333", "readOnly": True,
                 "userIdentity": {"type": "Root", "accountId": "111122223333"},
                 "requestParameters": {"functionName": "billing"}, "responseElements": None}

# Seconds between two looks for a sealed case.
LOOK_EVERY = 1.5


class Measured:
    """All figures of one responder, by name; and what its cases hold."""

    def __init__(self):
        self.figures: dict[str, list[float]] = defaultdict(list)
        self.contents: dict[int, cases.Contents] = {}

    def add(self, name: str, value: float) -> None:
        self.figures[name].append(value)


def cold_start(account: LocalAccount, responder: Responder, measured: Measured) -> None:
    """A fresh process up to its first poll, and up to its first response."""
    account.make_cold(responder.function)
    client = account.client("lambda", responder.region)
    reply = client.invoke(FunctionName=responder.function, Payload=json.dumps(NOTHING_TO_DO))
    answer = json.load(reply["Payload"])
    if reply.get("FunctionError") or "ignored" not in json.dumps(answer):
        raise Failed(f"{responder.name}: an event that calls for nothing was answered {answer}{_log(account, responder)}")
    line = account.invocations(responder.function)[-1]
    if not line["cold"] or not line["init_ms"]:
        raise Failed(f"{responder.name}: the process was not a fresh one: {line}")
    measured.add("start", line["init_ms"] / 1000)
    # The account waits for stray log lines before it passes the answer on: not the function's time.
    measured.add("first response", (line["init_ms"] + line["duration_ms"]) / 1000)


def event_to_sealed(account: LocalAccount, responder: Responder, measured: Measured, victim: str,
                    package: packages.Package, megabytes: int, cold: bool) -> None:
    """Overwrites a function's code and waits for its case; the figures count once the case is found right."""
    if cold:
        account.make_cold(responder.function)
    functions, s3 = (account.client(service, responder.region) for service in ("lambda", "s3"))
    where = {"Bucket": victims.packages_bucket(responder.region), "Key": f"{megabytes}.zip"}
    s3.upload_file(str(package.path), *where.values())
    before = len(account.invocations(responder.function))
    functions.update_function_code(FunctionName=victim, S3Bucket=where["Bucket"], S3Key=where["Key"])
    happened = datetime.now(timezone.utc)
    # S3 says when; looking often would only take the account's time from the responder that is measured.
    time.sleep(LOOK_EVERY)
    found = until(lambda: cases.sealed_at(account, responder, victim), 120,
                  f"{responder.name}: no case of {victim} was sealed{_log(account, responder)}", every=LOOK_EVERY)
    case, sealed = found
    _settle(account, responder, case, before)
    # They are listed as they end; the one that turned tracing on outlasts the one that this woke.
    line = min(account.invocations(responder.function)[before:], key=lambda line: line["started"])
    if line["cold"] is not cold or line["outcome"] != "ok":
        raise Failed(f"{responder.name}: the invocation was not as it should be: {line}")
    processor = processor_seconds(line["pid"])
    contents = cases.check(account, responder, case, package)
    temperature = "cold" if cold else "warm"
    handed_over = datetime.fromisoformat(line["started"].replace("Z", "+00:00"))
    measured.add(f"sealed {megabytes} {temperature}", (sealed - happened).total_seconds())
    measured.add(f"delivered {megabytes} {temperature}", (handed_over - happened).total_seconds())
    if cold:
        measured.add(f"memory {megabytes}", line["peak_rss_kb"] / 1024)
        measured.add(f"processor {megabytes}", processor)
    measured.contents[megabytes] = contents
    s3.delete_object(**where)


def _settle(account: LocalAccount, responder: Responder, case: str, before: int) -> None:
    """Waits for the responder's rest: tracing on, the event that this raises, an empty queue."""
    until(lambda: cases.answered(account, responder, case), 60, f"{responder.name}: {case} was not answered to its end")
    until(lambda: len(account.invocations(responder.function)) >= before + 2, 60,
          f"{responder.name}: its own turning tracing on raised no event")
    sqs = account.client("sqs", responder.region)

    def idle():
        left = sqs.get_queue_attributes(QueueUrl=responder.queue_url, AttributeNames=["All"])["Attributes"]
        return left["ApproximateNumberOfMessages"] == left["ApproximateNumberOfMessagesNotVisible"] == "0"
    until(idle, 60, f"{responder.name}: its queue does not become empty")


def _log(account: LocalAccount, responder: Responder) -> str:
    """The last lines of the account's log, for whoever has to find out."""
    return "\n" + "\n".join(account.log.read_text(errors="replace").splitlines()[-15:])
