"""Log files: what trails write into their buckets, by Region and selector, data events included."""

import gzip
import json
import re
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import Account, package, start_account, until
from account.test_event_history import made_up

KEY = re.compile(r"(?P<prefix>.*?)/?AWSLogs/111122223333/CloudTrail/(?P<region>[a-z0-9-]+)/(?P<day>\d{4}/\d\d/\d\d)/"
                 r"111122223333_CloudTrail_(?P=region)_\d{8}T\d{4}Z_[A-Za-z0-9]{16}\.json\.gz")


@pytest.fixture
def trail(account):
    """Makes trails that log into a bucket of their own: a function that returns (name, bucket)."""
    made = []

    def make(region="us-east-1", selectors=None, advanced=None, **settings):
        client, name = account.client("cloudtrail", region), f"trail-{uuid.uuid4().hex[:8]}"
        account.client("s3").create_bucket(Bucket=name)
        client.create_trail(Name=name, S3BucketName=name, **settings)
        if selectors or advanced:
            client.put_event_selectors(TrailName=name, **({"EventSelectors": selectors} if selectors else {
                "AdvancedEventSelectors": [{"FieldSelectors": fields} for fields in advanced]}))
        client.start_logging(Name=name)
        made.append((client, name))
        return name, name

    yield make
    for client, name in made:
        client.delete_trail(Name=name)


def files(account, bucket, prefix=""):
    """{key: records} of a bucket's log files, once everything so far is delivered."""
    [done] = account.post("trail/deliver")
    assert bucket not in [failed["bucket"] for failed in done["failed"]]
    s3, found = account.client("s3"), {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            if "/CloudTrail/" in item["Key"]:
                content = gzip.decompress(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read())
                assert content.startswith(b'{"Records":[{"'), "not as CloudTrail writes it"
                found[item["Key"]] = json.loads(content)["Records"]
    return found


def delivered(account, bucket):
    return [record for records in files(account, bucket).values() for record in records]


def names(records, source):
    return [record["eventName"] for record in records if record["eventSource"] == f"{source}.amazonaws.com"]


def test_a_trail_of_all_regions_writes_a_file_for_each(account, trail):
    _, bucket = trail(IsMultiRegionTrail=True, S3KeyPrefix="audit/main")
    function = f"delivered-{uuid.uuid4().hex[:8]}"
    role = account.role()
    account.client("lambda", "eu-west-1").create_function(
        FunctionName=function, Role=role, Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": package()})
    found = files(account, bucket)
    regions = {}
    for key, records in found.items():
        name = KEY.fullmatch(key)
        assert name and name["prefix"] == "audit/main", key
        assert name["day"] == time.strftime("%Y/%m/%d", time.gmtime()) and {
            record["awsRegion"] for record in records} == {name["region"]}
        regions.setdefault(name["region"], []).extend(records)
    assert "CreateFunction20150331" in names(regions["eu-west-1"], "lambda")
    assert {"CreateRole", "PutRolePolicy"} <= set(names(regions["us-east-1"], "iam"))
    # Each record once, and exactly as the account tells it.
    [record] = [record for record in regions["eu-west-1"] if record["eventName"] == "CreateFunction20150331"]
    assert record in account.trail("CreateFunction20150331")
    again = files(account, bucket)
    identities = [record["eventID"] for records in again.values() for record in records]
    assert len(identities) == len(set(identities)) and set(found) <= set(again)


def test_a_trail_of_one_region_has_no_other(account, trail):
    _, home = trail("eu-central-1")
    account.client("lambda", "eu-central-1").list_functions()
    account.client("lambda", "eu-west-1").list_functions()
    account.role()
    records = delivered(account, home)
    assert {record["awsRegion"] for record in records} == {"eu-central-1"} and "ListFunctions20150331" in names(records, "lambda")
    assert not names(records, "iam")
    _, east = trail(IncludeGlobalServiceEvents=True)
    _, without = trail(IncludeGlobalServiceEvents=False)
    account.role()
    assert "CreateRole" in names(delivered(account, east), "iam") and not names(delivered(account, without), "iam")


def test_nothing_is_written_after_logging_has_stopped(account, trail):
    name, bucket = trail()
    account.client("lambda").list_functions()
    account.client("cloudtrail").stop_logging(Name=name)
    account.client("lambda").list_layers()
    records = delivered(account, bucket)
    assert "ListFunctions20150331" in names(records, "lambda") and "ListLayers20181031" not in names(records, "lambda")
    assert names(records, "cloudtrail")[-1] == "StopLogging"


@pytest.mark.parametrize("kind, expected", [("ReadOnly", {"ListFunctions20150331"}),
                                            ("WriteOnly", {"PutFunctionConcurrency20171031"})])
def test_reads_or_writes_alone(account, trail, kind, expected):
    name = account.function()
    _, bucket = trail(selectors=[{"ReadWriteType": kind, "IncludeManagementEvents": True}])
    account.client("lambda").list_functions()
    account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    found = set(names(delivered(account, bucket), "lambda"))
    assert found & {"ListFunctions20150331", "PutFunctionConcurrency20171031"} == expected


def things(account):
    """A function, a bucket with an object, a table: their names."""
    function, bucket, table = account.function(), f"data-{uuid.uuid4().hex[:8]}", f"table-{uuid.uuid4().hex[:8]}"
    account.client("s3").create_bucket(Bucket=bucket)
    account.client("dynamodb").create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])
    return function, bucket, table


