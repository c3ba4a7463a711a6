"""Says what coldcase does while it does it: looks at the trail, the bucket, the responder's log and the owner's inbox."""

import json
import re
import textwrap
import time
from dataclasses import dataclass, field
from datetime import datetime

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
        self._cases: set[str] = set()
        self._log_seen: set[tuple] = set()
        self._records = 0
        self._lines: list[tuple] = []
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

    def follow(self, case: str, started: float) -> Seen:
        """From now on tells, whenever `look` is called, what comes of one case, opened before; the seconds are from
        `started`."""
        self._started, self._tell, self._seen = started, True, Seen(cases=[case])
        return self._seen

    def look(self) -> None:
        """Tells what is new since the last look."""
        self._look()

    def say(self, at: float, text: str, style: str | None = None) -> None:
        """Has the next look tell this as well, in order of time."""
        self._say(at, text, style)

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
        # The bucket last: it then holds the cause of all that the others tell.
        self._read_inbox()
        self._read_log()
        self._read_bucket()
        for at, text, style in sorted(self._lines, key=lambda line: line[0]):
            if self._tell:
                screen.moment(max(0.0, at - self._started), text, style)
        self._lines.clear()

    def _read_bucket(self) -> None:
        found = vault.objects(self._s3, self._stack["BucketName"])
        new = sorted(((stored.timestamp(), key) for key, (_, stored) in found.items() if key not in self._keys))
        self._keys.update(found)
        kept = []  # what came in one after the other is told in one line
        for at, key in new:
            case = key.split("/")[1] if key.startswith("cases/") else None
            if case and case not in self._cases:
                self._cases.add(case)
                self._seen.cases.append(case)
                self._say(at, f"case opened: {case}")
            if case and case not in self._seen.cases:
                continue  # An earlier case that is still looked into.
            if exhibit := _exhibit_name(key):
                kept.append((at, exhibit))
            else:
                self._say_kept(kept)
                self._read_object(key, at)
        self._say_kept(kept)

    def _say_kept(self, kept: list) -> None:
        if kept:
            self._say(kept[-1][0], "kept: " + ", ".join(exhibit for _, exhibit in kept))
            kept.clear()

    def _read_object(self, key: str, at: float) -> None:
        if key.endswith("manifest-0000.dsse.json"):
            acquisitions = self._manifest(key)["acquisitions"]
            missing = [f"{name_of(a['request'])} {a['result']['outcome']}" for a in acquisitions
                       if a["result"]["outcome"] != "acquired"]
            if missing:
                self._say(at, ", ".join(map(_together, missing)))
            self._seen.sealed_after = at - self._started
            self._say(at, f"sealed: {outcomes(acquisitions)}", "green")
        elif key.endswith(".dsse.json"):
            addendum = self._manifest(key)
            for entry in addendum["custody"]:
                self._say(at, words(entry))
            if addendum["acquisitions"]:
                self._say(at, f"addendum {addendum['sequence']} sealed: {outcomes(addendum['acquisitions'])}", "green")
        elif key.startswith("attempts/"):
            self._seen.attempts.append(key)
            self._say(at, f"written down: {key.removesuffix('.json')}")

    def _manifest(self, envelope_key: str) -> dict:
        key = envelope_key.replace(".dsse", "")
        return json.loads(self._s3.get_object(Bucket=self._stack["BucketName"], Key=key)["Body"].read())["predicate"]

    def _read_inbox(self) -> None:
        while messages := self._sqs.receive_message(QueueUrl=self._inbox, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                notice = json.loads(message["Body"])
                self.notices.append(notice)
                self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=message["ReceiptHandle"])
                self._seen.notices.append(_subject(notice))
                self._say(time.time(), f"owner told: {_subject(notice)}", "cyan")

    def _read_log(self) -> None:
        """The responder's own log says what it decided to leave alone, and why."""
        events = self._logs.filter_log_events(logGroupName=self._stack["LogGroupName"],
                                              startTime=int(self._started * 1000) - 1000)["events"]
        for event in events:
            line = (event["logStreamName"], event["timestamp"], event["message"])
            if line in self._log_seen:
                continue
            self._log_seen.add(line)
            for reason in _ignored(event["message"]):
                self._seen.reasons.append(reason)
                self._say(time.time(), f"no case: {reason}")

    def _say(self, at: float, text: str, style: str | None = None) -> None:
        self._lines.append((at, text, style))


def words(entry: dict) -> str:
    """A line of custody for people."""
    match entry["action"]:
        case "opened":
            return "opened"
        case "evidence-acquired":
            return f"{screen.amount(entry['exhibits'], 'exhibit')}, {screen.size(entry['size_bytes'])}"
        case "window-collected":
            return f"{entry['pass']} pass over {span(entry['since'], entry['until'])}"
        case "tracing-turned-on":
            return f"tracing turned on: {entry['mode_before']} → {entry['mode_after']}"
        case "tracing-already-on":
            return "tracing was on already, nothing changed"
        case "tracing-not-possible":
            return f"tracing not possible, nothing changed: {screen.clean(entry['why'])}"
        case "tracing-not-wanted":
            return "tracing not wanted, nothing changed"
    return entry["action"]


def span(since: str, until: str) -> str:
    """E.g. `23 Nov 05:39:04 to 06:39:16`."""
    since, until = datetime.fromisoformat(since), datetime.fromisoformat(until)
    return f"{since:%d %b %H:%M:%S} to {until:{'%H:%M:%S' if since.date() == until.date() else '%d %b %H:%M:%S'}}"


def _exhibit_name(key: str) -> str | None:
    if key.startswith("content/"):
        return _together(f"content {key[8:16]}")
    if found := re.fullmatch(r"cases/[^/]+/exhibits/(.+)\.[0-9a-f]{12}\.[\w.]+", key):
        name = re.sub(r"-[0-9a-f]{12}$", "", found.group(1))
        name = re.sub(r"^execution-logs-.*-[0-9a-f]{12}-", "execution-logs-", name)
        return re.sub(r"^(execution-role|log-group)-.*", r"\1", name)
    return None


def _subject(notice: dict) -> str:
    """What a notification is about. One that a rule sends has no subject; its words are, without who and when."""
    message = notice["Message"]
    text = re.sub(r", by .*\)\. ", ". ", message.strip('"')) if message.startswith('"') else notice["Subject"]
    return textwrap.shorten(screen.clean(text), 120, placeholder=" …")


def _together(text: str) -> str:
    return text.replace(" ", screen.NO_BREAK)


def _ignored(line: str) -> list[str]:
    try:
        done = json.loads(json.loads(line)["fields"]["done"])
    except (ValueError, KeyError, TypeError):
        return []
    return [item["reason"] for item in done if item["did"] == "ignored"]
