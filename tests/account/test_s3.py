"""The write-once bucket: locks, conditions, checksums, and a policy that binds the administrator as well."""

import base64
import concurrent.futures
import datetime
import hashlib
import json
import uuid

import pytest
from botocore.exceptions import ClientError

MB = 1 << 20


def refused(code="AccessDenied"):
    return pytest.raises(ClientError, match=code)


def in_days(days):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


def digest(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@pytest.fixture(scope="module")
def s3(account):
    return account.client("s3")


@pytest.fixture
def bucket(s3):
    """A bucket with Object Lock and no default retention."""
    name = f"vault-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


def deny(s3, bucket, actions, condition=None):
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": actions,
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        **({"Condition": condition} if condition else {})}]}))


def upload(s3, bucket, key, parts=(b"a" * 5 * MB, b"b"), begin=None, complete=None):
    begun = s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", **(begin or {}))
    where = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
    done = [{"PartNumber": number, "ChecksumSHA256": digest(part), "ETag": s3.upload_part(
        **where, PartNumber=number, Body=part, ChecksumSHA256=digest(part))["ETag"]} for number, part in enumerate(parts, 1)]
    return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": done}, **(complete or {}))


LOCK = {"ObjectLockMode": "COMPLIANCE"}


def test_a_multipart_upload_is_locked_as_it_asked(s3, bucket):
    until = in_days(3)
    version = upload(s3, bucket, "big", begin={**LOCK, "ObjectLockRetainUntilDate": until})["VersionId"]
    retention = s3.get_object_retention(Bucket=bucket, Key="big", VersionId=version)["Retention"]
    assert retention["Mode"] == "COMPLIANCE" and abs(retention["RetainUntilDate"] - until) < datetime.timedelta(seconds=2)
    assert s3.head_object(Bucket=bucket, Key="big")["ObjectLockMode"] == "COMPLIANCE"
    with refused():
        s3.delete_object(Bucket=bucket, Key="big", VersionId=version)
    with refused():
        s3.delete_object(Bucket=bucket, Key="big", VersionId=version, BypassGovernanceRetention=True)
    with refused():
        s3.put_object_retention(Bucket=bucket, Key="big", VersionId=version, Retention={
            "Mode": "COMPLIANCE", "RetainUntilDate": in_days(1)})


def test_the_buckets_default_locks_multipart_uploads_too(s3, bucket):
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 2}}})
    upload(s3, bucket, "big")
    assert s3.get_object_retention(Bucket=bucket, Key="big")["Retention"]["Mode"] == "GOVERNANCE"