def use(account, function, bucket, table):
    s3, dynamodb = account.client("s3"), account.client("dynamodb")
    account.client("lambda").invoke(FunctionName=function, Payload=b'{"secret":"hunter2"}')
    s3.put_object(Bucket=bucket, Key="in/a b.txt", Body=b"hunter2" * 100)
    s3.get_object(Bucket=bucket, Key="in/a b.txt")["Body"].read()
    s3.put_object(Bucket=bucket, Key="out/c", Body=b"2")
    s3.list_objects_v2(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "out/c"}]})
    with pytest.raises(ClientError):
        s3.get_object(Bucket=bucket, Key="in/none")
    dynamodb.put_item(TableName=table, Item={"id": {"S": "one"}, "card": {"S": "hunter2"}})
    dynamodb.get_item(TableName=table, Key={"id": {"S": "one"}})
    dynamodb.describe_table(TableName=table)


DATA = [{"ReadWriteType": "All", "IncludeManagementEvents": False, "DataResources": [
    {"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}, {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]},
    {"Type": "AWS::DynamoDB::Table", "Values": ["arn:aws:dynamodb"]}]}]


def test_data_events_are_written_where_they_are_asked_for(account, trail):
    function, bucket, table = things(account)
    _, log = trail(selectors=DATA)
    use(account, function, bucket, table)
    records = [record for record in delivered(account, log) if any(
        name in json.dumps(record) for name in (function, bucket, table))]
    assert names(records, "lambda") == ["Invoke"] and "hunter2" not in json.dumps(records)
    assert names(records, "s3") == ["PutObject", "GetObject", "PutObject", "ListObjectsV2", "DeleteObjects", "DeleteObject",
                                    "GetObject"]
    assert names(records, "dynamodb") == ["PutItem", "GetItem"]
    assert all(record["managementEvent"] is False and record["eventCategory"] == "Data" for record in records)
    [invoke] = [record for record in records if record["eventName"] == "Invoke"]
    arn = f"arn:aws:lambda:us-east-1:111122223333:function:{function}"
    assert invoke["resources"] == [{"accountId": "111122223333", "type": "AWS::Lambda::Function", "ARN": arn}]
    assert invoke["requestParameters"]["functionName"] == arn and invoke["readOnly"] is False
    assert invoke["additionalEventData"]["functionVersion"] == f"{arn}:$LATEST"
    put, got, _, listed, _, deleted, missing = [record for record in records if record["eventSource"] == "s3.amazonaws.com"]
    of_bucket = {"accountId": "111122223333", "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
    assert put["resources"] == [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/in/a b.txt"}, of_bucket]
    assert put["requestParameters"]["key"] == "in/a b.txt" and put["additionalEventData"]["bytesTransferredIn"] >= 700
    assert got["readOnly"] is True and got["additionalEventData"]["bytesTransferredOut"] == 700
    assert listed["resources"][0] == {"type": "AWS::S3::Object", "ARNPrefix": f"arn:aws:s3:::{bucket}/"}
    assert deleted["resources"][0]["ARN"].endswith("/out/c")
    assert missing["errorCode"] == "NoSuchKey" and missing["requestParameters"]["key"] == "in/none"
    item = [record for record in records if record["eventName"] == "PutItem"][0]
    assert item["requestParameters"] == {"tableName": table, "key": {"id": "one"}, "items": ["id", "card"]}
    assert item["resources"][0]["ARN"] == f"arn:aws:dynamodb:us-east-1:111122223333:table/{table}"
    # Nobody else hears of them.
    assert not {"Invoke", "PutObject", "PutItem"} & {record["eventName"] for record in account.trail()}
    assert not {"Invoke", "PutObject", "PutItem"} & {record["eventName"] for record in delivered(account, "management-trail")}


def test_the_logs_own_files_feed_nothing(account, trail):
    _, log = trail(selectors=DATA)
    sizes = [len(json.dumps(account.post("trail/deliver"))) for _ in range(3)]
    account.client("s3").list_objects_v2(Bucket=log)
    [first], [second] = account.post("trail/deliver"), account.post("trail/deliver")
    assert [line["records"] for line in first["delivered"] if line["bucket"] == log] == [1]
    assert [line for line in second["delivered"] if line["bucket"] == log] == [], sizes


@pytest.mark.parametrize("form", ["basic", "advanced"])
def test_selectors_choose_among_data(account, trail, form):
    function, bucket, table = things(account)
    other = account.function()
    arn = f"arn:aws:lambda:us-east-1:111122223333:function:{function}"
    if form == "basic":
        _, log = trail(selectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": False, "DataResources": [
            {"Type": "AWS::Lambda::Function", "Values": [arn]},
            {"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{bucket}/in/"]}]}])
    else:
        data = {"Field": "eventCategory", "Equals": ["Data"]}
        _, log = trail(advanced=[
            [data, {"Field": "resources.type", "Equals": ["AWS::Lambda::Function"]}, {"Field": "resources.ARN", "Equals": [arn]}],
            [data, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}, {"Field": "readOnly", "Equals": ["false"]},
             {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::{bucket}/"], "NotStartsWith": [f"arn:aws:s3:::{bucket}/out"]},
             {"Field": "eventName", "NotEquals": ["DeleteObjects"]}]])
    use(account, function, bucket, table)
    account.client("lambda").invoke(FunctionName=other, Payload=b"{}")
    found = [(record["eventName"], record["resources"][0]["ARN"]) for record in delivered(account, log)]
    assert found == [("Invoke", arn), ("PutObject", f"arn:aws:s3:::{bucket}/in/a b.txt")]


