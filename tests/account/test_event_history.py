"""LookupEvents over the account's own records, and over records that a test puts there."""

import datetime
import json
import time
import urllib.error
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import package

UTC = datetime.timezone.utc


def made_up(number=0, region="us-east-1", **changes):
    """A record no call made; `number` seconds before the latest of its kind."""
    told = datetime.datetime.now(UTC) - datetime.timedelta(seconds=3600 + number)
    record = {
        "eventVersion": "1.09", "userIdentity": {"type": "IAMUser", "userName": "ghost", "accessKeyId": "AKIAGHOST"},
        "eventTime": told.strftime("%Y-%m-%dT%H:%M:%SZ"), "eventSource": "lambda.amazonaws.com",
        "eventName": "UpdateFunctionCode20150331v2", "awsRegion": region, "sourceIPAddress": "203.0.113.9",
        "requestParameters": {"functionName": "late"}, "responseElements": None, "eventID": str(uuid.uuid4()),
        "readOnly": False, "managementEvent": True, "eventCategory": "Management", "recipientAccountId": "111122223333"}
    return {**record, **changes}


def ask(client, patient=True, **parameters):
    """One call, again after a moment where the rate is exceeded."""
    while True:
        try:
            return client.lookup_events(**parameters)
        except ClientError as refused:
            if not patient or refused.response["Error"]["Code"] != "ThrottlingException":
                raise
            time.sleep(0.5)


def by(name, value):
    return {"LookupAttributes": [{"AttributeKey": name, "AttributeValue": value}]}


def everything(client, **parameters):
    events, pages = [], 0
    while True:
        reply = ask(client, **parameters)
        events, pages = events + reply["Events"], pages + 1
        if "NextToken" not in reply:
            return events, pages
        parameters["NextToken"] = reply["NextToken"]


def test_a_call_is_found_by_each_of_its_attributes(account):
    region, function, role = "eu-north-1", f"found-{uuid.uuid4().hex[:8]}", account.role()
    account.client("lambda", region).create_function(
        FunctionName=function, Role=role, Runtime="provided.al2023", Handler="bootstrap", Code={"ZipFile": package()})
    [record] = [record for record in account.trail("CreateFunction20150331")
                if record["requestParameters"]["functionName"] == function]
    client, key = account.client("cloudtrail", region), account.where["access_key_id"]
    for name, value in (("EventId", record["eventID"]), ("EventName", "CreateFunction20150331"), ("ReadOnly", "false"),
                        ("Username", "administrator"), ("ResourceType", "AWS::Lambda::Function"),
                        ("ResourceName", function), ("ResourceName", role), ("EventSource", "lambda.amazonaws.com"),
                        ("AccessKeyId", key)):
        [event] = [event for event in ask(client, **by(name, value))["Events"] if event["EventId"] == record["eventID"]]
    assert json.loads(event.pop("CloudTrailEvent")) == record
    assert event.pop("EventTime") == datetime.datetime.fromisoformat(record["eventTime"])
    named = {(resource["ResourceType"], resource["ResourceName"]) for resource in event.pop("Resources")}
    assert named == {("AWS::Lambda::Function", function), ("AWS::IAM::Role", role),
                     ("AWS::Lambda::Function", f"arn:aws:lambda:{region}:111122223333:function:{function}")}
    assert event == {"EventId": record["eventID"], "EventName": "CreateFunction20150331", "ReadOnly": "false",
                     "AccessKeyId": key, "EventSource": "lambda.amazonaws.com", "Username": "administrator"}
    # Exactly, in case as in length, and in no other Region.
    for name, value in (("EventName", "createFunction20150331"), ("EventName", "CreateFunction"), ("ReadOnly", "False")):
        assert ask(client, **by(name, value))["Events"] == []
    assert ask(account.client("cloudtrail", "eu-north-2"), **by("EventId", record["eventID"]))["Events"] == []


