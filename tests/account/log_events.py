"""CloudWatch Logs as it pages, at a million events: the events of every group, in order, found by their time."""

import base64
import bisect
import hashlib
import itertools
import json
import threading
import time

from ministack import app
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response, request_scope
from ministack.services import cloudwatch_logs

from account import ACCOUNT_ID, REGION, log_queries

# Quotas as the service documents them.
PAGE_EVENTS = 10_000
PAGE_BYTES = 1 << 20
BATCH_EVENTS = 10_000
BATCH_BYTES = 1 << 20
EVENT_OVERHEAD_BYTES = 26
DAY_MS = 24 * 3600 * 1000
OLDEST_MS = 14 * DAY_MS
NEWEST_MS = 2 * 3600 * 1000

# How many events one request looks at before it answers with what it has, which may be nothing.
SCANNED_EVENTS = 200_000

# An entry is (timestamp, sequence, ingestion time, stream, message): sorted by the first two, which are never the same.
TIMESTAMP, SEQUENCE, INGESTED, STREAM, MESSAGE = range(5)

_sequence = itertools.count(1)


class Settings:
    """What `POST /_account/logs/settings` sets."""

    # After so long without an event a page ends where it is, empty or not, and a token goes on. None: never.
    empty_page_after_ms: int | None = 3600 * 1000


class Events:
    """The events of one group. Whoever holds a list that `ordered` gave may read it while others add."""

    def __init__(self):
        self._lock = threading.Lock()
        self._lists: dict[str | None, list] = {None: []}  # by stream; None holds those of all
        self._unsorted: set = set()
        self.stored_bytes = 0

    def add(self, stream: str, events: list[tuple[int, int, str]]) -> None:
        """Takes (timestamp, ingestion time, message) in any order."""
        entries = sorted((timestamp, next(_sequence), ingested, stream, message) for timestamp, ingested, message in events)
        with self._lock:
            for name in (None, stream):
                known = self._lists.setdefault(name, [])
                if known and known[-1] > entries[0]:
                    self._unsorted.add(name)
                known.extend(entries)
            self.stored_bytes += sum(size(entry) for entry in entries)

    def ordered(self, stream: str | None = None) -> list:
        with self._lock:
            if stream in self._unsorted:
                self._lists[stream] = sorted(self._lists[stream])
                self._unsorted.discard(stream)
            return self._lists.get(stream, [])

    def forget(self, stream: str) -> None:
        with self._lock:
            gone = self._lists.pop(stream, [])
            self._lists[None] = [entry for entry in self._lists[None] if entry[STREAM] != stream]
            self.stored_bytes -= sum(size(entry) for entry in gone)


