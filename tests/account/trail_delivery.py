"""Writes what trails record into their buckets: log files every few seconds, digests of them when validation is on."""

import asyncio
import base64
import datetime
import gzip
import hashlib
import logging
import secrets
import string
import threading
import time
from dataclasses import dataclass, field

from ministack.core.responses import request_scope
from ministack.services import s3

from account.event_selectors import Recording

logger = logging.getLogger("account.delivery")

RANDOM = string.ascii_letters + string.digits


@dataclass
class _Waiting:
    """What one trail has recorded and not delivered yet, by Region: each record's text, and its time if it has one."""

    recording: Recording
    regions: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)


@dataclass(frozen=True)
class LogFile:
    """One delivered file, as a digest lists it."""

    bucket: str
    key: str
    sha256: str  # of the bytes before compression
    oldest: str | None
    newest: str | None


class Delivery:
    """One for the account. Files are the service's own writes: no call, so no record of them and no feedback."""

    def __init__(self, settle, digests):
        self._settle, self._digests = settle, digests
        self._waiting: dict[tuple, _Waiting] = {}
        self._lock = threading.Lock()
        self._at_work: asyncio.Lock | None = None
        self.status: dict[tuple, dict] = {}  # what GetTrailStatus adds, by trail

    def add(self, recording: Recording, region: str, text: str, event_time) -> None:
        with self._lock:
            waiting = self._waiting.setdefault(recording.key, _Waiting(recording))
            waiting.regions.setdefault(region, []).append((text, event_time if isinstance(event_time, str) else None))

    async def run(self, delivery_seconds: float, digest_seconds: float) -> None:
        """Delivers for ever; with 0 seconds only when a test asks for it."""
        digest_at = time.monotonic() + digest_seconds
        while delivery_seconds > 0:
            await asyncio.sleep(delivery_seconds)
            due = digest_seconds > 0 and time.monotonic() >= digest_at
            if due:
                digest_at = time.monotonic() + digest_seconds
            try:
                await self.deliver(due)
            except Exception:
                logger.exception("no delivery")

    async def deliver(self, digest: bool) -> dict:
        """Writes everything that is waiting, and digests when asked; what was written and what was not."""
        self._at_work = self._at_work or asyncio.Lock()
        async with self._at_work:
            await asyncio.to_thread(self._settle)
            with self._lock:
                taken, self._waiting = self._waiting, {}
            done = {"delivered": [], "digests": [], "failed": []}
            for waiting in taken.values():
                for region, records in waiting.regions.items():
                    await self._deliver(waiting.recording, region, records, done)
            done["digests"], failed = await self._digests.write(digest, self.put)
            done["failed"] += failed
            return done

    async def _deliver(self, recording: Recording, region: str, records: list, done: dict) -> None:
        content = ('{"Records":[' + ",".join(text for text, _ in records) + "]}").encode()
        compressed = await asyncio.to_thread(gzip.compress, content, 6)
        now = datetime.datetime.now(datetime.timezone.utc)
        account = recording.account
        key = (f"{folder(recording, 'CloudTrail', region, now)}/{account}_CloudTrail_{region}_{now:%Y%m%dT%H%MZ}_"
               + "".join(secrets.choice(RANDOM) for _ in range(16)) + ".json.gz")
        bucket, refused = recording.settings.get("S3BucketName", ""), self.put(recording, key, compressed, {})
        status = self.status.setdefault(recording.key, {})
        status["attempted"] = now.timestamp()
        if refused:
            status["error"] = refused
            done["failed"].append({"trail": recording.name, "bucket": bucket, "error": refused})
            with self._lock:  # it is tried again, before what has come since
                waiting = self._waiting.setdefault(recording.key, _Waiting(recording))
                waiting.regions[region] = records + waiting.regions.get(region, [])
            return
        status.update(delivered=now.timestamp(), error=None)
        times = sorted(told for _, told in records if told)
        self._digests.delivered(recording, region, LogFile(bucket, key, hashlib.sha256(content).hexdigest(),
                                                           times[0] if times else None, times[-1] if times else None))
        done["delivered"].append({"bucket": bucket, "key": key, "region": region, "records": len(records)})

    def put(self, recording: Recording, key: str, compressed: bytes, metadata: dict) -> str | None:
        """Stores one object as CloudTrail does; the error's code when the bucket does not take it."""
        headers = {"content-type": "application/json", "content-encoding": "gzip",
                   **{f"x-amz-meta-{name}": value for name, value in metadata.items()}}
        if recording.settings.get("KmsKeyId"):
            headers |= {"x-amz-server-side-encryption": "aws:kms",
                        "x-amz-server-side-encryption-aws-kms-key-id": recording.settings["KmsKeyId"]}
        # A lock on the bucket asks for a checksum of whoever writes, the service included.
        headers["x-amz-checksum-sha256"] = base64.b64encode(hashlib.sha256(compressed).digest()).decode()
        with request_scope(recording.account, recording.home):
            status, _, body = s3._put_object(recording.settings.get("S3BucketName", ""), key, compressed, headers)
        if status < 300:
            return None
        text = body.decode() if isinstance(body, bytes) else str(body)
        return text.partition("<Code>")[2].partition("</Code>")[0] or str(status)


def folder(recording: Recording, kind: str, region: str, day: datetime.datetime) -> str:
    """[PREFIX/]AWSLogs/ACCOUNT/KIND/REGION/YYYY/MM/DD"""
    prefix = recording.settings.get("S3KeyPrefix")
    return f"{prefix + '/' if prefix else ''}AWSLogs/{recording.account}/{kind}/{region}/{day:%Y/%m/%d}"
