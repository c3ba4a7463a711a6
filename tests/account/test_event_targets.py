"""EventBridge reaches only targets that let it in, crosses Regions with a role, and leaves the rest to dead letters."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import until


def queue(account, region="us-east-1", allowed=True):
    sqs, name = account.client("sqs", region), f"queue-{uuid.uuid4().hex[:8]}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{region}:111122223333:{name}"
    if allowed:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
             "Resource": arn, "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:events:{region}:111122223333:rule/*"}}}]})})
    return arn, lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages")


def rule(account, region, pattern, target):
    events, name = account.client("events", region), f"rule-{uuid.uuid4().hex[:8]}"
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "target", **target}])


def test_a_queue_without_a_policy_gets_nothing_and_the_dead_letters_get_it(account):
    (closed, from_closed), (dead, from_dead) = queue(account, allowed=False), queue(account)
    name = f"t-{uuid.uuid4().hex[:8]}"
    rule(account, "us-east-1", {"source": ["aws.sns"], "detail": {"requestParameters": {"name": [name]}}},
         {"Arn": closed, "DeadLetterConfig": {"Arn": dead}})
    account.client("sns").create_topic(Name=name)
    [message] = until(from_dead)
    assert json.loads(message["Body"])["detail"]["eventName"] == "CreateTopic"
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert not from_closed()


def test_iam_events_cross_to_another_region_with_a_role(account):
    there, from_there = queue(account, "eu-west-1")
    pattern = {"source": ["aws.iam"], "detail": {"eventName": ["TagRole"]}}
    bus = "arn:aws:events:eu-west-1:111122223333:event-bus/default"
    rule(account, "eu-west-1", pattern, {"Arn": there})
    role = account.role(["events:PutEvents"], service="events.amazonaws.com")
    rule(account, "us-east-1", pattern, {"Arn": bus, "RoleArn": role})
    account.client("iam").tag_role(RoleName=role.rpartition("/")[2], Tags=[{"Key": "a", "Value": "b"}])
    [message] = until(from_there)
    event = json.loads(message["Body"])
    assert event["source"] == "aws.iam" and event["region"] == "us-east-1"
    assert event["detail"]["requestParameters"]["tags"] == [{"key": "a", "value": "b"}]


def test_nobody_puts_events_in_the_name_of_aws(account):
    reply = account.client("events").put_events(Entries=[{
        "Source": "aws.lambda", "DetailType": "AWS API Call via CloudTrail", "Detail": "{}"}])
    assert reply["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_a_queue_that_a_function_cannot_read_or_outlast_is_refused(account):
    client, (arn, _) = account.client("lambda"), queue(account)
    name = account.function(role=account.role(["sqs:ReceiveMessage", "sqs:GetQueueAttributes"]))
    with pytest.raises(ClientError, match="does not have permissions to call DeleteMessage on SQS"):
        client.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    name = account.function(Timeout=31)
    with pytest.raises(ClientError, match="Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"):
        client.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