def apply() -> None:
    """Replaces MiniStack's functions on events by name; groups and streams stay MiniStack's."""
    original = app.SERVICE_HANDLERS["logs"]

    async def handle(method, path, headers, body, query_params):
        name = headers.get("x-amz-target", "").rpartition(".")[2]
        if name == "DescribeQueries":
            return log_queries.describe(json.loads(body or b"{}"))
        return await original(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["logs"] = handle
    cloudwatch_logs._append_log_events = _append
    cloudwatch_logs._put_log_events = put_log_events
    cloudwatch_logs._get_log_events = get_log_events
    cloudwatch_logs._filter_log_events = filter_log_events
    cloudwatch_logs._forget_log_records_for_group = lambda name: None
    cloudwatch_logs._forget_log_records_for_stream = lambda group, stream: of_group(group).forget(stream)
    cloudwatch_logs._describe_log_groups = _with_stored_bytes(cloudwatch_logs._describe_log_groups)
    for name in ("_put_subscription_filter", "_delete_subscription_filter", "_describe_subscription_filters"):
        setattr(cloudwatch_logs, name, _standard_only(getattr(cloudwatch_logs, name)))
    log_queries.apply()


def of_group(name: str) -> Events:
    group = cloudwatch_logs._log_groups[name]
    if "account_events" not in group:
        group["account_events"] = Events()
    return group["account_events"]


def size(entry: tuple) -> int:
    """An event's size as the service counts it: UTF-8 and 26 bytes."""
    message = entry[MESSAGE]
    return (len(message) if message.isascii() else len(message.encode())) + EVENT_OVERHEAD_BYTES


def event_id(entry: tuple) -> str:
    """56 decimal digits that grow with time, the same whenever the event is read."""
    return str((entry[TIMESTAMP] << 143) + entry[SEQUENCE])


def retained_from(group: dict) -> int:
    """The oldest timestamp that the group's retention leaves, in milliseconds."""
    days = group.get("retentionInDays")
    return int(time.time() * 1000) - int(days) * DAY_MS if days else 0


# --- writing ------------------------------------------------------------------------------------------------------


def put_log_events(parameters: dict) -> tuple:
    group_name, stream_name = parameters.get("logGroupName"), parameters.get("logStreamName")
    events = parameters.get("logEvents") or []
    stream, refused = _stream(group_name, stream_name)
    if refused:
        return refused
    if problem := _problem_of_batch(events):
        return error_response_json("InvalidParameterException", problem, 400)
    now = int(time.time() * 1000)
    expired = retained_from(cloudwatch_logs._log_groups[group_name])
    accepted, rejected = [], {}
    for number, event in enumerate(events):
        timestamp = event["timestamp"]
        if timestamp < expired:
            rejected["expiredLogEventEndIndex"] = number + 1
        elif timestamp < now - OLDEST_MS:
            rejected["tooOldLogEventEndIndex"] = number + 1
        elif timestamp > now + NEWEST_MS:
            rejected.setdefault("tooNewLogEventStartIndex", number)
        else:
            accepted.append((timestamp, now, event["message"]))
    if accepted:
        store(group_name, stream_name, accepted)
    stream["uploadSequenceToken"] = str(int(stream["uploadSequenceToken"]) + 1)
    return json_response({"nextSequenceToken": stream["uploadSequenceToken"],
                          **({"rejectedLogEventsInfo": rejected} if rejected else {})})


def _problem_of_batch(events: list) -> str | None:
    if not 1 <= len(events) <= BATCH_EVENTS:
        return (f"1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length "
                f"between 1 and {BATCH_EVENTS}, inclusive")
    total, before = 0, None
    for event in events:
        message, timestamp = event.get("message"), event.get("timestamp")
        if not message or not isinstance(timestamp, int):
            return "1 validation error detected: Value at 'logEvents.1.member.message' failed to satisfy constraint: " \
                   "Member must have length greater than or equal to 1"
        if before is not None and timestamp < before:
            return "Log events in a single PutLogEvents request must be in chronological order."
        before = timestamp
        total += len(message.encode()) + EVENT_OVERHEAD_BYTES
    if total > BATCH_BYTES:
        return f"Upload too large: {total} bytes exceeds limit of {BATCH_BYTES}"
    if events[-1]["timestamp"] - events[0]["timestamp"] > DAY_MS:
        return "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    return None


def store(group_name: str, stream_name: str, events: list[tuple[int, int, str]]) -> None:
    """Keeps events of an existing group and stream, and hands them to whoever subscribed."""
    of_group(group_name).add(stream_name, events)
    stream = cloudwatch_logs._log_groups[group_name]["streams"][stream_name]
    times = [timestamp for timestamp, _, _ in events]
    stream["firstEventTimestamp"] = min([*times, stream["firstEventTimestamp"] or times[0]])
    stream["lastEventTimestamp"] = max([*times, stream["lastEventTimestamp"] or 0])
    stream["lastIngestionTime"] = max([stream["lastIngestionTime"] or 0, *(ingested for _, ingested, _ in events)])
    if cloudwatch_logs._log_groups[group_name].get("subscriptionFilters") or cloudwatch_logs._live_tail_sessions:
        spelled = [{"timestamp": timestamp, "message": message, "ingestionTime": ingested}
                   for timestamp, ingested, message in events]
        cloudwatch_logs._fanout_to_subscription_filters(group_name, stream_name, spelled)
        cloudwatch_logs._fanout_to_live_tail_sessions(group_name, stream_name, spelled)


def _append(stream: dict, events: list[dict]) -> None:
    """What other parts of MiniStack call to write into a stream, of which they pass nothing but its record."""
    for group_name, group in cloudwatch_logs._log_groups.items():
        for name, known in group["streams"].items():
            if known is stream and events:
                store(group_name, name, [(event["timestamp"], event["ingestionTime"], event["message"]) for event in events])
                return


def make(group_name: str, stream_name: str, group_class: str = "STANDARD") -> None:
    """A group and a stream, unless they are there."""
    if group_name not in cloudwatch_logs._log_groups:
        cloudwatch_logs._create_log_group({"logGroupName": group_name, "logGroupClass": group_class})
    if stream_name not in cloudwatch_logs._log_groups[group_name]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group_name, "logStreamName": stream_name})


