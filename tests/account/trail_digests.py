"""Digest files: the chain of signed lists by which a trail's log files can be shown to be what was delivered.

Form, chain and signature are those of the CloudTrail user guide, "CloudTrail digest file structure".
"""

import asyncio
import base64
import datetime
import gzip
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from account.event_history import Refused
from account.event_selectors import Recording, recordings_everywhere
from account.trail_delivery import LogFile, folder

ALGORITHM = "SHA256withRSA"
KEY_DAYS = 30


@dataclass
class _Chain:
    """The digests of one trail in one Region."""

    recording: Recording
    region: str
    began: int  # epoch seconds: where the next digest starts
    files: list[LogFile] = field(default_factory=list)
    previous: dict | None = None  # bucket, key, sha256 and signature of the last one


class Digests:
    def __init__(self):
        self._chains: dict[tuple, _Chain] = {}
        self._enabled: dict[tuple, int] = {}  # when validation was turned on, by trail
        self._ending: set[tuple] = set()
        self._keys: dict[str, rsa.RSAPrivateKey] = {}  # one a Region, made when it is first needed
        self._born = time.time()
        self._lock = threading.Lock()
        self.written_at: dict[tuple, float] = {}  # by trail

    def delivered(self, recording: Recording, region: str, file: LogFile) -> None:
        """A log file was delivered: it belongs into the next digest of its Region."""
        if recording.settings.get("LogFileValidationEnabled"):
            self._chain(recording, region).files.append(file)

    def enable(self, key: tuple) -> None:
        self._enabled[key] = int(time.time())

    def end(self, key: tuple) -> None:
        """Logging or validation stops: one last digest, and whatever comes later begins a new chain."""
        self._ending.add(key)

    def _chain(self, recording: Recording, region: str) -> _Chain:
        began = max(int(recording.settings.get("_StartedAt") or time.time()), self._enabled.get(recording.key, 0))
        return self._chains.setdefault((recording.key, region), _Chain(recording, region, began))

    async def write(self, due: bool, put) -> tuple[list[dict], list[dict]]:
        """The last digests of what has ended, and when due those of everything: (written, failed)."""
        ending, self._ending = self._ending, set()
        if due:
            for recording in recordings_everywhere():
                if recording.settings.get("LogFileValidationEnabled"):
                    for region in {recording.home, *(["us-east-1"] if recording.settings.get("IsMultiRegionTrail") else [])}:
                        self._chain(recording, region)
        chains = [chain for (key, _), chain in self._chains.items() if due or key in ending]
        # A digest covers a second at least, and two of a chain never share a name.
        while chains and (ahead := max(chain.began for chain in chains) + 1 - time.time()) > 0:
            await asyncio.sleep(ahead)
        end, written, failed = int(time.time()), [], []
        for chain in chains:
            refused, line = await self._write(chain, end, put)
            (failed if refused else written).append(line)
        for identity in [identity for identity in self._chains if identity[0] in ending]:
            del self._chains[identity]
        return written, failed

    async def _write(self, chain: _Chain, end: int, put) -> tuple[str | None, dict]:
        recording, region, at = chain.recording, chain.region, datetime.datetime.fromtimestamp(end, datetime.timezone.utc)
        bucket, previous = recording.settings.get("S3BucketName", ""), chain.previous or {}
        key = (f"{folder(recording, 'CloudTrail-Digest', region, at)}/{recording.account}_CloudTrail-Digest_{region}_"
               f"{recording.name}_{recording.home}_{at:%Y%m%dT%H%M%SZ}.json.gz")
        private = await asyncio.to_thread(self._key, region)
        content = json.dumps({
            "awsAccountId": recording.account,
            "digestStartTime": _iso(chain.began),
            "digestEndTime": _iso(end),
            "digestS3Bucket": bucket,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": _fingerprint(private),
            "digestSignatureAlgorithm": ALGORITHM,
            "newestEventTime": max((file.newest for file in chain.files if file.newest), default=None),
            "oldestEventTime": min((file.oldest for file in chain.files if file.oldest), default=None),
            "previousDigestS3Bucket": previous.get("bucket"),
            "previousDigestS3Object": previous.get("key"),
            "previousDigestHashValue": previous.get("sha256"),
            "previousDigestHashAlgorithm": "SHA-256" if previous else None,
            "previousDigestSignature": previous.get("signature"),
            "logFiles": [{"s3Bucket": file.bucket, "s3Object": file.key, "hashValue": file.sha256, "hashAlgorithm": "SHA-256",
                          "newestEventTime": file.newest, "oldestEventTime": file.oldest} for file in chain.files],
        }, separators=(",", ":")).encode()
        sha256 = hashlib.sha256(content).hexdigest()
        signed = "\n".join((_iso(end), f"{bucket}/{key}", sha256, previous.get("signature") or "null"))
        signature = private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()).hex()
        refused = put(recording, key, gzip.compress(content), {"signature": signature, "signature-algorithm": ALGORITHM})
        if refused:
            return refused, {"trail": recording.name, "bucket": bucket, "error": refused}
        line = {"bucket": bucket, "key": key, "region": region, "files": len(chain.files)}
        chain.previous = {"bucket": bucket, "key": key, "sha256": sha256, "signature": signature}
        chain.began, chain.files = end, []
        self.written_at[recording.key] = time.time()
        return None, line

    def _key(self, region: str) -> rsa.RSAPrivateKey:
        with self._lock:
            if region not in self._keys:
                self._keys[region] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._keys[region]

    def public_keys(self, region: str, parameters: dict) -> dict:
        """ListPublicKeys: the Region's key, when it was valid at some time asked about."""
        start, end = parameters.get("StartTime"), parameters.get("EndTime")
        if start is not None and end is not None and start > end:
            raise Refused("InvalidTimeRangeException", "The start time must be before the end time.")
        first, last = self._born - 3600, self._born + KEY_DAYS * 86400
        now = time.time()
        if (now if end is None else end) < first or (now if start is None and end is None else start or 0) > last:
            return {"PublicKeyList": []}
        private = self._key(region)
        return {"PublicKeyList": [{"Value": base64.b64encode(_public(private)).decode(), "ValidityStartTime": float(int(first)),
                                   "ValidityEndTime": float(int(last)), "Fingerprint": _fingerprint(private)}]}


def _public(private: rsa.RSAPrivateKey) -> bytes:
    return private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def _fingerprint(private: rsa.RSAPrivateKey) -> str:
    return hashlib.md5(_public(private)).hexdigest()


def _iso(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
