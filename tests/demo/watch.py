"""Says what coldcase does while it does it: looks at the trail, the bucket, the responder's log and the owner's inbox."""

import json
import re
import time
from dataclasses import dataclass, field

from demo import Unexpected, screen, vault
from demo.cases import name_of, outcomes, without_date

SECONDS_AT_MOST = 90
SECONDS_BETWEEN_LOOKS = 0.1


@dataclass
class Seen:
    """What came of one call."""

    cases: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    sealed_after: float | None = None


class Watch:
    """Remembers what it has told already; `until_quiet` tells the rest."""

    def __init__(self, account, stack: dict, inbox_url: str):
        self._account, self._stack, self._inbox = account, stack, inbox_url
        self._s3, self._sqs, self._logs = (account.client(name) for name in ("s3", "sqs", "logs"))
        self._keys: set[str] = set()
        self._log_seen: set[tuple] = set()
        self._records = 0
        self.log_lines: list[str] = []
        self.notices: list[dict] = []

    def until_quiet(self, call: str, by: str, cases: int, started: float, tell: bool = True) -> Seen:
        """Follows one call, made by that user at `started` (seconds since 1970), until nothing is left to be done about
        it: the queue is empty, and each case of the at least `cases` new ones is sealed, dealt with and told."""
        self._started, self._tell, self._seen = started, tell, Seen()
        self._event(call, by)
        deadline = time.monotonic() + SECONDS_AT_MOST
        while True:
            # In this order: what the queue no longer holds has left its traces in the others.
            idle = self._idle()
            self._look()
            if idle and len(self._seen.cases) >= cases and all(map(self._finished, self._seen.cases)):
                return self._seen
            if time.monotonic() > deadline:
                raise Unexpected(f"{call}: coldcase was not done with it in {SECONDS_AT_MOST} s; "
                                 f"{len(self._seen.cases)} of {cases} cases, queue {'empty' if idle else 'not empty'}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _event(self, call: str, by: str) -> None:
        """The call as CloudTrail has it, which is all that coldcase gets to know of it."""
        records = self._account.trail()
        new, self._records = records[self._records:], len(records)
        mine = [record for record in new if without_date(record["eventName"]) == call
                and record["userIdentity"].get("userName") == by]
        if not mine:
            raise Unexpected(f"CloudTrail has no record of {call} by {by}")
        error = f", refused: {mine[-1]['errorCode']}" if mine[-1].get("errorCode") else ""
        self._say(time.time(), f"CloudTrail: {mine[-1]['eventName']} by {by}{error}")

    def _idle(self) -> bool:
        self._account.trail()  # returns once every finished call is recorded and its event delivered
        counts = self._sqs.get_queue_attributes(QueueUrl=self._stack["QueueUrl"], AttributeNames=["All"])["Attributes"]
        return all(int(counts[name]) == 0 for name in (
            "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"))

    def _finished(self, case: str) -> bool:
        folder = f"cases/{case}/"
        function = any(key.startswith(folder + "exhibits/configuration.") for key in self._keys)
        return {folder + "manifest-0000.dsse.json", folder + "notified.json"} <= self._keys and (
            not function or folder + "manifest-0001.dsse.json" in self._keys)

    # --- one look ---------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        found = vault.objects(self._s3, self._stack["BucketName"])
        new = sorted(((stored, key, size) for key, (size, stored) in found.items() if key not in self._keys))
        self._keys.update(found)
        kept = []
        for stored, key, size in new:
            name = _exhibit_name(key)
            case = key.split("/")[1] if key.startswith("cases/") else None
            if case and case not in self._seen.cases:
                self._seen.cases.append(case)
                self._say(stored.timestamp(), f"case opened: {case}")
            if name:
                kept.append((stored.timestamp(), f"{name} {screen.size(size)}"))
                continue
            self._say_kept(kept)
            self._other(key, stored.timestamp())
        self._say_kept(kept)
        self._read_inbox()
        self._read_log()

    def _say_kept(self, kept: list) -> None:
        if kept:
            self._say(kept[-1][0], "kept: " + ", ".join(what for _, what in kept))
            kept.clear()

    def _other(self, key: str, at: float) -> None:
        if key.endswith("manifest-0000.dsse.json"):
            acquisitions = self._manifest(key)["acquisitions"]
            missing = [f"{name_of(a['request'])} {a['result']['outcome']}" for a in acquisitions
                       if a["result"]["outcome"] != "acquired"]
            self._seen.sealed_after = at - self._started
            self._say(at, f"sealed: {outcomes(acquisitions)}" + (f" ({', '.join(missing)})" if missing else ""), "green")
        elif key.endswith(".dsse.json"):
            for entry in self._manifest(key)["custody"]:
                self._say(at, words(entry))
        elif key.startswith("attempts/"):
            self._seen.attempts.append(key)
            self._say(at, f"written down: {key}")

    def _manifest(self, envelope_key: str) -> dict:
        key = envelope_key.replace(".dsse", "")
        return json.loads(self._s3.get_object(Bucket=self._stack["BucketName"], Key=key)["Body"].read())["predicate"]

    def _read_inbox(self) -> None:
        while messages := self._sqs.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                notice = json.loads(message["Body"])
                self.notices.append(notice)
                self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
                first_line = notice["Message"].strip('"').splitlines()[0]
                # What a rule sends has no subject of its own; the words are the rule's.
                text = first_line if notice["Message"].startswith('"') else notice["Subject"]
                self._seen.notices.append(text)
                self._say(time.time(), f"owner told: {screen.clean(text)}", "cyan")

    def _read_log(self) -> None:
        """The responder's own log says what it decided to leave alone, and why."""
        events = self._logs.filter_log_events(logGroupName=self._stack["LogGroupName"],
                                              startTime=int(self._started * 1000) - 1000)["events"]
        for event in events:
            line = (event["logStreamName"], event["timestamp"], event["message"])
            if line in self._log_seen:
                continue
            self._log_seen.add(line)
            self.log_lines.append(event["message"])
            for reason in _ignored(event["message"]):
                self._seen.reasons.append(reason)
                self._say(time.time(), f"no case: {reason}")

    def _say(self, at: float, text: str, style: str | None = None) -> None:
        if self._tell:
            screen.moment(max(0.0, at - self._started), text, style)


def words(entry: dict) -> str:
    """A line of custody for people."""
    match entry["action"]:
        case "opened":
            return "opened"
        case "evidence-acquired":
            return f"{screen.amount(entry['exhibits'], 'exhibit')}, {screen.size(entry['size_bytes'])}"
        case "tracing-turned-on":
            return f"tracing turned on: {entry['mode_before']} → {entry['mode_after']}"
        case "tracing-already-on":
            return "tracing was on already, nothing changed"
        case "tracing-not-possible":
            return f"tracing not possible, nothing changed: {screen.clean(entry['why'])}"
        case "tracing-not-wanted":
            return "tracing not wanted, nothing changed"
    return entry["action"]


def _exhibit_name(key: str) -> str | None:
    if key.startswith("content/"):
        return f"content {key[8:16]}"
    if found := re.fullmatch(r"cases/[^/]+/exhibits/(.+)\.[0-9a-f]{12}\.\w+", key):
        name = re.sub(r"-[0-9a-f]{12}$", "", found.group(1))
        return re.sub(r"^(execution-role|log-group)-.*", r"\1", name)
    return None


def _ignored(line: str) -> list[str]:
    try:
        done = json.loads(json.loads(line)["fields"]["done"])
    except (ValueError, KeyError, TypeError):
        return []
    return [item["reason"] for item in done if item["did"] == "ignored"]