# --- reading ------------------------------------------------------------------------------------------------------


def filter_log_events(parameters: dict) -> tuple:
    """A page of at most 10,000 events or 1 MB, oldest first over all streams, and a token while there may be more."""
    invalid = _problem_of_filter(parameters)
    if invalid:
        return error_response_json("InvalidParameterException", invalid, 400)
    name = cloudwatch_logs._resolve_log_group_name(parameters)
    if refused := _readable(name, "FilterLogEvents"):
        return refused
    group = cloudwatch_logs._log_groups[name]
    wanted = parameters.get("logStreamNames")
    for stream in wanted or []:
        if stream not in group["streams"]:
            return _no_stream()
    backwards = parameters.get("startFromHead") is False
    digest = _digest(parameters, group)
    position = None
    if token := parameters.get("nextToken"):
        position = _read_token(token)
        if position is None or position["request"] != digest:
            return error_response_json("InvalidParameterException", "The specified nextToken is invalid.", 400)
        backwards = position["backwards"]
    search = _Search(parameters, group, of_group(name).ordered(), backwards, position)
    found = search.run(min(parameters.get("limit") or PAGE_EVENTS, PAGE_EVENTS))
    answer = {"events": [{"logStreamName": entry[STREAM], "timestamp": entry[TIMESTAMP], "message": entry[MESSAGE],
                          "ingestionTime": entry[INGESTED], "eventId": event_id(entry)} for entry in found],
              "searchedLogStreams": []}
    if search.next:
        answer["nextToken"] = _token({**search.next, "request": digest, "backwards": backwards})
    return json_response(answer)


class _Search:
    """One page of FilterLogEvents."""

    def __init__(self, parameters: dict, group: dict, entries: list, backwards: bool, position: dict | None):
        self.entries, self.backwards = entries, backwards
        self.first = max(parameters.get("startTime") or 0, retained_from(group))
        self.last = parameters.get("endTime")
        self.low = bisect.bisect_left(entries, (self.first,))
        self.high = len(entries) if self.last is None else bisect.bisect_left(entries, (self.last + 1,))
        # How far the search has come, in time: unknown at first without a bound to start from.
        self.reached = self.last if backwards else (parameters.get("startTime") or None)
        if position:
            self.reached = position["reached"]
            border = bisect.bisect_left(entries, (position["timestamp"], position["sequence"]))
            self.low, self.high = (self.low, min(border, self.high)) if backwards else (max(border, self.low), self.high)
        self.streams = set(parameters.get("logStreamNames") or [])
        self.prefix = parameters.get("logStreamNamePrefix") or ""
        self.matches = cloudwatch_logs._compile_filter_pattern(parameters.get("filterPattern") or "")
        self.everything = not self.streams and not self.prefix and not parameters.get("filterPattern")
        self.next = None

    def run(self, limit: int) -> list:
        found, total = [], 0
        order = range(self.high - 1, self.low - 1, -1) if self.backwards else range(self.low, self.high)
        for scanned, index in enumerate(order):
            entry = self.entries[index]
            if self._far(entry[TIMESTAMP]):
                # Nothing for a long while: this page ends here, the next one begins behind it.
                return self._end(found, entry, entry[TIMESTAMP])
            if len(found) >= limit or scanned >= SCANNED_EVENTS:
                return self._end(found, entry, self.reached)
            if self.everything or self._wanted(entry):
                bytes_ = size(entry)
                if found and total + bytes_ > PAGE_BYTES:
                    return self._end(found, entry, self.reached)
                total += bytes_
                found.append(entry)
            self.reached = entry[TIMESTAMP]
        border = self.first if self.backwards else self.last
        if border and self._far(border):
            self.next = {"timestamp": border, "sequence": 0 if self.backwards else 1 << 62, "reached": border}
        return found

    def _wanted(self, entry: tuple) -> bool:
        return ((not self.streams or entry[STREAM] in self.streams) and entry[STREAM].startswith(self.prefix)
                and self.matches(entry[MESSAGE]))

    def _far(self, timestamp: int) -> bool:
        return (Settings.empty_page_after_ms is not None and self.reached is not None
                and abs(timestamp - self.reached) > Settings.empty_page_after_ms)

    def _end(self, found: list, entry: tuple, reached: int | None) -> list:
        # The entry is the first of the next page: for a search backwards the border lies behind it.
        self.next = {"timestamp": entry[TIMESTAMP], "sequence": entry[SEQUENCE] + (1 if self.backwards else 0),
                     "reached": reached}
        return found


