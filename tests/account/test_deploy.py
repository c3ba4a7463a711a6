"""A SAM template deployed as it is: nothing that a responder's stack needs is dropped on the way."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from account.conftest import TESTS

FIXTURES = Path(__file__).parent / "fixtures"
CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def deploy(account, stack, *parameters, template=FIXTURES / "template.yaml"):
    return subprocess.run(
        [sys.executable, "-m", "account", "deploy", "--endpoint", account.endpoint, "--template", str(template),
         "--stack", stack, *[word for pair in parameters for word in ("--parameter", pair)]],
        cwd=TESTS, capture_output=True, text=True, env={
            **os.environ, "AWS_ENDPOINT_URL": account.endpoint, "AWS_ACCESS_KEY_ID": account.where["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": account.where["secret_access_key"]})


@pytest.fixture(scope="module")
def stack(account):
    run = deploy(account, "mini", "RetentionDays=9", "RetentionMode=COMPLIANCE")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_bucket_is_locked_versioned_and_encrypted(account, stack):
    s3, bucket = account.client("s3"), stack["Vault"]
    lock = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 9}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == stack["Key"]
    assert len(json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]) == 6
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]["BlockPublicPolicy"]


def test_the_function_has_all_it_was_given(account, stack):
    client = account.client("lambda")
    config = client.get_function_configuration(FunctionName="mini-respond")
    assert config["DeadLetterConfig"]["TargetArn"].startswith("arn:aws:sqs:us-east-1:111122223333:mini-DeadLetters")
    assert (config["Runtime"], config["MemorySize"], config["Timeout"]) == ("provided.al2023", 128, 1)
    assert config["Environment"]["Variables"]["REGION_OF_QUEUE"] == "us-east-1"
    [mapping] = client.list_event_source_mappings(FunctionName="mini-respond")["EventSourceMappings"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 5}
    invoke = client.get_function_event_invoke_config(FunctionName="mini-respond", Qualifier="$LATEST")
    assert invoke["MaximumRetryAttempts"] == 2 and "OnFailure" in invoke["DestinationConfig"]


def test_keys_rule_alarm_queue_and_log_group(account, stack):
    kms = account.client("kms")
    key = kms.describe_key(KeyId="alias/mini-signing")["KeyMetadata"]
    assert (key["KeySpec"], key["KeyUsage"], key["Arn"]) == ("ECC_NIST_P256", "SIGN_VERIFY", stack["SigningKey"])
    assert kms.get_key_rotation_status(KeyId=stack["Key"])["KeyRotationEnabled"]
    assert kms.sign(KeyId="alias/mini-signing", Message=b"x", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    [target] = account.client("events").list_targets_by_rule(Rule="mini-code")["Targets"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 185 and target["DeadLetterConfig"]
    attributes = account.client("sqs").get_queue_attributes(QueueUrl=stack["Queue"], AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] in (2, "2")
    assert "events.amazonaws.com" in attributes["Policy"]
    [group] = account.client("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/mini-respond")["logGroups"]
    assert group["retentionInDays"] == 30
    assert account.client("cloudwatch").describe_alarms()["MetricAlarms"]


def test_a_failed_message_goes_to_the_dead_letters_and_the_others_do_not(account, stack):
    sqs = account.client("sqs")
    sqs.send_message(QueueUrl=stack["Queue"], MessageBody='{"good": 1}')
    sqs.send_message(QueueUrl=stack["Queue"], MessageBody='{"fail": 1}')
    deadline, dead = time.time() + 15, []
    while time.time() < deadline and not dead:
        dead = sqs.receive_message(QueueUrl=stack["DeadLetters"], WaitTimeSeconds=1).get("Messages", [])
    assert [message["Body"] for message in dead] == ['{"fail": 1}']


def test_an_update_changes_what_changed_and_keeps_the_rest(account, stack):
    cloudformation, s3 = account.client("cloudformation"), account.client("s3")
    before = account.client("lambda").get_function(FunctionName="mini-respond")["Configuration"]["CodeSha256"]
    cloudformation.update_stack(StackName="mini", UsePreviousTemplate=True, Capabilities=CAPABILITIES, Parameters=[
        {"ParameterKey": "RetentionDays", "ParameterValue": "11"}, {"ParameterKey": "Concurrency", "ParameterValue": "3"},
        {"ParameterKey": "RetentionMode", "UsePreviousValue": True}])
    cloudformation.get_waiter("stack_update_complete").wait(StackName="mini", WaiterConfig={"Delay": 0.2})
    lock = s3.get_object_lock_configuration(Bucket=stack["Vault"])["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "COMPLIANCE", "Days": 11}
    [mapping] = account.client("lambda").list_event_source_mappings(FunctionName="mini-respond")["EventSourceMappings"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}
    function = account.client("lambda").get_function(FunctionName="mini-respond")["Configuration"]
    assert function["CodeSha256"] == before and function["DeadLetterConfig"]


def test_a_deleted_stack_leaves_what_it_retains(account, stack):
    cloudformation = account.client("cloudformation")
    cloudformation.delete_stack(StackName="mini")
    cloudformation.get_waiter("stack_delete_complete").wait(StackName="mini", WaiterConfig={"Delay": 0.2})
    assert account.client("s3").get_object_lock_configuration(Bucket=stack["Vault"])
    assert account.client("kms").describe_key(KeyId=stack["Key"])["KeyMetadata"]["KeyState"] == "Enabled"
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        account.client("lambda").get_function(FunctionName="mini-respond")


def test_a_rule_of_the_template_refuses_what_it_forbids(account):
    template = {"Parameters": {"Mode": {"Type": "String"}}, "Rules": {"Never": {"Assertions": [
        {"Assert": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Mode"}, "NONE"]}]}, "AssertDescription": "Not without a mode"}]}},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    with pytest.raises(ClientError, match="Not without a mode"):
        account.client("cloudformation").create_stack(StackName="refused", TemplateBody=json.dumps(template), Parameters=[
            {"ParameterKey": "Mode", "ParameterValue": "NONE"}])


def test_a_failed_resource_is_named_with_its_reason(account, tmp_path):
    template = tmp_path / "template.yaml"
    template.write_text(json.dumps({"Resources": {"Broken": {"Type": "AWS::Lambda::Function", "Properties": {
        "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": "arn:aws:iam::111122223333:role/none",
        "Code": {"S3Bucket": "nowhere", "S3Key": "nothing"}}}}}))
    run = deploy(account, "broken", template=template)
    assert run.returncode != 0
    assert "Broken" in run.stderr and "NoSuchKey" in run.stderr


def test_only_a_local_account_is_deployed_into():
    run = subprocess.run([sys.executable, "-m", "account", "deploy", "--endpoint", "https://sts.amazonaws.com", "--template",
                          str(FIXTURES / "template.yaml"), "--stack", "x"], cwd=TESTS, capture_output=True, text=True)
    assert run.returncode != 0 and "is no local account" in run.stderr


def test_conditions_know_the_region(account):
    run = deploy(account, "forwarder", "HomeRegion=eu-west-1", template=TESTS.parent / "infra/events-forwarder.yaml")
    assert run.returncode == 0, run.stderr
    rules = {rule["Name"] for rule in account.client("events").list_rules(NamePrefix="coldcase-eu-west-1-")["Rules"]}
    assert rules == {f"coldcase-eu-west-1-{part}" for part in ("iam", "trail", "own")}
