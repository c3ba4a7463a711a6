"""Where records say that a call came from, and how a function's calls are told from a thief's."""

import json
import sys
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import package

HANDLER = """import json, os
def handler(event, context):
    import boto3
    boto3.client("sts").get_caller_identity()
    return {name: os.environ.get(name) for name in
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_EXECUTION_ENV")}
"""
NATIVE = f"#!{sys.executable}\n{HANDLER}" + """
import urllib.request
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urllib.request.urlopen(api + "/next") as call:
        request_id = call.headers["Lambda-Runtime-Aws-Request-Id"]
    answer = json.dumps(handler({}, None)).encode()
    urllib.request.urlopen(urllib.request.Request(f"{api}/{request_id}/response", answer)).read()
"""


def from_address(client, address):
    client.meta.events.register("before-send.*.*", lambda request, **_: request.headers.update(
        {"x-account-source-address": address}))
    return client


def test_a_functions_calls_carry_its_address_its_name_and_its_environment(account):
    role = account.role(["*"], path="/functions/")
    name = account.function(package("victim", {"own.py": HANDLER}), role, Runtime="python3.12", Handler="own.handler", Timeout=20)
    keys = json.load(account.client("lambda").invoke(FunctionName=name)["Payload"])
    [record] = [record for record in account.trail("GetCallerIdentity")
                if record["userIdentity"].get("accessKeyId") == keys["AWS_ACCESS_KEY_ID"]]
    identity, arn = record["userIdentity"], f"arn:aws:lambda:us-east-1:111122223333:function:{name}"
    assert identity["type"] == "AssumedRole" and identity["arn"].endswith(f"/{name}")
    assert identity["principalId"].endswith(f":{name}")
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == role
    assert identity["sessionContext"]["attributes"]["creationDate"] <= record["eventTime"]
    assert identity["inScopeOf"] == {"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": arn,
                                     "credentialsIssuedToVersion": f"{arn}:$LATEST"}
    assert record["sourceIPAddress"] == "198.51.100.10"
    assert keys["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.12"
    assert "exec-env/AWS_Lambda_python3.12" in record["userAgent"]

    # The same keys in a thief's hands: another address, and no execution environment.
    stolen = account.client_of("sts", key=keys["AWS_ACCESS_KEY_ID"], secret=keys["AWS_SECRET_ACCESS_KEY"],
                               token=keys["AWS_SESSION_TOKEN"])
    from_address(stolen, "203.0.113.66").get_caller_identity()
    theft = account.trail("GetCallerIdentity")[-1]
    assert theft["sourceIPAddress"] == "203.0.113.66" and "exec-env" not in theft["userAgent"]
    assert theft["userIdentity"] == identity


def test_an_os_only_runtime_has_no_execution_environment(account):
    """As on AWS, which does not define AWS_EXECUTION_ENV for provided.al2023; the address tells all the same."""
    name = account.function(package("victim", {"bootstrap": NATIVE}), Timeout=20)
    keys = json.load(account.client("lambda").invoke(FunctionName=name)["Payload"])
    assert keys["AWS_EXECUTION_ENV"] is None
    [record] = [record for record in account.trail("GetCallerIdentity")
                if record["userIdentity"].get("accessKeyId") == keys["AWS_ACCESS_KEY_ID"]]
    assert record["sourceIPAddress"] == "198.51.100.10" and "exec-env" not in record["userAgent"]
    assert record["userIdentity"]["inScopeOf"]["credentialsIssuedTo"].endswith(f":function:{name}")


def test_policies_see_the_same_address(account):
    user = f"user-{uuid.uuid4().hex[:8]}"
    iam = account.client("iam")
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="office", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]}))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    client = lambda: account.client_of("lambda", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    from_address(client(), "192.0.2.7").list_functions()
    with pytest.raises(ClientError, match="AccessDenied"):
        from_address(client(), "203.0.113.66").list_functions()
    assert account.trail("ListFunctions20150331")[-1]["sourceIPAddress"] == "203.0.113.66"
    # What is no address is not believed.
    account.client("lambda").list_functions()
    from_address(account.client_of("lambda"), "<script>").list_functions()
    assert account.trail("ListFunctions20150331")[-1]["sourceIPAddress"] == "127.0.0.1"
