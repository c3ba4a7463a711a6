"""Digest files: a chain that anybody can check with the Region's public key, and that shows every change."""

import datetime
import gzip
import hashlib
import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

PREVIOUS = ("previousDigestS3Bucket", "previousDigestS3Object", "previousDigestHashValue", "previousDigestHashAlgorithm",
            "previousDigestSignature")


def public_key(account, region):
    [key] = account.client("cloudtrail", region).list_public_keys()["PublicKeyList"]
    assert key["ValidityStartTime"] <= datetime.datetime.now(datetime.timezone.utc) <= key["ValidityEndTime"]
    # PKCS #1, as CloudTrail hands it out: openssl rsa -RSAPublicKey_in -inform DER
    return serialization.load_der_public_key(key["Value"]), key["Fingerprint"]


def fetch(account, bucket, key):
    got = account.client("s3").get_object(Bucket=bucket, Key=key)
    return gzip.decompress(got["Body"].read()), got["Metadata"]


def check(account, bucket, key):
    """A digest's content, once its signature holds, and that of every file it lists has its hash."""
    content, metadata = fetch(account, bucket, key)
    digest = json.loads(content)
    region = key.split("CloudTrail-Digest/")[1].split("/")[0]
    public, fingerprint = public_key(account, region)
    assert (digest["digestS3Bucket"], digest["digestS3Object"]) == (bucket, key)
    assert digest["digestPublicKeyFingerprint"] == fingerprint and metadata["signature-algorithm"] == "SHA256withRSA"
    signed = "\n".join((digest["digestEndTime"], f"{bucket}/{key}", hashlib.sha256(content).hexdigest(),
                        digest["previousDigestSignature"] or "null"))
    public.verify(bytes.fromhex(metadata["signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    for file in digest["logFiles"]:
        assert hashlib.sha256(fetch(account, file["s3Bucket"], file["s3Object"])[0]).hexdigest() == file["hashValue"]
    return digest


@pytest.fixture
def trail(account):
    client, name = account.client("cloudtrail", "eu-west-2"), f"trail-{uuid.uuid4().hex[:8]}"
    account.client("s3").create_bucket(Bucket=name)
    client.create_trail(Name=name, S3BucketName=name, S3KeyPrefix="logs", EnableLogFileValidation=True)
    client.start_logging(Name=name)
    yield name
    try:
        client.delete_trail(Name=name)
    except ClientError as gone:
        assert gone.response["Error"]["Code"] == "TrailNotFoundException"


def digests(account, bucket, force=True):
    """The keys of a bucket's digests, oldest first."""
    [done] = account.post("trail/deliver" + ("?digest=1" if force else ""))
    assert bucket not in [failed["bucket"] for failed in done["failed"]]
    found = account.client("s3").list_objects_v2(Bucket=bucket, Prefix="logs/AWSLogs/111122223333/CloudTrail-Digest/")
    return sorted(item["Key"] for item in found.get("Contents", []))


def test_digests_are_a_chain_over_every_log_file(account, trail):
    functions = account.client("lambda", "eu-west-2")
    functions.list_functions()
    digests(account, trail, force=False)
    functions.list_layers()
    [first] = digests(account, trail)
    functions.list_functions()
    [_, second] = digests(account, trail)
    [_, _, third] = digests(account, trail)
    one, two, three = (check(account, trail, key) for key in (first, second, third))
    stamp = one["digestEndTime"].replace("-", "").replace(":", "")
    assert first == (f"logs/AWSLogs/111122223333/CloudTrail-Digest/eu-west-2/{one['digestEndTime'][:10].replace('-', '/')}/"
                     f"111122223333_CloudTrail-Digest_eu-west-2_{trail}_eu-west-2_{stamp}.json.gz")
    assert [one[name] for name in PREVIOUS] == [None] * 5
    for before, key, after in ((one, first, two), (two, second, three)):
        content, metadata = fetch(account, trail, key)
        assert [after[name] for name in PREVIOUS] == [trail, key, hashlib.sha256(content).hexdigest(), "SHA-256",
                                                      metadata["signature"]]
        assert after["digestStartTime"] == before["digestEndTime"] < after["digestEndTime"]
    logs = [item["Key"] for item in account.client("s3").list_objects_v2(
        Bucket=trail, Prefix="logs/AWSLogs/111122223333/CloudTrail/")["Contents"]]
    assert sorted(logs) == sorted(file["s3Object"] for digest in (one, two, three) for file in digest["logFiles"])
    assert len(one["logFiles"]) == 2 and len(two["logFiles"]) == 1
    times = [file[name] for file in one["logFiles"] for name in ("oldestEventTime", "newestEventTime")]
    assert one["oldestEventTime"] == min(times) and one["newestEventTime"] == max(times)
    # An hour without an event has a digest all the same.
    assert three["logFiles"] == [] and three["newestEventTime"] is None and three["oldestEventTime"] is None


def test_whatever_is_changed_shows(account, trail):
    account.client("lambda", "eu-west-2").list_functions()
    [key] = digests(account, trail)
    digest, s3 = check(account, trail, key), account.client("s3")
    [log] = digest["logFiles"]
    original = s3.get_object(Bucket=trail, Key=log["s3Object"])["Body"].read()
    s3.put_object(Bucket=trail, Key=log["s3Object"], Body=gzip.compress(b'{"Records":[]}'))
    with pytest.raises(AssertionError):
        check(account, trail, key)
    s3.put_object(Bucket=trail, Key=log["s3Object"], Body=original)
    check(account, trail, key)
    content, metadata = fetch(account, trail, key)
    digest["logFiles"] = []
    s3.put_object(Bucket=trail, Key=key, Body=gzip.compress(json.dumps(digest).encode()), Metadata=metadata)
    with pytest.raises(InvalidSignature):
        check(account, trail, key)


def test_a_chain_ends_with_logging_and_another_begins(account, trail):
    client, functions = account.client("cloudtrail", "eu-west-2"), account.client("lambda", "eu-west-2")
    functions.list_functions()
    digests(account, trail)
    client.stop_logging(Name=trail)
    [first, last] = digests(account, trail, force=False)
    stopped = check(account, trail, last)
    assert stopped["previousDigestS3Object"] == first
    assert any(b"StopLogging" in fetch(account, trail, file["s3Object"])[0] for file in stopped["logFiles"])
    assert digests(account, trail) == [first, last], "there are no digests of what is not logged"
    time.sleep(1.1)  # digests tell whole seconds
    client.start_logging(Name=trail)
    [_, _, begun] = digests(account, trail)
    again = check(account, trail, begun)
    assert [again[name] for name in PREVIOUS] == [None] * 5 and again["digestStartTime"] > stopped["digestEndTime"]


def test_without_validation_there_are_files_but_no_digests(account, trail):
    client, functions = account.client("cloudtrail", "eu-west-2"), account.client("lambda", "eu-west-2")
    digests(account, trail)
    client.update_trail(Name=trail, EnableLogFileValidation=False)
    before = digests(account, trail)
    functions.list_functions()
    assert digests(account, trail) == before and len(before) == 2
    client.update_trail(Name=trail, EnableLogFileValidation=True)
    [*_, begun] = digests(account, trail)
    assert check(account, trail, begun)["previousDigestSignature"] is None


def test_a_deleted_trail_has_a_last_digest(account, trail):
    account.client("lambda", "eu-west-2").list_functions()
    [first] = digests(account, trail)
    account.client("cloudtrail", "eu-west-2").delete_trail(Name=trail)
    [_, last] = digests(account, trail, force=False)
    assert check(account, trail, last)["previousDigestS3Object"] == first


def test_every_region_has_its_own_key_and_its_own_chain(account):
    account.client("lambda", "eu-west-2").list_functions()
    account.client("lambda").list_functions()
    [done] = account.post("trail/deliver?digest=1")
    keys = {line["region"]: line["key"] for line in done["digests"] if line["bucket"] == "management-trail"}
    assert {"us-east-1", "eu-west-2"} <= set(keys)
    for region in ("us-east-1", "eu-west-2"):
        assert f"_CloudTrail-Digest_{region}_management_us-east-1_" in keys[region]
        check(account, "management-trail", keys[region])
    assert public_key(account, "us-east-1")[1] != public_key(account, "eu-west-2")[1]
    status = account.client("cloudtrail").get_trail_status(Name="management")
    assert status["LatestDigestDeliveryTime"] >= status["StartLoggingTime"]


def test_keys_are_listed_by_when_they_were_valid(account):
    client, now = account.client("cloudtrail"), datetime.datetime.now(datetime.timezone.utc)
    days = lambda number: now + datetime.timedelta(days=number)
    listed = lambda **asked: len(client.list_public_keys(**asked)["PublicKeyList"])
    assert listed(StartTime=days(-2), EndTime=days(-1)) == 0 and listed(StartTime=days(-1), EndTime=days(1)) == 1
    assert listed(StartTime=days(400)) == 0 and listed(EndTime=days(1)) == 1
    with pytest.raises(ClientError, match="InvalidTimeRangeException"):
        client.list_public_keys(StartTime=now, EndTime=days(-1))
