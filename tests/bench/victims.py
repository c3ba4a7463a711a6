"""The functions that are overwritten: as lived-in as a real one, and alike for both responders."""

import io
import json
import os
import zipfile

from bench.local_account import LocalAccount, until


def packages_bucket(region: str) -> str:
    """Fits the buckets that coldcase may read deployment sources from by default."""
    return f"aws-sam-cli-managed-default-bench-{region}"


def make(account: LocalAccount, region: str, count: int) -> list[str]:
    """That many functions in a Region, with a role, policies, a layer, a version, an alias, a URL, a rule; their names."""
    number = account.where["account"]
    account.client("s3", region).create_bucket(
        Bucket=packages_bucket(region), CreateBucketConfiguration={"LocationConstraint": region})
    role, layer = _role(account, region, number), _layer(account, region)
    rule = account.client("events", region).put_rule(Name="nightly", ScheduleExpression="rate(1 day)")["RuleArn"]
    names = [f"victim-{index:02}" for index in range(count)]
    for name in names:
        _function(account.client("lambda", region), name, role, layer, rule)
        logs = account.client("logs", region)
        logs.create_log_group(logGroupName=f"/aws/lambda/{name}")
        logs.put_retention_policy(logGroupName=f"/aws/lambda/{name}", retentionInDays=30)
    return names


def _role(account: LocalAccount, region: str, number: str) -> str:
    iam, name = account.client("iam", region), f"victim-{region}"
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust),
                          Tags=[{"Key": "team", "Value": "billing"}])["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="traces", PolicyDocument=_allow(
        "xray:PutTraceSegments", "xray:PutTelemetryRecords"))
    managed = iam.create_policy(PolicyName=name, PolicyDocument=_allow("dynamodb:GetItem"))["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=managed, PolicyDocument=_allow("dynamodb:*"), SetAsDefault=True)
    iam.attach_role_policy(RoleName=name, PolicyArn=managed)
    return arn


def _allow(*actions: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


def _layer(account: LocalAccount, region: str) -> str:
    content = _zip("python/deps.bin", os.urandom(100_000))
    return account.client("lambda", region).publish_layer_version(LayerName="deps", Content={"ZipFile": content})[
        "LayerVersionArn"]


def _zip(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def _function(functions, name: str, role: str, layer: str, rule: str) -> None:
    functions.create_function(
        FunctionName=name, Role=role, Runtime="python3.12", Handler="index.handler", Layers=[layer],
        Code={"ZipFile": _zip("index.py", f"def handler(event, context):\n    return '{name}'\n".encode())},
        Environment={"Variables": {"TABLE": "invoices"}}, Tags={"team": "billing"}, Publish=True)
    until(lambda: functions.get_function_configuration(FunctionName=name)["State"] == "Active", 10,
          f"{name} did not become active")
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    functions.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    functions.add_permission(FunctionName=name, StatementId="nightly", Action="lambda:InvokeFunction",
                             Principal="events.amazonaws.com", SourceArn=rule)
