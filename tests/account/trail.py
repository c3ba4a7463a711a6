"""The account's CloudTrail: keeps a record of every management call and feeds EventBridge while a trail is logging."""

import datetime
import json
import logging
import queue
import threading
import uuid
from dataclasses import dataclass, field

from ministack.core.responses import request_scope

from account import data_events, event_targets, identity, operations, records, roles
from account.event_history import History, account_of, as_json, region_of
from account.event_selectors import Recording, recordings
from account.trail_delivery import Delivery
from account.trail_digests import Digests

logger = logging.getLogger("account.trail")


@dataclass
class Call:
    """One HTTP request to the account as it came in, and its answer as it went out."""

    service: str
    region: str
    method: str
    path: str
    headers: dict
    query: dict
    identity: dict
    account: str
    source_ip: str
    recordings: list[Recording]  # the trails that were logging when it came in
    bulk: bool = False  # it moves data of its caller's: counted, not kept
    time: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.timezone.utc))
    body: list = field(default_factory=list)
    status: int = 0
    reply_headers: dict = field(default_factory=dict)
    reply: list = field(default_factory=list)
    received: int = 0  # bytes
    sent: int = 0


class Trail:
    """Records in the order of the calls; written on a thread of its own so that no call waits for its record."""

    def __init__(self):
        self.records: list[dict] = []
        self.history = History()
        self.digests = Digests()
        self.delivery = Delivery(self.settle, self.digests)
        self._calls: queue.Queue[Call | threading.Event] = queue.Queue()
        threading.Thread(target=self._write_forever, daemon=True, name="account-trail").start()

    def begin(self, service: str, region: str, method: str, path: str, headers: dict, query: dict,
              access_key: str, source_ip: str) -> Call | None:
        """A call to watch, or None for one that CloudTrail would not record: made with nobody's key, so that nobody was
        authenticated, or moving data that no trail asks about."""
        caller = identity.of_key(access_key) if access_key else None
        if caller is None:
            return None
        who, account = caller
        logging_now = recordings(account, _event_region(service, region))
        bulk = data_events.service_of(service, method, path)
        if bulk and not any(recording.wants_data(bulk) for recording in logging_now):
            return None
        if not bulk:
            roles.used(who, region)
        return Call(service, region, method, path, headers, query, who, account, source_ip, logging_now, bool(bulk))

    def end(self, call: Call) -> None:
        self._calls.put(call)

    def settle(self) -> None:
        """Returns once the record of every call so far is written."""
        reached = threading.Event()
        self._calls.put(reached)
        reached.wait()

    def append(self, record: dict, text: str, region: str | None = None, deliver: bool = False) -> None:
        """Adds a record that no call made to the history, to be handed out as `text`, and to the next log files of every
        trail that covers its Region, whatever its selectors say."""
        self.history.add(record, text, region)
        for recording in recordings(account_of(record), region or region_of(record)) if deliver else ():
            self.delivery.add(recording, region or region_of(record), text, record.get("eventTime"))

    def _write_forever(self) -> None:
        while True:
            call = self._calls.get()
            if isinstance(call, threading.Event):
                call.set()
                continue
            try:
                self._write(call)
            except Exception:
                logger.exception("no record of %s %s", call.method, call.path)

    def _write(self, call: Call) -> None:
        operation = operations.read_request(call.service, call.method, call.path, call.headers, call.query,
                                            b"".join(call.body))
        if operation is None:
            return
        details = dict(
            identity=call.identity, account=call.account, region=call.region,
            source_ip=call.source_ip, user_agent=call.headers.get("user-agent", ""),
            request_id=call.reply_headers.get("x-amzn-requestid") or call.reply_headers.get("x-amz-request-id", ""),
            time=call.time, host=call.headers.get("host", ""))
        if records.is_data_event(operation):
            if any(recording.wants_data(operation.service) for recording in call.recordings):
                for record in data_events.written(operation, call, details):
                    self._deliver(record, call.recordings)
            return
        reply = operations.read_reply(operation, call.status, call.reply_headers, b"".join(call.reply))
        record = records.record(operation, reply, **details)
        self.records.append(record)
        self.history.add(record)
        # A call that stops the trail is still recorded by it; one that starts it already is.
        since = {recording.key: recording for recording in recordings(call.account, record["awsRegion"])}
        if self._deliver(record, list((since | {recording.key: recording for recording in call.recordings}).values())):
            put_on_bus(record)

    def _deliver(self, record: dict, trails: list[Recording]) -> bool:
        """Hands a record to every trail that records it; whether there was one."""
        wanted, text = [trail for trail in trails if trail.records(record)], as_json(record)
        for trail in wanted:
            self.delivery.add(trail, record["awsRegion"], text, record["eventTime"])
        return bool(wanted)


def _event_region(service: str, region: str) -> str:
    return "us-east-1" if service in records.GLOBAL_SERVICES else region


def put_on_bus(record: dict) -> None:
    """Puts a record on the default bus of its account and Region: read-only ones for the rules that ask for them."""
    states = {"ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"} | (set() if record["readOnly"] else {"ENABLED"})
    account, region = record["recipientAccountId"], record["awsRegion"]
    with request_scope(account, region):
        event_targets.dispatch({
            "EventId": str(uuid.uuid4()),
            "Source": "aws." + record["eventSource"].partition(".")[0],
            "DetailType": "AWS API Call via CloudTrail",
            "Detail": json.dumps(record),
            "EventBusName": "default",
            "Time": int(datetime.datetime.fromisoformat(record["eventTime"]).timestamp()),
            "Resources": [],
            "Account": account,
            "Region": region,
        }, states)


the_trail = Trail()