def test_reads_and_refused_calls_name_no_resource(account):
    region, thief = "ap-south-1", account.role(["sts:*"])
    account.client("lambda", region).create_function(
        FunctionName="named", Role=account.role(), Runtime="provided.al2023", Handler="bootstrap",
        Code={"ZipFile": package()})
    account.client("lambda", region).get_function(FunctionName="named")
    granted = account.client("sts").assume_role(RoleArn=thief, RoleSessionName="thief")["Credentials"]
    session = account.client_of("lambda", region, granted["AccessKeyId"], granted["SecretAccessKey"], granted["SessionToken"])
    with pytest.raises(ClientError, match="AccessDenied"):
        session.update_function_code(FunctionName="named", ZipFile=package())
    events = {event["EventName"]: event for event in ask(account.client("cloudtrail", region))["Events"]}
    assert events["GetFunction20150331v2"]["Resources"] == [] and events["GetFunction20150331v2"]["ReadOnly"] == "true"
    refused = events["UpdateFunctionCode20150331v2"]
    assert refused["Resources"] == [] and (refused["Username"], refused["AccessKeyId"]) == ("thief", granted["AccessKeyId"])
    assert events["CreateFunction20150331"]["Resources"]
    # Becoming a role is a read that names what it made: so a session's key leads back to who took it.
    [assumed] = ask(account.client("cloudtrail"), **by("ResourceName", granted["AccessKeyId"]))["Events"]
    assert assumed["EventName"] == "AssumeRole" and {"ResourceType": "AWS::IAM::Role", "ResourceName": thief} in assumed["Resources"]
    assert {"ResourceType": "AWS::STS::AssumedRole", "ResourceName": "thief"} in assumed["Resources"]


def test_iam_is_in_us_east_1_alone_and_root_has_a_name(account):
    root = account.client_of("iam", "eu-west-3", "test", "test")
    name = f"role-{uuid.uuid4().hex[:8]}"
    root.create_role(RoleName=name, AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}')
    [event] = ask(account.client("cloudtrail"), **by("ResourceName", name))["Events"]
    assert event["Username"] == "root" and event["EventName"] == "CreateRole"
    assert ask(account.client("cloudtrail", "eu-west-3"), **by("EventName", "CreateRole"))["Events"] == []


def test_pages_are_newest_first_whole_and_bound_to_their_question(account):
    region = "sa-east-1"
    records = [made_up(number, region) for number in range(7)]
    assert account.post("trail", *records[::2], *records[1::2]) == [{"appended": 7}]
    client, question = account.client("cloudtrail", region), by("Username", "ghost")
    events, pages = everything(client, **question, MaxResults=3)
    assert [event["EventId"] for event in events] == [record["eventID"] for record in records] and pages == 3
    token = ask(client, **question, MaxResults=3)["NextToken"]
    for wrong in (by("Username", "other"), {}, {**question, "EndTime": datetime.datetime.now(UTC)}):
        with pytest.raises(ClientError, match="InvalidNextTokenException"):
            ask(client, **wrong, MaxResults=3, NextToken=token)
    for wrong in ("nonsense", token[:-8] + "AAAAAAA=", "é"):
        with pytest.raises(ClientError, match="InvalidNextTokenException"):
            ask(client, **question, MaxResults=3, NextToken=wrong)
    # What comes in while somebody reads moves nothing: the newer is not on a later page, the older is.
    account.post("trail", made_up(-60, region), late := made_up(region=region, eventTime=records[5]["eventTime"]))
    rest, _ = everything(client, **question, MaxResults=3, NextToken=token)
    assert sorted(event["EventId"] for event in rest) == sorted(
        [record["eventID"] for record in records[3:]] + [late["eventID"]])


