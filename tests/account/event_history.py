"""CloudTrail's event history: 90 days of management records by Region, looked up newest first by one attribute."""

import base64
import bisect
import datetime
import hashlib
import hmac
import itertools
import json
import re
import secrets
import threading
import time

from account import ACCOUNT_ID, REGION, faults
from account.named_resources import named_resources

DAYS = 90
PAGE = 50
CALLS_PER_SECOND = 2  # per account and Region
ATTRIBUTES = ("EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId")

MANAGEMENT, INSIGHT, DATA = "Management", "Insight", "Data"


class Refused(Exception):
    """A call that CloudTrail answers with an error."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def category(record: dict) -> str:
    if record.get("eventCategory") == INSIGHT:
        return INSIGHT
    return DATA if record.get("eventCategory") == DATA or record.get("managementEvent") is False else MANAGEMENT


def account_of(record: dict) -> str:
    """Whose history a record belongs to: what it says when that is an account, else the account's own."""
    account = record.get("recipientAccountId")
    return account if isinstance(account, str) and re.fullmatch(r"\d{12}", account) else ACCOUNT_ID


def region_of(record: dict) -> str:
    region = record.get("awsRegion")
    return region if isinstance(region, str) and re.fullmatch(r"[a-z]{2,3}(-[a-z]+)+-\d{1,2}", region) else REGION


def as_json(record: dict) -> str:
    """A record as CloudTrail writes it: without a space."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False)


def seconds_of(record: dict) -> float | None:
    """When a record's call was made, in epoch seconds; None when what it says is no time."""
    try:
        told = datetime.datetime.fromisoformat(record["eventTime"])
        return (told if told.tzinfo else told.replace(tzinfo=datetime.timezone.utc)).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


class _Event:
    """One record in the history; what LookupEvents tells of it beside the record is worked out when it is added."""

    __slots__ = ("text", "told")

    def __init__(self, record: dict, text: str, seconds: float):
        identity = record.get("userIdentity")
        identity = identity if isinstance(identity, dict) else {}
        read_only = record.get("readOnly")
        told = {
            "EventId": record.get("eventID"),
            "EventName": record.get("eventName"),
            "ReadOnly": str(read_only).lower() if isinstance(read_only, (bool, str)) else None,
            "AccessKeyId": identity.get("accessKeyId"),
            "EventSource": record.get("eventSource"),
            "Username": user_name(identity),
        }
        self.text = text
        self.told = {name: value for name, value in told.items() if isinstance(value, str)}
        self.told["EventTime"] = seconds
        self.told["Resources"] = named_resources(record)

    def keys(self):
        """What it can be found by: its category, and each attribute's value within that."""
        yield None
        for name in ATTRIBUTES:
            if name in self.told:
                yield name, self.told[name]
        for name in ("ResourceType", "ResourceName"):
            for value in {resource[name] for resource in self.told["Resources"]}:
                yield name, value

    def answer(self) -> dict:
        return {**self.told, "CloudTrailEvent": self.text}


def user_name(identity: dict) -> str | None:
    """The name LookupEvents knows a caller by: a user's own, a role session's, `root`; a service has none."""
    kind, arn = identity.get("type"), identity.get("arn")
    if kind == "Root":
        return "root"
    if kind in ("AssumedRole", "FederatedUser") and isinstance(arn, str):
        return arn.rpartition("/")[2]
    return identity.get("userName")


class _InOrder:
    """Events by time; sorted only when somebody asks, for most of them arrive in order."""

    def __init__(self):
        self.entries: list[tuple[float, int, _Event]] = []
        self._sorted = True

    def add(self, entry: tuple) -> None:
        self._sorted = self._sorted and (not self.entries or self.entries[-1] < entry)
        self.entries.append(entry)

    def sorted(self) -> list:
        if not self._sorted:
            self.entries.sort()
            self._sorted = True
        return self.entries


