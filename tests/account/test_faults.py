"""Calls that fail because a test said so, in the form in which that operation of AWS fails."""

import io
import json
import time
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from account.conftest import package


@pytest.fixture(autouse=True)
def nothing_armed(account):
    account.post("faults", method="DELETE")
    yield
    account.post("faults", method="DELETE")


@pytest.mark.parametrize("service, operation, method, parameters", [
    ("logs", "DescribeLogGroups", "describe_log_groups", {}),  # JSON
    ("cloudtrail", "DescribeTrails", "describe_trails", {}),
    ("lambda", "ListFunctions", "list_functions", {}),  # REST and JSON
    ("xray", "GetTraceSummaries", "get_trace_summaries", {"StartTime": 0, "EndTime": 1}),
    ("s3", "ListBuckets", "list_buckets", {}),  # REST and XML
    ("iam", "ListRoles", "list_roles", {}),  # Query and XML
    ("sqs", "ListQueues", "list_queues", {}),
    ("cloudwatch", "ListMetrics", "list_metrics", {}),
    ("stepfunctions", "ListStateMachines", "list_state_machines", {}),
    ("athena", "ListWorkGroups", "list_work_groups", {}),
])
def test_the_next_calls_fail_and_those_after_do_not(account, service, operation, method, parameters):
    account.post("faults", {"service": service, "operation": operation, "times": 2, "skip": 1,
                            "code": "ThrottlingException", "message": "Rate exceeded"})
    client, codes = account.client(service), []
    for _ in range(4):
        try:
            getattr(client, method)(**parameters)
            codes.append(200)
        except ClientError as refused:
            assert refused.response["Error"]["Message"] == "Rate exceeded"
            codes.append((refused.response["Error"]["Code"], refused.response["ResponseMetadata"]["HTTPStatusCode"]))
    assert codes == [200, ("ThrottlingException", 400), ("ThrottlingException", 400), 200]
    fired = account.lines("faults")
    assert [(line["operation"], line["code"]) for line in fired] == [(operation, "ThrottlingException")] * 2


def test_a_client_that_tries_again_gets_through(account):
    import boto3
    from botocore.config import Config
    patient = boto3.client("logs", endpoint_url=account.endpoint, region_name="us-east-1",
                           aws_access_key_id=account.where["access_key_id"],
                           aws_secret_access_key=account.where["secret_access_key"],
                           config=Config(retries={"total_max_attempts": 4, "mode": "standard"}))
    account.post("faults", {"service": "logs", "operation": "*", "times": 2, "code": "InternalServerException"})
    assert patient.describe_log_groups()["ResponseMetadata"]["RetryAttempts"] == 2


def test_a_fault_meets_only_the_calls_it_was_made_for(account):
    s3, bucket = account.client("s3"), f"faults-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    account.post("faults", {"service": "s3", "operation": "PutObject", "code": "SlowDown", "match": "one"},
                 {"service": "lambda", "operation": "ListFunctions", "code": "ThrottlingException", "region": "eu-west-1"})
    s3.put_object(Bucket=bucket, Key="two", Body=b"2")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="one", Body=io.BytesIO(b"1" * 300_000))
    assert (refused.value.response["Error"]["Code"], refused.value.response["ResponseMetadata"]["HTTPStatusCode"]) == ("SlowDown", 503)
    account.client("lambda").list_functions()
    with pytest.raises(ClientError, match="ThrottlingException"):
        account.client("lambda", "eu-west-1").list_functions()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["two"]


def test_an_answer_may_be_lost_though_the_call_was_carried_out(account):
    name = account.function()
    account.post("faults", {"service": "lambda", "operation": "PutFunctionConcurrency", "code": "ServiceException",
                            "after": True})
    with pytest.raises(ClientError, match="ServiceException"):
        account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    found = account.client("lambda").get_function_concurrency(FunctionName=name)
    assert found["ReservedConcurrentExecutions"] == 2


def test_an_answer_may_be_slow_cut_off_or_nonsense(account):
    logs = account.client("logs")
    account.post("faults", {"service": "logs", "operation": "DescribeLogGroups", "seconds": 0.4})
    began = time.monotonic()
    logs.describe_log_groups()
    assert time.monotonic() - began >= 0.4
    account.post("faults", {"service": "logs", "operation": "DescribeLogGroups", "hang_up": True})
    with pytest.raises(HTTPClientError):
        logs.describe_log_groups()
    account.post("faults", {"service": "logs", "operation": "DescribeLogGroups",
                            "body": json.dumps({"logGroups": [{"logGroupName": "../../etc"}]})})
    assert logs.describe_log_groups()["logGroups"] == [{"logGroupName": "../../etc"}]
    assert len(account.lines("faults")) == 3


def test_a_refusal_is_recorded_like_any_other(account):
    account.post("faults", {"service": "lambda", "operation": "UpdateFunctionCode", "code": "TooManyRequestsException",
                            "status": 429})
    with pytest.raises(ClientError, match="TooManyRequests"):
        account.client("lambda").update_function_code(FunctionName="throttled", ZipFile=package())
    record = account.trail("UpdateFunctionCode20150331v2")[-1]
    assert record["errorCode"] == "TooManyRequestsException" and record["requestParameters"]["functionName"] == "throttled"


def test_an_unknown_wish_is_refused(account):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        account.post("faults", {"service": "logs", "operation": "X", "colour": "red"})
    assert account.lines("faults") == []