def test_records_of_no_call_are_delivered_as_they_are(account, trail):
    _, log = trail()
    strange = '{"eventVersion":"9.99",  "eventID":"strange","awsRegion":"us-east-1","eventTime":"never"}'
    account.post("trail?deliver=1", strange, late := made_up(86400))
    account.post("trail", not_delivered := made_up())
    account.post("trail/deliver")
    s3 = account.client("s3")
    texts = [gzip.decompress(s3.get_object(Bucket=log, Key=item["Key"])["Body"].read()).decode()
             for item in s3.list_objects_v2(Bucket=log)["Contents"]]
    assert any(strange in text for text in texts) and any(late["eventID"] in text for text in texts)
    assert not any(not_delivered["eventID"] in text for text in texts)


def test_what_a_bucket_refuses_waits_for_it(account):
    client, name = account.client("cloudtrail", "ap-southeast-3"), f"trail-{uuid.uuid4().hex[:8]}"
    client.create_trail(Name=name, S3BucketName=name)
    client.start_logging(Name=name)
    account.client("lambda", "ap-southeast-3").list_functions()
    [done] = account.post("trail/deliver")
    assert {"trail": name, "bucket": name, "error": "NoSuchBucket"} in done["failed"]
    status = client.get_trail_status(Name=name)
    assert status["LatestDeliveryError"] == "NoSuchBucket" and "LatestDeliveryTime" not in status
    account.client("s3").create_bucket(Bucket=name)
    assert "ListFunctions20150331" in names(delivered(account, name), "lambda")
    status = client.get_trail_status(Name=name)
    assert "LatestDeliveryError" not in status and status["LatestDeliveryTime"] and status["LatestDeliveryAttemptSucceeded"]
    client.delete_trail(Name=name)


def test_files_come_by_themselves():
    process, where = start_account("--delivery-seconds", "0.2", "--seconds-limit", "60")
    try:
        account = Account(where)
        account.client("lambda").list_functions()
        found = until(lambda: account.client("s3").list_objects_v2(Bucket="management-trail").get("Contents"))
        assert KEY.fullmatch(found[0]["Key"])
        head = account.client("s3").head_object(Bucket="management-trail", Key=found[0]["Key"])
        assert (head["ContentType"], head["ContentEncoding"]) == ("application/json", "gzip")
    finally:
        process.stdin.close()
        process.wait(10)
