"""The account's administrator against the evidence: every way to lose or forge it is tried and has to be refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class Try:
    """One thing to do to evidence, and the error code that it must end with; none for what is allowed."""

    what: str
    do: Callable[[], dict]
    expected: str | None


def tries(account, stack: dict, key: str) -> list[Try]:
    """On the evidence under `key`, as the administrator, whose own policy allows everything."""
    s3, kms, bucket = account.client("s3"), account.client("kms"), stack["BucketName"]
    head = s3.head_object(Bucket=bucket, Key=key)
    version, mode, until = head["VersionId"], head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]
    one = {"Bucket": bucket, "Key": key}
    this = {**one, "VersionId": version}
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    new = {"Bucket": bucket, "Key": "cases/forged/manifest-0000.json", "Body": b"{}", "IfNoneMatch": "*",
           "ChecksumAlgorithm": "SHA256"}
    return [
        Try("delete the version", lambda: s3.delete_object(**this), "AccessDenied"),
        Try("delete it, bypassing governance",
            lambda: s3.delete_object(**this, BypassGovernanceRetention=True), "AccessDenied"),
        Try("hide it behind a delete marker", lambda: s3.delete_object(**one), "AccessDenied"),
        Try("overwrite it", lambda: s3.put_object(**one, Body=b"nothing happened"), "AccessDenied"),
        Try("overwrite it, as if it were new",
            lambda: s3.put_object(**one, Body=b"nothing happened", IfNoneMatch="*"), "AccessDenied"),
        Try("shorten its retention to a day", lambda: s3.put_object_retention(
            **this, Retention={"Mode": mode, "RetainUntilDate": tomorrow}), "AccessDenied"),
        Try("shorten it, bypassing governance", lambda: s3.put_object_retention(
            **this, Retention={"Mode": mode, "RetainUntilDate": tomorrow}, BypassGovernanceRetention=True), "AccessDenied"),
        Try("take its lock away", lambda: s3.put_object_retention(
            **this, Retention={}, BypassGovernanceRetention=True), "AccessDenied"),
        Try("add evidence that is locked for a day only", lambda: s3.put_object(
            **new, ObjectLockMode=mode, ObjectLockRetainUntilDate=tomorrow), "AccessDenied"),
        Try("add evidence under another encryption", lambda: s3.put_object(
            **new, ObjectLockMode=mode, ObjectLockRetainUntilDate=until, ServerSideEncryption="AES256"), "AccessDenied"),
        Try("switch versioning off", lambda: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}), "InvalidBucketState"),
        Try("delete the bucket", lambda: s3.delete_bucket(Bucket=bucket), "BucketNotEmpty"),
        Try("sign a manifest with coldcase's key", lambda: kms.sign(
            KeyId=stack["SigningKeyArn"], Message=b"forged", SigningAlgorithm="ECDSA_SHA_256"), "AccessDeniedException"),
        Try("have the bucket's key deleted in a week", lambda: kms.schedule_key_deletion(
            KeyId=stack["BucketKeyArn"], PendingWindowInDays=7), "AccessDeniedException"),
        Try("add evidence, locked as it should be", lambda: s3.put_object(
            **new, ObjectLockMode=mode, ObjectLockRetainUntilDate=until + timedelta(days=1)), "AccessDenied"),
        # That it is allowed shows that the rest was not refused for want of power.
        Try("read it", lambda: s3.get_object(**this), None),
    ]


def refused(attempt: Try) -> str | None:
    """The error code that it was refused with; nothing if it was allowed."""
    try:
        attempt.do()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None