def test_times_are_inclusive_and_end_after_ninety_days(account):
    region, now = "ca-central-1", datetime.datetime.now(UTC).replace(microsecond=0)
    at = lambda **ago: (now - datetime.timedelta(**ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    account.post("trail", *[made_up(region=region, eventTime=at(**ago), eventID=name) for name, ago in (
        ("first", {"hours": 3}), ("second", {"hours": 2}), ("third", {"hours": 1}), ("old", {"days": 89, "hours": 23}),
        ("gone", {"days": 90, "hours": 1}))])
    client = account.client("cloudtrail", region)
    named = lambda **parameters: [event["EventId"] for event in ask(client, **parameters)["Events"]
                                  if event["EventName"].startswith("UpdateFunctionCode")]
    assert named(StartTime=now - datetime.timedelta(hours=3), EndTime=now - datetime.timedelta(hours=2)) == ["second", "first"]
    assert named(StartTime=now - datetime.timedelta(hours=1)) == ["third"]
    assert named(EndTime=now - datetime.timedelta(hours=3)) == ["first", "old"]
    assert named(StartTime=now - datetime.timedelta(days=400)) == ["third", "second", "first", "old"]
    with pytest.raises(ClientError, match="InvalidTimeRangeException"):
        ask(client, StartTime=now, EndTime=now - datetime.timedelta(seconds=1))


def test_wrong_questions_are_refused(account):
    client = account.client("cloudtrail", "ap-east-1")
    two = [{"AttributeKey": "EventName", "AttributeValue": "x"}, {"AttributeKey": "Username", "AttributeValue": "y"}]
    for parameters, code in (({"LookupAttributes": two}, "InvalidLookupAttributesException"),
                             (by("SourceIPAddress", "x"), "InvalidLookupAttributesException"),
                             ({"MaxResults": 51}, "InvalidMaxResultsException"),
                             ({"EventCategory": "management"}, "InvalidEventCategoryException")):
        with pytest.raises(ClientError, match=code):
            ask(client, **parameters)


def test_two_calls_a_second_and_region(account):
    one, other = account.client("cloudtrail", "me-south-1"), account.client("cloudtrail", "me-central-1")
    ask(one), ask(one)
    refused = None
    while refused is None:
        time.sleep(1.1)  # the bucket holds two, however long nobody asks
        began = time.monotonic()
        one.lookup_events(), one.lookup_events()
        try:
            one.lookup_events()
            assert time.monotonic() - began >= 0.5, "a third call within half a second"
        except ClientError as error:
            refused = error
    assert refused.response["Error"] == {"Code": "ThrottlingException", "Message": "Rate exceeded"}
    assert refused.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    other.lookup_events()
    time.sleep(0.6)
    one.lookup_events()


def test_hostile_records_are_handed_out_as_they_were_written(account):
    region = "il-central-1"
    hostile = ['{"eventID":"a","awsRegion":"il-central-1",  "eventTime":"yesterday","userIdentity":"nobody","readOnly":"false"}',
               '{"eventID":{"b":1},"awsRegion":"il-central-1","eventTime":7,"resources":[1,{"ARN":[]}],"readOnly":false,'
               '"eventSource":["x"],"requestParameters":[[]]}',
               '{"awsRegion":"il-central-1","eventName":"\\u0000<b>\\ud800","userIdentity":{"type":"AssumedRole","arn":9}}',
               '{"awsRegion":"il-central-1","eventSource":"s3.amazonaws.com","eventName":"GetObject","eventCategory":"Data"}',
               '{"awsRegion":"il-central-1","eventID":"i","eventCategory":"Insight"}', "{}"]
    account.post("trail", *hostile)
    client = account.client("cloudtrail", region)
    texts = [event["CloudTrailEvent"] for event in ask(client)["Events"] if "LookupEvents" not in event["CloudTrailEvent"]]
    assert sorted(texts) == sorted(hostile[:3]), "data and Insights events are not among the others"
    assert [event["EventId"] for event in ask(client, EventCategory="insight")["Events"]] == ["i"]
    for wrong in ("no json", "[]"):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            account.post("trail", "{}", wrong)
    # A record may be shelved in a Region that is not its own.
    account.post("trail?region=mx-central-1", made_up(region="../../etc"))
    assert len(ask(account.client("cloudtrail", "mx-central-1"), **by("Username", "ghost"))["Events"]) == 1


def test_pages_may_be_short_or_empty_where_a_test_asks_for_it(account):
    region = "eu-south-2"
    records = [made_up(number, region) for number in range(5)]
    account.post("trail", *records)
    account.post("faults", {"service": "cloudtrail", "operation": "LookupEvents", "page_size": 0, "times": 2},
                 {"service": "cloudtrail", "operation": "LookupEvents", "page_size": 1, "times": 1})
    client = account.client("cloudtrail", region)
    first = ask(client, **by("Username", "ghost"))
    assert first["Events"] == [] and first["NextToken"]
    events, pages = everything(client, **by("Username", "ghost"), NextToken=first["NextToken"])
    assert [event["EventId"] for event in events] == [record["eventID"] for record in records] and pages == 3
    assert [line["operation"] for line in account.lines("faults")][-3:] == ["LookupEvents"] * 3


def test_a_hundred_thousand_records_are_answered_at_once(account):
    region, client = "ap-northeast-3", account.client("cloudtrail", "ap-northeast-3")
    began = time.monotonic()
    for part in range(10):
        account.post("trail", *[made_up((number * 7919) % 100_000, region, userIdentity={
            "type": "IAMUser", "userName": f"user-{number % 1000}"}) for number in range(part * 10_000, part * 10_000 + 10_000)])
    put = time.monotonic() - began
    ask(client, **by("Username", "user-7"))
    time.sleep(1)
    began = time.monotonic()
    reply = client.lookup_events(**by("Username", "user-7"))
    again = client.lookup_events(**by("EventName", "UpdateFunctionCode20150331v2"))
    took = time.monotonic() - began
    assert len(reply["Events"]) == len(again["Events"]) == 50 and took < 1, f"put in {put:.1f} s, asked in {took:.2f} s"
    times = [event["EventTime"] for event in again["Events"]]
    assert times == sorted(times, reverse=True)
