"""CloudTrail's records of real calls, and their way to EventBridge's rules."""

import base64
import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import package, until


@pytest.fixture
def events(account):
    """What a rule with this pattern delivers: a function that returns the events received so far."""
    sqs, rules, made = account.client("sqs"), account.client("events"), []

    def listen(pattern, state="ENABLED"):
        name = f"listen-{uuid.uuid4().hex[:8]}"
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
             "Resource": arn}]})})
        rules.put_rule(Name=name, EventPattern=json.dumps(pattern), State=state)
        rules.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        made.append(name)
        received = []

        def so_far():
            received.extend(json.loads(message["Body"]) for message in
                            sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []))
            return received
        return so_far

    yield listen
    for name in made:
        rules.remove_targets(Rule=name, Ids=["queue"])
        rules.delete_rule(Name=name)


def last(account, name, /, **parameters):
    found = [record for record in account.trail(name)
             if all((record["requestParameters"] or {}).get(key) == value for key, value in parameters.items())]
    assert found, f"no {name} with {parameters}"
    return found[-1]


def test_a_code_update_is_recorded_and_delivered(account, events):
    so_far = events({"source": ["aws.lambda"], "detail-type": ["AWS API Call via CloudTrail"],
                     "detail": {"eventName": [{"prefix": "UpdateFunctionCode"}]}})
    name = account.function(Environment={"Variables": {"SECRET": "hunter2"}})
    code = package(extra={"evil": b"1"})
    reply = account.client("lambda").update_function_code(FunctionName=name, ZipFile=code, Publish=True)
    called = time.monotonic()
    [event] = until(so_far)
    assert time.monotonic() - called < 1

    assert event["version"] == "0" and event["resources"] == [] and event["region"] == "us-east-1"
    assert event["source"] == "aws.lambda" and event["account"] == "111122223333"
    detail = event["detail"]
    assert detail == last(account, "UpdateFunctionCode20150331v2", functionName=name)
    assert detail["requestParameters"] == {"functionName": name, "publish": True, "dryRun": False}
    assert detail["responseElements"]["codeSha256"] == reply["CodeSha256"]
    assert detail["responseElements"]["revisionId"] == reply["RevisionId"]
    assert detail["responseElements"]["environment"] == {}
    assert detail["userIdentity"]["type"] == "IAMUser" and detail["userIdentity"]["userName"] == "administrator"
    assert detail["eventVersion"] == "1.09" and detail["readOnly"] is False and detail["managementEvent"] is True
    assert detail["eventType"] == "AwsApiCall" and detail["eventCategory"] == "Management"
    assert detail["recipientAccountId"] == "111122223333" and detail["sourceIPAddress"] == "127.0.0.1"
    assert "Boto3" in detail["userAgent"] and uuid.UUID(detail["eventID"]) and detail["requestID"]
    assert "hunter2" not in json.dumps(account.trail()) and base64.b64encode(code[:30]).decode()[:30] not in json.dumps(detail)


def test_parameters_stand_as_the_caller_wrote_them(account):
    client, name = account.client("lambda"), account.function()
    arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    for written in (arn, f"111122223333:function:{name}", f"arn:aws:lambda:us-east-1:111122223333:function:{name}"):
        client.put_function_concurrency(FunctionName=written, ReservedConcurrentExecutions=3)
        last(account, "PutFunctionConcurrency20171031", functionName=written, reservedConcurrentExecutions=3)
    layer = client.publish_layer_version(LayerName="tools", Content={"ZipFile": package("victim")})
    assert "zipFile" not in json.dumps(last(account, "PublishLayerVersion20181031", layerName="tools"))
    before = client.get_function_configuration(FunctionName=name)["RevisionId"]
    client.update_function_configuration(FunctionName=name, Layers=[layer["LayerVersionArn"]], RevisionId=before,
                                         Environment={"Variables": {"A": "b"}})
    detail = last(account, "UpdateFunctionConfiguration20150331v2", functionName=name)
    assert detail["requestParameters"]["layers"] == [layer["LayerVersionArn"]]
    assert detail["requestParameters"]["environment"] == {} and detail["requestParameters"]["revisionId"] == before
    assert detail["responseElements"]["layers"][0]["arn"] == layer["LayerVersionArn"]


def test_a_package_from_s3_is_named(account):
    s3, bucket = account.client("s3"), f"code-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="a/b.zip", Body=package())
    name = account.function()
    account.client("lambda").update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="a/b.zip")
    detail = last(account, "UpdateFunctionCode20150331v2", functionName=name)
    assert (detail["requestParameters"]["s3Bucket"], detail["requestParameters"]["s3Key"]) == (bucket, "a/b.zip")


def test_a_permission_is_a_string_in_the_response(account):
    name = account.function()
    account.client("lambda").add_permission(FunctionName=name, StatementId="open", Action="lambda:InvokeFunction",
                                            Principal="*")
    detail = last(account, "AddPermission20150331v2", functionName=name)
    assert detail["requestParameters"] == {"functionName": name, "statementId": "open",
                                           "action": "lambda:InvokeFunction", "principal": "*"}
    assert json.loads(detail["responseElements"]["statement"])["Sid"] == "open"