def _problem_of_filter(parameters: dict) -> str | None:
    if bool(parameters.get("logGroupName")) == bool(parameters.get("logGroupIdentifier")):
        return "Exactly one of logGroupName and logGroupIdentifier must be specified."
    if parameters.get("logStreamNames") and parameters.get("logStreamNamePrefix"):
        return "logStreamNames and logStreamNamePrefix are mutually exclusive."
    if not 1 <= parameters.get("limit", 1) <= PAGE_EVENTS:
        return (f"1 validation error detected: Value '{parameters['limit']}' at 'limit' failed to satisfy constraint: Member "
                f"must have value between 1 and {PAGE_EVENTS}")
    if len(parameters.get("logStreamNames") or []) > 100:
        return "1 validation error detected: Value at 'logStreamNames' failed to satisfy constraint: Member must have " \
               "length less than or equal to 100"
    if parameters.get("startFromHead") is False and (parameters.get("startTime") or 0) < 1_704_067_200_000:
        return "startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00 UTC"
    return None


def _digest(parameters: dict, group: dict) -> str:
    """What a token is bound to: everything that was asked but how much of it, and the very group."""
    asked = {name: parameters.get(name) for name in (
        "logGroupName", "logGroupIdentifier", "logStreamNames", "logStreamNamePrefix", "startTime", "endTime",
        "filterPattern")}
    return hashlib.sha256(json.dumps([asked, group["arn"], group["creationTime"]]).encode()).hexdigest()[:32]