class History:
    """The events of every account and Region, each found by any attribute without reading the others."""

    def __init__(self):
        self._found_by: dict[tuple, _InOrder] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def add(self, record: dict, text: str | None = None, region: str | None = None) -> None:
        """Keeps a record; `text` is what it is to be handed out as. Data events are not kept."""
        kind = category(record)
        if kind == DATA:
            return
        told = seconds_of(record)
        seconds = time.time() if told is None else told
        event = _Event(record, text if text is not None else as_json(record), seconds)
        account, region = account_of(record), region or region_of(record)
        with self._lock:
            entry = (seconds, next(self._numbers), event)
            for key in event.keys():
                self._found_by.setdefault((account, region, kind, key), _InOrder()).add(entry)

    def page(self, account: str, region: str, kind: str, key: tuple | None, start: float, end: float,
             before: tuple | None, size: int) -> tuple[list[dict], tuple | None]:
        """Up to `size` events from `start` to `end`, newest first, and where the next page begins if there is one."""
        with self._lock:
            kept = self._found_by.get((account, region, kind, key))
            entries = kept.sorted() if kept else []
            first, last = bisect.bisect_left(entries, (start,)), bisect.bisect_left(entries, (end, float("inf")))
            if before is not None:
                last = min(last, bisect.bisect_left(entries, before))
            cut = max(first, last - size)
            page = entries[cut:last][::-1]
            if cut <= first:
                return [entry[2].answer() for entry in page], None
            position = entries[cut][:2] if page else (end, float("inf")) if before is None else before
        return [entry[2].answer() for entry in page], position


class _Bucket:
    """Tokens for calls: so many at once, so many a second."""

    def __init__(self):
        self.tokens, self.at = float(CALLS_PER_SECOND), time.monotonic()

    def take(self) -> bool:
        now = time.monotonic()
        self.tokens = min(CALLS_PER_SECOND, self.tokens + (now - self.at) * CALLS_PER_SECOND)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Lookup:
    """LookupEvents over a history."""

    def __init__(self, history: History):
        self._history = history
        self._buckets: dict[tuple, _Bucket] = {}
        self._secret = secrets.token_bytes(32)  # a token made up or changed by a caller is no token

    def answer(self, account: str, region: str, parameters: dict) -> dict:
        if not self._buckets.setdefault((account, region), _Bucket()).take():
            raise Refused("ThrottlingException", "Rate exceeded")
        key = _attribute(parameters.get("LookupAttributes") or [])
        size = parameters.get("MaxResults", PAGE)
        if not isinstance(size, int) or not 1 <= size <= PAGE:
            raise Refused("InvalidMaxResultsException", f"MaxResults must be between 1 and {PAGE}.")
        kind = MANAGEMENT
        if (wanted := parameters.get("EventCategory")) is not None:
            if wanted != "insight":
                raise Refused("InvalidEventCategoryException", "The event category is not valid.")
            kind = INSIGHT
        start, end = parameters.get("StartTime"), parameters.get("EndTime")
        if start is not None and end is not None and start > end:
            raise Refused("InvalidTimeRangeException", "The start time must be before the end time.")
        asked = json.dumps([account, region, key, kind, start, end])
        before = self._position(parameters["NextToken"], asked) if parameters.get("NextToken") else None
        limit = faults.page_size("cloudtrail", "LookupEvents")
        events, position = self._history.page(
            account, region, kind, key,
            max(float(start or 0), time.time() - DAYS * 86400), float("inf") if end is None else float(end),
            before, size if limit is None else min(limit, size))
        return {"Events": events, **({"NextToken": self._token(position, asked)} if position else {})}

    def _token(self, position: tuple, asked: str) -> str:
        content = json.dumps(position)
        return base64.b64encode(self._mark(content, asked) + content.encode()).decode()

    def _position(self, token: str, asked: str) -> tuple:
        try:
            content = base64.b64decode(token, validate=True)
            mark, text = content[:32], content[32:].decode()
        except (TypeError, ValueError):
            mark, text = b"", ""
        if not hmac.compare_digest(mark, self._mark(text, asked)):
            raise Refused("InvalidNextTokenException", "The token is invalid or was used with other parameters.")
        return tuple(json.loads(text))

    def _mark(self, content: str, asked: str) -> bytes:
        return hmac.new(self._secret, f"{content}\n{asked}".encode(), hashlib.sha256).digest()


def _attribute(attributes: list) -> tuple | None:
    if len(attributes) > 1:
        raise Refused("InvalidLookupAttributesException", "You can use only one lookup attribute at a time.")
    if not attributes:
        return None
    name, value = attributes[0].get("AttributeKey"), attributes[0].get("AttributeValue")
    if name not in ATTRIBUTES or not isinstance(value, str) or not 1 <= len(value) <= 2000:
        raise Refused("InvalidLookupAttributesException", "The lookup attribute is not valid.")
    return name, value
