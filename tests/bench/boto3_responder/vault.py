"""The bucket: everything is written once, with a checksum, encrypted and locked; large content streams while it is hashed."""

import base64
import hashlib
import os
import threading
from datetime import datetime, timedelta, timezone

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from clients import s3

BUCKET = os.environ["BUCKET"]
LOCK_MODE = os.environ["LOCK_MODE"]
LOCK_DAYS = int(os.environ["LOCK_DAYS"])
ENCRYPTION = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": os.environ["BUCKET_KEY"]}
# Four parts at a time; s3transfer holds more than that in memory. One at a time is the frugal way.
TRANSFER = TransferConfig(multipart_threshold=8 << 20, multipart_chunksize=8 << 20, max_concurrency=4,
                          use_threads=os.environ["UPLOADS"] == "parallel")
PIECE = 1 << 20

# Packages are large: one at a time.
_turn = threading.Lock()


def _only_if_absent(params, **_):
    params["IfNoneMatch"] = "*"


# upload_fileobj takes no IfNoneMatch; an event hook is the documented way to add one.
for _call in ("PutObject", "CompleteMultipartUpload"):
    s3.meta.events.register(f"provide-client-params.s3.{_call}", _only_if_absent)


class Conflict(Exception):
    """Other bytes are under this key."""


class Changed(Exception):
    """The content is not what was announced."""

    def __init__(self, digest: str):
        super().__init__(f"the content hashes to {digest}")
        self.digest = digest


def code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def lock() -> dict:
    until = datetime.now(timezone.utc) + timedelta(days=LOCK_DAYS, hours=1)
    return {"ObjectLockMode": LOCK_MODE, "ObjectLockRetainUntilDate": until}


def head(key: str):
    """What is under the key, or None."""
    try:
        return s3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if code(error) in ("404", "NoSuchKey", "NotFound"):
            return None
        raise


def get(key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def put_once(key: str, content: bytes, media_type: str = "application/json") -> str:
    """Writes a small thing; its SHA-256. The same bytes again are fine, others are a conflict."""
    digest = hashlib.sha256(content).digest()
    try:
        s3.put_object(Bucket=BUCKET, Key=key, Body=content, ContentType=media_type,
                      ChecksumSHA256=base64.b64encode(digest).decode(), **ENCRYPTION, **lock())
    except ClientError as error:
        if code(error) not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
        if hashlib.sha256(get(key)).digest() != digest:
            raise Conflict(key) from error
    return digest.hex()


class _Hashed:
    """A stream that is hashed as it is read, and fails at its end if it is not what was announced."""

    def __init__(self, stream, announced: str | None):
        self.stream, self.announced, self.hash, self.size = stream, announced, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        piece = self.stream.read(None if size is None or size < 0 else size)
        self.hash.update(piece)
        self.size += len(piece)
        ended = not piece or size is None or size < 0
        if ended and self.announced and self.hash.hexdigest() != self.announced:
            raise Changed(self.hash.hexdigest())
        return piece

    def drain(self) -> None:
        while self.read(PIECE):
            pass


def put_content(open_source, announced: str | None, media_type: str) -> tuple[str, str, int]:
    """Streams content to `content/SHA256`; (key, SHA-256, size). Without an announced digest it is read twice."""
    with _turn:
        if announced is None:
            first = _Hashed(open_source(), None)
            first.drain()
            announced = first.hash.hexdigest()
        try:
            return _put_content(open_source, announced, media_type)
        except Changed as changed:
            return _put_content(open_source, changed.digest, media_type)


def _put_content(open_source, digest: str, media_type: str) -> tuple[str, str, int]:
    key, source = f"content/{digest}", _Hashed(open_source(), digest)
    if head(key) is not None:
        source.drain()
        return key, digest, source.size
    try:
        s3.upload_fileobj(source, BUCKET, key, Config=TRANSFER, ExtraArgs={
            "ContentType": media_type, "ChecksumAlgorithm": "SHA256", **ENCRYPTION, **lock()})
    except ClientError as error:
        if code(error) not in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise
    stored = head(key)
    if stored is None or stored["ContentLength"] != source.size:
        raise Conflict(key)
    return key, digest, source.size