def test_a_key_is_written_once(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")
    with refused("PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    with refused("PreconditionFailed"):
        upload(s3, bucket, "k", complete={"IfNoneMatch": "*"})
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    upload(s3, bucket, "new", complete={"IfNoneMatch": "*"})


def test_of_many_writers_one_wins(s3, bucket):
    def write(number):
        try:
            s3.put_object(Bucket=bucket, Key="race", Body=b"%d" % number, IfNoneMatch="*")
            return number
        except ClientError as lost:
            assert lost.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        [winner] = [number for number in pool.map(write, range(24)) if number is not None]
    assert s3.get_object(Bucket=bucket, Key="race")["Body"].read() == b"%d" % winner
    assert len(s3.list_object_versions(Bucket=bucket, Prefix="race")["Versions"]) == 1


def test_versioning_cannot_be_suspended_under_a_lock(s3, bucket):
    with refused("InvalidBucketState"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_checksums_are_verified(s3, bucket):
    with refused("BadDigest|InvalidRequest"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"right", ChecksumSHA256=digest(b"wrong"))
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    with refused("BadDigest|InvalidRequest"):
        s3.upload_part(Bucket=bucket, Key="k", UploadId=begun["UploadId"], PartNumber=1, Body=b"right",
                       ChecksumSHA256=digest(b"wrong"))


@pytest.mark.parametrize("condition, good, bad", [
    ({"Null": {"s3:object-lock-mode": "true"}}, {**LOCK, "ObjectLockRetainUntilDate": in_days(3)}, {}),
    ({"StringNotEquals": {"s3:object-lock-mode": "COMPLIANCE"}}, {**LOCK, "ObjectLockRetainUntilDate": in_days(3)},
     {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": in_days(3)}),
    ({"NumericLessThan": {"s3:object-lock-remaining-retention-days": "3"}},
     {**LOCK, "ObjectLockRetainUntilDate": in_days(3)}, {**LOCK, "ObjectLockRetainUntilDate": in_days(2)}),
    ({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}, {"ServerSideEncryption": "aws:kms"}, {}),
])
def test_conditions_on_writes(s3, bucket, condition, good, bad):
    """In one piece and in many, under the administrator's own credentials."""
    deny(s3, bucket, "s3:PutObject", condition)
    s3.put_object(Bucket=bucket, Key="good", Body=b"1", **good)
    upload(s3, bucket, "good-parts", begin=good)
    with refused("explicit deny in a resource-based policy"):
        s3.put_object(Bucket=bucket, Key="bad", Body=b"1", **bad)
    with refused("explicit deny in a resource-based policy"):
        upload(s3, bucket, "bad-parts", begin=bad)


def test_a_policy_can_demand_conditional_writes_and_still_allow_parts(s3, bucket):
    deny(s3, bucket, "s3:PutObject", {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}})
    s3.put_object(Bucket=bucket, Key="once", Body=b"1", IfNoneMatch="*")
    upload(s3, bucket, "parts", complete={"IfNoneMatch": "*"})
    with refused():
        s3.put_object(Bucket=bucket, Key="more", Body=b"1")
    with refused():
        upload(s3, bucket, "more")


def test_a_policy_can_demand_one_key(account, s3, bucket):
    kms = account.client("kms")
    key, other = (kms.create_key()["KeyMetadata"] for _ in range(2))
    deny(s3, bucket, "s3:PutObject", {"StringNotEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": key["Arn"]}})
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["Arn"])
    s3.put_object(Bucket=bucket, Key="b", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["KeyId"])
    with refused():
        s3.put_object(Bucket=bucket, Key="c", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=other["Arn"])


def test_plain_http_is_refused_when_a_request_asks_to_be_taken_as_such(account, s3, bucket):
    deny(s3, bucket, "s3:*", {"Bool": {"aws:SecureTransport": "false"}})
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    plain = account.client_of("s3")
    plain.meta.events.register("before-sign.s3", lambda request, **_: request.headers.add_header("x-account-plain-http", "1"))
    with refused("explicit deny"):
        plain.put_object(Bucket=bucket, Key="k", Body=b"1")
    with refused("explicit deny"):
        plain.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize("action, call", [
    ("s3:DeleteObject", lambda s3, where, version: s3.delete_object(**where)),
    ("s3:DeleteObject", lambda s3, where, version: s3.delete_objects(
        Bucket=where["Bucket"], Delete={"Objects": [{"Key": where["Key"]}]})),
    ("s3:DeleteObjectVersion", lambda s3, where, version: s3.delete_object(**where, VersionId=version)),
    ("s3:BypassGovernanceRetention", lambda s3, where, version: s3.delete_object(
        **where, VersionId=version, BypassGovernanceRetention=True)),
    ("s3:PutObjectRetention", lambda s3, where, version: s3.put_object_retention(**where, Retention={
        "Mode": "COMPLIANCE", "RetainUntilDate": in_days(9)})),
    ("s3:PutObject", lambda s3, where, version: s3.put_object(**where, Body=b"2")),
    ("s3:PutBucketPolicy", lambda s3, where, version: s3.put_bucket_policy(Bucket=where["Bucket"], Policy=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
                                                 "Resource": f"arn:aws:s3:::{where['Bucket']}/*"}]}))),
    ("s3:DeleteBucketPolicy", lambda s3, where, version: s3.delete_bucket_policy(Bucket=where["Bucket"])),
    ("s3:PutBucketObjectLockConfiguration", lambda s3, where, version: s3.put_object_lock_configuration(
        Bucket=where["Bucket"], ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})),
])
def test_a_deny_binds_the_administrator(s3, bucket, action, call):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE",
                            ObjectLockRetainUntilDate=in_days(1))["VersionId"]
    deny(s3, bucket, action)
    with refused("explicit deny in a resource-based policy|AccessDenied"):
        reply = call(s3, {"Bucket": bucket, "Key": "k"}, version)
        if "Errors" in reply:  # DeleteObjects may answer for each object
            raise ClientError({"Error": reply["Errors"][0]}, "DeleteObjects")


def test_a_deny_binds_root_but_not_from_the_policy_itself(account, s3, bucket):
    root = account.client_of("s3", key="test", secret="test")
    root.put_object(Bucket=bucket, Key="k", Body=b"1")
    deny(s3, bucket, ["s3:DeleteObject", "s3:DeleteBucketPolicy"])
    with refused("explicit deny"):
        root.delete_object(Bucket=bucket, Key="k")
    root.delete_bucket_policy(Bucket=bucket)


def test_governance_can_be_bypassed_by_who_may(s3, bucket):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1", ObjectLockMode="GOVERNANCE",
                            ObjectLockRetainUntilDate=in_days(1))["VersionId"]
    with refused():
        s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)


def test_unsigned_requests_are_nobodys(account, s3, bucket):
    import urllib.request
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for method in ("GET", "PUT", "DELETE"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(f"{account.endpoint}/{bucket}/k", method=method))


def test_encryption_takes_the_keys_permissions(account, s3, bucket):
    kms = account.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    wish = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    writer = account.session(account.role(["s3:*", "kms:GenerateDataKey"]), "s3")
    writer.put_object(Bucket=bucket, Key="k", Body=b"1", **wish)
    with refused("kms:Decrypt"):
        writer.get_object(Bucket=bucket, Key="k")
    with refused("kms:Decrypt"):
        upload(writer, bucket, "parts", begin=wish)
    with refused("kms:GenerateDataKey"):
        account.session(account.role(["s3:*", "kms:Decrypt"]), "s3").put_object(Bucket=bucket, Key="x", Body=b"1", **wish)
