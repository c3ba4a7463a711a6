"""The account's audit trail: what it records, the past that it tells of, and a record that comes late."""

import json
import uuid
from datetime import datetime, timedelta, timezone

from demo import Unexpected, victim
from demo.local_account import ROOT

NAME, BUCKET = "management", "management-trail"
HOURS = 24


def record_reads(account, bucket: str) -> None:
    """The owner's trail, which is there, gets a bucket for its files and records reads of the invoices as well."""
    account.client("s3").create_bucket(Bucket=BUCKET)
    account.client("cloudtrail").put_event_selectors(TrailName=NAME, EventSelectors=[{
        "ReadWriteType": "All", "IncludeManagementEvents": True,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{bucket}/"]}]}])


def parameters() -> dict[str, str]:
    """What tells coldcase of that bucket, where template.yaml has a parameter for it."""
    return {"TrailBucket": BUCKET} if "\n  TrailBucket:\n" in (ROOT / "template.yaml").read_text() else {}


def tell_the_past(account) -> int:
    """The account is seconds old. What the function would have done in the day before is written into the event history:
    its real call, once an hour. Answers how many records."""
    [call, *_] = [record for record in account.trail() if _is_of_the_function(record)]
    began = datetime.now(timezone.utc) - timedelta(hours=1)
    hours = [began - timedelta(hours=number) for number in range(1, HOURS + 1)]
    account.append_to_trail([_again(call, at) for at in hours], deliver=False)
    return len(hours)


def arrive_late(account, address: str) -> dict:
    """One more use of the stolen credentials, told only now: it happened when the others did. Answers its record."""
    used = [record for record in account.trail() if _is_of_the_function(record) and record["sourceIPAddress"] == address
            and not record.get("errorCode")]
    if not used:
        raise Unexpected(f"CloudTrail has no record of what the role did from {address}")
    record = _again(used[0], datetime.fromisoformat(used[0]["eventTime"])) | {
        "eventSource": "ssm.amazonaws.com", "eventName": "GetParametersByPath",
        "requestParameters": {"path": "/billing", "withDecryption": True}, "responseElements": None}
    account.append_to_trail([record], deliver=True)
    return record


def of_the_role(account) -> list[dict]:
    """The records of every management call that was made with the function's credentials, wherever."""
    return [record for record in account.trail() if _is_of_the_function(record)]


def _is_of_the_function(record: dict) -> bool:
    return record["userIdentity"].get("arn", "").endswith(f":assumed-role/{victim.ROLE}/{victim.NAME}")


def _again(record: dict, at: datetime) -> dict:
    """The same call at another time, with ids of its own."""
    return json.loads(json.dumps(record)) | {"eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventID": str(uuid.uuid4()),
                                             "requestID": str(uuid.uuid4())}