def _token(content: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _read_token(token: str) -> dict | None:
    try:
        content = json.loads(base64.urlsafe_b64decode(token))
    except ValueError:
        return None
    return content if isinstance(content, dict) and {"request", "timestamp", "sequence"} <= set(content) else None


def get_log_events(parameters: dict) -> tuple:
    """A page of one stream, its last one first unless startFromHead; both tokens, the same one again at the end."""
    name, stream = cloudwatch_logs._resolve_log_group_name(parameters), parameters.get("logStreamName")
    if refused := _readable(name, "GetLogEvents"):
        return refused
    if stream not in cloudwatch_logs._log_groups[name]["streams"]:
        return _no_stream()
    entries, start, end = of_group(name).ordered(stream), parameters.get("startTime"), parameters.get("endTime")
    low = bisect.bisect_left(entries, (max(start or 0, retained_from(cloudwatch_logs._log_groups[name])),))
    high = len(entries) if end is None else bisect.bisect_left(entries, (end,))  # the end itself is not included
    forward = bool(parameters.get("startFromHead"))
    if token := parameters.get("nextToken"):
        direction, _, rest = token.partition("/")
        digits = rest.partition("/")[0]
        if direction not in ("f", "b") or not digits.isdigit():
            return error_response_json("InvalidParameterException", "The specified nextToken is invalid.", 400)
        forward = direction == "f"
        key = divmod(int(digits), 1 << 143)
        if forward:
            low = max(low, bisect.bisect_left(entries, (key[0], key[1] + 1)))
        else:
            high = min(high, bisect.bisect_left(entries, key))
    page, total = [], 0
    limit = min(parameters.get("limit") or PAGE_EVENTS, PAGE_EVENTS)
    for index in (range(low, high) if forward else range(high - 1, low - 1, -1)):
        bytes_ = size(entries[index])
        if len(page) >= limit or page and total + bytes_ > PAGE_BYTES:
            break
        total += bytes_
        page.append(entries[index])
    if not forward:
        page.reverse()
    return json_response({
        "events": [{"timestamp": entry[TIMESTAMP], "message": entry[MESSAGE], "ingestionTime": entry[INGESTED]}
                   for entry in page],
        "nextForwardToken": f"f/{event_id(page[-1])}/s" if page else _empty_token("f", token, start or 0),
        "nextBackwardToken": f"b/{event_id(page[0])}/s" if page else _empty_token("b", token, start or 0)})


def _empty_token(direction: str, token: str | None, timestamp: int) -> str:
    if token:
        return f"{direction}/{token.partition('/')[2]}"
    return f"{direction}/{(timestamp << 143)}/s"


def _stream(group_name, stream_name) -> tuple[dict | None, tuple | None]:
    group = cloudwatch_logs._log_groups.get(group_name)
    if group is None:
        return None, _no_group()
    stream = group["streams"].get(stream_name)
    return stream, None if stream else _no_stream()


def _readable(name: str | None, operation: str) -> tuple | None:
    group = cloudwatch_logs._log_groups.get(name)
    if group is None:
        return _no_group()
    group_class = group.get("logGroupClass") or "STANDARD"
    if group_class != "STANDARD":
        return error_response_json("InvalidOperationException", f"The log group {name} is of log-group-class {group_class}. "
                                   f"{operation} is not supported for this log class.", 400)
    return None


def _standard_only(original):
    """Subscriptions cannot even be listed for a group of infrequent access."""
    def answer(parameters):
        group = cloudwatch_logs._log_groups.get(parameters.get("logGroupName"))
        if group and (group.get("logGroupClass") or "STANDARD") != "STANDARD":
            return error_response_json(
                "ValidationException", "This operation is only supported on the Standard log class.", 400)
        return original(parameters)
    return answer


def _no_group() -> tuple:
    return error_response_json("ResourceNotFoundException", "The specified log group does not exist.", 400)


def _no_stream() -> tuple:
    return error_response_json("ResourceNotFoundException", "The specified log stream does not exist.", 400)


def _with_stored_bytes(original):
    def describe(parameters):
        reply = original(parameters)
        if reply[0] >= 300:
            return reply
        content = json.loads(reply[2])
        for group in content["logGroups"]:
            group["storedBytes"] = of_group(group["logGroupName"]).stored_bytes
        return json_response(content)
    return describe


# --- the account's own page ---------------------------------------------------------------------------------------


def page(rest: str, body: bytes, query: dict) -> tuple[int, object]:
    """`POST /_account/logs?group=G&stream=S`: JSON Lines with timestamp and message, of any age and in any order.

    Also `class=INFREQUENT_ACCESS` for a group made by it, `region=`; a line may have an ingestionTime. `settings` sets
    `empty_page_after_seconds` (0: never).
    """
    first = {name: values[0] for name, values in query.items()}
    if rest == "settings":
        if "empty_page_after_seconds" in first:
            Settings.empty_page_after_ms = int(float(first["empty_page_after_seconds"]) * 1000) or None
        return 200, {"empty_page_after_seconds": (Settings.empty_page_after_ms or 0) / 1000}
    group, stream, now = first["group"], first["stream"], int(time.time() * 1000)
    events = []
    for line in body.splitlines():
        if line.strip():
            event = json.loads(line)
            events.append((event["timestamp"], event.get("ingestionTime", now), event["message"]))
    with request_scope(ACCOUNT_ID, first.get("region", REGION)):
        make(group, stream, first.get("class", "STANDARD"))
        if events:
            record = cloudwatch_logs._log_groups[group]
            # A group is never younger than its events.
            record["creationTime"] = min(record["creationTime"], min(event[0] for event in events))
            store(group, stream, events)
    return 200, {"group": group, "stream": stream, "events": len(events),
                 "arn": f"arn:aws:logs:{first.get('region', REGION)}:{ACCOUNT_ID}:log-group:{group}"}
