"""Trails as their own calls tell of them, and who may ask."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def trail(account):
    client, name = account.client("cloudtrail", "eu-west-2"), f"trail-{uuid.uuid4().hex[:8]}"
    client.create_trail(Name=name, S3BucketName="some-bucket", S3KeyPrefix="a/b", EnableLogFileValidation=True,
                        IsMultiRegionTrail=True, SnsTopicName="told",
                        CloudWatchLogsLogGroupArn="arn:aws:logs:eu-west-2:111122223333:log-group:trail:*",
                        CloudWatchLogsRoleArn="arn:aws:iam::111122223333:role/trail")
    yield name
    client.delete_trail(Name=name)


def test_a_trail_is_described_whole_from_every_region(account, trail):
    expected = {
        "Name": trail, "S3BucketName": "some-bucket", "S3KeyPrefix": "a/b", "IncludeGlobalServiceEvents": True,
        "IsMultiRegionTrail": True, "HomeRegion": "eu-west-2", "LogFileValidationEnabled": True, "SnsTopicName": "told",
        "SnsTopicARN": "arn:aws:sns:eu-west-2:111122223333:told", "HasCustomEventSelectors": False,
        "HasInsightSelectors": False, "IsOrganizationTrail": False,
        "TrailARN": f"arn:aws:cloudtrail:eu-west-2:111122223333:trail/{trail}",
        "CloudWatchLogsLogGroupArn": "arn:aws:logs:eu-west-2:111122223333:log-group:trail:*",
        "CloudWatchLogsRoleArn": "arn:aws:iam::111122223333:role/trail"}
    without = lambda told: {name: value for name, value in told.items() if name != "RecursiveLogging"}
    for region in ("eu-west-2", "us-east-1"):
        client = account.client("cloudtrail", region)
        assert without(client.get_trail(Name=expected["TrailARN"])["Trail"]) == expected
        [described] = [told for told in client.describe_trails()["trailList"] if told["Name"] == trail]
        assert without(described) == expected
    assert trail not in [told["Name"] for told in account.client("cloudtrail").describe_trails(
        includeShadowTrails=False)["trailList"]]


def test_the_trail_that_exists_from_the_start(account):
    [told] = [told for told in account.client("cloudtrail").describe_trails()["trailList"] if told["Name"] == "management"]
    assert told["S3BucketName"] == "management-trail" and told["IsMultiRegionTrail"] and told["LogFileValidationEnabled"]
    assert "S3KeyPrefix" not in told and told["HomeRegion"] == "us-east-1"
    account.client("s3").head_bucket(Bucket="management-trail")
    selectors = account.client("cloudtrail").get_event_selectors(TrailName="management")["EventSelectors"]
    assert selectors == [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [],
                          "ExcludeManagementEventSources": []}]


def test_selectors_are_answered_as_they_were_put(account, trail):
    client = account.client("cloudtrail", "eu-west-2")
    basic = [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "ExcludeManagementEventSources": ["kms.amazonaws.com"],
              "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::b/"]}]}]
    client.put_event_selectors(TrailName=trail, EventSelectors=basic)
    assert client.get_event_selectors(TrailName=trail)["EventSelectors"] == basic
    assert client.get_trail(Name=trail)["Trail"]["HasCustomEventSelectors"] is True
    advanced = [{"Name": "all", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
    client.put_event_selectors(TrailName=trail, AdvancedEventSelectors=advanced)
    told = client.get_event_selectors(TrailName=trail)
    assert told["AdvancedEventSelectors"] == advanced and "EventSelectors" not in told


def test_an_unknown_trail_is_a_400(account):
    with pytest.raises(ClientError) as refused:
        account.client("cloudtrail").get_trail_status(Name="nobodys")
    assert refused.value.response["Error"]["Code"] == "TrailNotFoundException"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


CALLS = [  # action, call, parameters, whether it is about the trail
    ("LookupEvents", "lookup_events", {}, False), ("ListPublicKeys", "list_public_keys", {}, False),
    ("DescribeTrails", "describe_trails", {}, False), ("ListTrails", "list_trails", {}, False),
    ("GetTrail", "get_trail", {"Name": "$"}, True), ("GetTrailStatus", "get_trail_status", {"Name": "$"}, True),
    ("GetEventSelectors", "get_event_selectors", {"TrailName": "$"}, True),
    ("PutEventSelectors", "put_event_selectors", {"TrailName": "$", "EventSelectors": [{}]}, True),
    ("StartLogging", "start_logging", {"Name": "$"}, True), ("StopLogging", "stop_logging", {"Name": "$"}, True),
]


@pytest.mark.parametrize("action, call, parameters, about_trail", CALLS, ids=[row[0] for row in CALLS])
def test_each_call_takes_its_own_action_on_its_own_resource(account, trail, action, call, parameters, about_trail):
    region = "eu-west-2" if "Put" in action or "Logging" in action else "af-south-1"  # a reader may stand elsewhere
    parameters = {name: trail if value == "$" else value for name, value in parameters.items()}
    arn = f"arn:aws:cloudtrail:eu-west-2:111122223333:trail/{trail}" if about_trail else "*"
    name = f"role-{uuid.uuid4().hex[:8]}"
    role = account.role(["sts:GetCallerIdentity"], name=name)

    def allowed(resource):
        account.client("iam").put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": f"cloudtrail:{action}", "Resource": resource}]}))
        granted = account.client("sts").assume_role(RoleArn=role, RoleSessionName="reader")["Credentials"]
        client = account.client_of("cloudtrail", region, granted["AccessKeyId"], granted["SecretAccessKey"],
                                   granted["SessionToken"])
        return getattr(client, call)(**parameters)

    with pytest.raises(ClientError) as refused:
        allowed("arn:aws:cloudtrail:eu-west-2:111122223333:trail/another")
    assert f"perform: cloudtrail:{action} on resource: {arn} because" in refused.value.response["Error"]["Message"]
    allowed(arn)
