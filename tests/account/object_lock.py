"""The write-once bucket where MiniStack falls short: locks on multipart uploads, no way back from versioning, key defaults."""

import re

from ministack.core.responses import get_account_id, get_region
from ministack.services import s3

CHECKSUMS = ("x-amz-checksum-sha256", "x-amz-checksum-sha1", "x-amz-checksum-crc32", "x-amz-checksum-crc32c",
             "x-amz-checksum-crc64nvme", "content-md5")


def apply() -> None:
    """Wraps the service's functions by name: its router looks them up in the module at every request."""
    s3._create_multipart_upload = _keep_headers(s3._create_multipart_upload)
    s3._complete_multipart_upload = _lock_completed(s3._complete_multipart_upload)
    s3._put_bucket_versioning = _refuse_suspension(s3._put_bucket_versioning)
    s3._put_object = _require_checksum(s3._put_object)
    s3._resolve_sse_write_headers = _default_key(s3._resolve_sse_write_headers)


def _keep_headers(original):
    """The upload remembers the headers it began with: lock and encryption are named there alone."""
    def create(bucket_name, key, headers):
        reply = original(bucket_name, key, headers)
        if reply[0] == 200:
            body = reply[2] if isinstance(reply[2], bytes) else str(reply[2]).encode()
            upload_id = re.search(rb"<UploadId>(.*?)</UploadId>", body).group(1).decode()
            s3._multipart_uploads[upload_id]["account_headers"] = dict(headers)
        return reply
    return create


def _lock_completed(original):
    """The completed object's version is locked as its upload asked, or by the bucket's default."""
    def complete(bucket_name, key, body, query_params, headers=None):
        upload = s3._multipart_uploads.get(s3._qp(query_params, "uploadId"))
        began = (upload or {}).get("account_headers")
        reply = original(bucket_name, key, body, query_params, headers)
        if reply[0] == 200 and began is not None:
            s3._apply_object_lock_from_headers(bucket_name, key, began, reply[1].get("x-amz-version-id"))
        return reply
    return complete


def _refuse_suspension(original):
    def put(name, body):
        if s3._bucket_object_lock.get(name) and b"<Status>Enabled</Status>" not in re.sub(rb"\s", b"", body):
            return s3._error("InvalidBucketState", "An Object Lock configuration is present on this bucket, so the "
                             "versioning state cannot be changed.", 409, f"/{name}")
        return original(name, body)
    return put


def _require_checksum(original):
    def put(bucket_name, key, body, headers, *rest, **options):
        locked = headers.get("x-amz-object-lock-mode") or headers.get("x-amz-object-lock-legal-hold")
        if locked and not any(headers.get(name) for name in (*CHECKSUMS, "x-amz-trailer")):
            return s3._error("InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object "
                             "requests with Object Lock parameters", 400, f"/{bucket_name}/{key}")
        return original(bucket_name, key, body, headers, *rest, **options)
    return put


def _default_key(original):
    """`aws:kms` without a key means the bucket's key, or the account's own aws/s3."""
    def resolve(headers, bucket_name):
        name = "x-amz-server-side-encryption-aws-kms-key-id"
        if headers.get("x-amz-server-side-encryption") == "aws:kms" and not headers.get(name):
            default = s3._bucket_default_sse_headers(bucket_name).get(name)
            headers = {**headers, name: default or f"arn:aws:kms:{get_region()}:{get_account_id()}:alias/aws/s3"}
        return original(headers, bucket_name)
    return resolve