@pytest.mark.parametrize("operation, parameters, name", [
    ("publish_version", {}, "PublishVersion20150331"),
    ("create_alias", {"Name": "live", "FunctionVersion": "$LATEST"}, "CreateAlias20150331"),
    ("create_function_url_config", {"AuthType": "NONE"}, "CreateFunctionUrlConfig"),
    ("put_function_event_invoke_config", {"MaximumRetryAttempts": 0}, "PutFunctionEventInvokeConfig"),
    ("put_runtime_management_config", {"UpdateRuntimeOn": "Manual"}, "PutRuntimeManagementConfig"),
    ("put_function_recursion_config", {"RecursiveLoop": "Allow"}, "PutFunctionRecursionConfig"),
    ("delete_function", {}, "DeleteFunction20150331"),
])
def test_each_lambda_event_has_its_own_name(account, operation, parameters, name):
    function = account.function()
    getattr(account.client("lambda"), operation)(FunctionName=function, **parameters)
    last(account, name, functionName=function)


def test_iam_documents_stay_strings_and_paths_show_in_responses_only(account):
    iam, document = account.client("iam", region="eu-west-1"), json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    iam.create_role(RoleName="worker", Path="/teams/", AssumeRolePolicyDocument=trust)
    created = last(account, "CreateRole", roleName="worker")
    assert created["responseElements"]["role"]["arn"] == "arn:aws:iam::111122223333:role/teams/worker"
    assert created["awsRegion"] == "us-east-1"
    assert created["responseElements"]["role"]["createDate"].endswith(("AM", "PM"))
    iam.put_role_policy(RoleName="worker", PolicyName="wide", PolicyDocument=document)
    assert last(account, "PutRolePolicy")["requestParameters"] == {
        "roleName": "worker", "policyName": "wide", "policyDocument": document}
    assert last(account, "PutRolePolicy")["responseElements"] is None
    iam.update_assume_role_policy(RoleName="worker", PolicyDocument=trust)
    assert last(account, "UpdateAssumeRolePolicy")["requestParameters"]["policyDocument"] == trust
    policy = iam.create_policy(PolicyName="managed", PolicyDocument=document)["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=document, SetAsDefault=True)
    assert last(account, "CreatePolicyVersion")["requestParameters"] == {
        "policyArn": policy, "policyDocument": document, "setAsDefault": True}


def test_a_denied_call_names_its_target_in_the_message_alone(account, events):
    so_far = events({"source": ["aws.lambda"], "detail": {"errorCode": ["AccessDenied"]}})
    name, role = account.function(), account.role(["sts:*"])
    with pytest.raises(ClientError, match="AccessDenied"):
        account.session(role, "lambda", "thief").update_function_code(FunctionName=name, ZipFile=package())
    [event] = until(so_far)
    detail = event["detail"]
    assert detail["requestParameters"] is None and detail["responseElements"] is None
    assert detail["errorMessage"] == (
        f"User: arn:aws:sts::111122223333:assumed-role/{role.rpartition('/')[2]}/thief is not authorized to perform: "
        f"lambda:UpdateFunctionCode on resource: arn:aws:lambda:us-east-1:111122223333:function:{name} because no "
        "identity-based policy allows the lambda:UpdateFunctionCode action")
    identity = detail["userIdentity"]
    assert identity["type"] == "AssumedRole" and identity["arn"].endswith("/thief")
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == role
    assert identity["principalId"].startswith("AROA") and identity["principalId"].endswith(":thief")


def test_another_failure_keeps_its_parameters(account):
    with pytest.raises(ClientError):
        account.client("lambda").update_function_code(FunctionName="no-such", ZipFile=package())
    detail = last(account, "UpdateFunctionCode20150331v2", functionName="no-such")
    assert detail["errorCode"] == "ResourceNotFoundException" and "no-such" in detail["errorMessage"]
    assert detail["responseElements"] is None


def test_a_functions_own_calls_carry_its_role_and_its_name(account):
    role = account.role(["*"], path="/functions/")
    name = account.function(package("victim"), role, Runtime="python3.11", Handler="index.handler", Timeout=10)
    payload = json.load(account.client("lambda").invoke(FunctionName=name)["Payload"])
    short = role.rpartition("/")[2]
    assert payload["who"] == f"arn:aws:sts::111122223333:assumed-role/{short}/{name}"
    [identity] = [record["userIdentity"] for record in account.trail("GetCallerIdentity")
                  if record["userIdentity"]["arn"] == payload["who"]]
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == role
    assert identity["sessionContext"]["sessionIssuer"]["userName"] == short


def test_reading_calls_are_kept_and_match_only_rules_that_ask_for_them(account, events):
    pattern = {"source": ["aws.lambda"], "detail": {"eventName": [{"prefix": "GetFunctionConcurrency"}]}}
    ordinary, everything = events(pattern), events(pattern, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    name = account.function()
    account.client("lambda").get_function_concurrency(FunctionName=name)
    detail = last(account, "GetFunctionConcurrency", functionName=name)
    assert detail["readOnly"] is True and detail["responseElements"] is None
    assert until(everything) and not ordinary()


def test_data_events_are_not_recorded(account):
    name = account.function()
    account.client("lambda").invoke(FunctionName=name, Payload=b"{}")
    s3, bucket = account.client("s3"), f"data-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.list_objects_v2(Bucket=bucket)
    names = {record["eventName"] for record in account.trail()}
    assert "CreateBucket" in names and not names & {"Invoke20150331", "PutObject", "ListObjectsV2", "ListObjects"}


def test_nothing_is_delivered_while_no_trail_is_logging(account, events):
    so_far = events({"source": ["aws.lambda", "aws.cloudtrail"]})
    name, trail = account.function(), account.client("cloudtrail")
    until(so_far)
    try:
        trail.stop_logging(Name="management")
        account.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        last(account, "PutFunctionConcurrency20171031", functionName=name)
        time.sleep(0.3)
    finally:
        trail.start_logging(Name="management")
    names = lambda: [event["detail"]["eventName"] for event in so_far()]
    until(lambda: "StartLogging" in names())
    names = names()
    assert "StopLogging" in names and "PutFunctionConcurrency20171031" not in names


@pytest.mark.parametrize("service, operation, parameters, event, source, named", [
    ("logs", "create_log_group", {"logGroupName": "/x/{}"}, "CreateLogGroup", "logs", {"logGroupName": "/x/{}"}),
    ("events", "put_rule", {"Name": "r-{}", "EventPattern": '{"source":["x"]}', "State": "DISABLED"}, "PutRule",
     "events", {"name": "r-{}", "state": "DISABLED"}),
    ("sqs", "create_queue", {"QueueName": "q-{}"}, "CreateQueue", "sqs", {"queueName": "q-{}"}),
    ("sns", "create_topic", {"Name": "t-{}"}, "CreateTopic", "sns", {"name": "t-{}"}),
    ("kms", "create_alias", {"AliasName": "alias/{}", "TargetKeyId": "KEY"}, "CreateAlias", "kms",
     {"aliasName": "alias/{}"}),
    ("cloudwatch", "delete_alarms", {"AlarmNames": ["a-{}"]}, "DeleteAlarms", "monitoring", {"alarmNames": ["a-{}"]}),
    ("cloudtrail", "create_trail", {"Name": "t-{}", "S3BucketName": "b"}, "CreateTrail", "cloudtrail", {"name": "t-{}"}),
    ("s3", "create_bucket", {"Bucket": "b-{}"}, "CreateBucket", "s3", {"bucketName": "b-{}"}),
])
def test_other_services_are_recorded_too(account, service, operation, parameters, event, source, named):
    unique = uuid.uuid4().hex[:8]
    fill = lambda value: [fill(item) for item in value] if isinstance(value, list) else value.replace("{}", unique)
    parameters = {key: fill(value) for key, value in parameters.items()}
    if parameters.get("TargetKeyId") == "KEY":
        parameters["TargetKeyId"] = account.client("kms").create_key()["KeyMetadata"]["KeyId"]
    getattr(account.client(service), operation)(**parameters)
    record = last(account, event, **{key: fill(value) for key, value in named.items()})
    assert record["eventSource"] == f"{source}.amazonaws.com" and record["readOnly"] is False


def test_s3_and_kms_records_list_their_resource(account):
    s3, kms, bucket = account.client("s3"), account.client("kms"), f"own-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    record = last(account, "PutBucketVersioning", bucketName=bucket)
    assert record["requestParameters"]["VersioningConfiguration"] == {"Status": "Suspended"}
    assert record["resources"] == [{"accountId": "111122223333", "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}]
    s3.put_bucket_policy(Bucket=bucket, Policy='{"Version":"2012-10-17","Statement":[]}')
    assert last(account, "PutBucketPolicy", bucketName=bucket)["requestParameters"]["bucketPolicy"]["Statement"] == []
    key = kms.create_key()["KeyMetadata"]
    kms.disable_key(KeyId=key["KeyId"])
    record = last(account, "DisableKey", keyId=key["KeyId"])
    assert record["resources"][0]["ARN"] == key["Arn"]
    kms.enable_key(KeyId=key["KeyId"])
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"secret words")
    record = last(account, "Encrypt", keyId=key["KeyId"])
    assert record["readOnly"] is True and "plaintext" not in record["requestParameters"]


def test_other_regions_have_their_own_bus(account):
    name = f"function-{uuid.uuid4().hex[:8]}"
    account.client("lambda", region="eu-west-1").create_function(
        FunctionName=name, Role=account.role(), Runtime="provided.al2023", Handler="bootstrap",
        Code={"ZipFile": package()})
    assert last(account, "CreateFunction20150331", functionName=name)["awsRegion"] == "eu-west-1"
