"""Every action that a responder uses is enforced by itself: taken from a role's policy, that call and no other is denied."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import package
from account.test_lambda import push


@pytest.fixture(scope="module")
def things(account):
    """One of everything that the calls below name."""
    client, made = account.client, {"id": uuid.uuid4().hex[:8]}
    made["role"] = account.role(path="/teams/")
    made["role_name"] = made["role"].rpartition("/")[2]
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    made["policy"] = client("iam").create_policy(PolicyName=f"p-{made['id']}", PolicyDocument=document)["Policy"]["Arn"]
    client("iam").attach_role_policy(RoleName=made["role_name"], PolicyArn=made["policy"])
    functions = client("lambda")
    layer = functions.publish_layer_version(LayerName=f"layer-{made['id']}", Content={"ZipFile": package("victim")})
    made["layer"], made["layer_arn"] = f"layer-{made['id']}", layer["LayerVersionArn"]
    functions.add_layer_version_permission(LayerName=made["layer"], VersionNumber=1, StatementId="all", Principal="*",
                                           Action="lambda:GetLayerVersion")
    name = made["function"] = account.function(role=made["role"], Layers=[made["layer_arn"]])
    made["function_arn"] = f"arn:aws:lambda:us-east-1:111122223333:function:{name}"
    functions.add_permission(FunctionName=name, StatementId="events", Action="lambda:InvokeFunction",
                             Principal="events.amazonaws.com")
    functions.create_function_url_config(FunctionName=name, AuthType="NONE")
    functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    made["signing"] = functions.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [
        "arn:aws:signer:us-east-1:111122223333:/signing-profiles/p/1234567890"]})["CodeSigningConfig"]["CodeSigningConfigArn"]
    functions.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=made["signing"])
    made["group"] = f"/group/{made['id']}"
    client("logs").create_log_group(logGroupName=made["group"])
    client("events").put_rule(Name=f"rule-{made['id']}", EventPattern='{"source": ["x"]}')
    made["rule"] = f"rule-{made['id']}"
    made["bucket"] = f"bucket-{made['id']}"
    client("s3").create_bucket(Bucket=made["bucket"], ObjectLockEnabledForBucket=True)
    made["version"] = client("s3").put_object(Bucket=made["bucket"], Key="k", Body=b"1")["VersionId"]
    client("s3").put_bucket_policy(Bucket=made["bucket"], Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutBucketAcl", "Resource": f"arn:aws:s3:::{made['bucket']}"}]}))
    client("s3").put_bucket_lifecycle_configuration(Bucket=made["bucket"], LifecycleConfiguration={"Rules": [
        {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]})
    made["topic"] = client("sns").create_topic(Name=f"topic-{made['id']}")["TopicArn"]
    made["queue"] = client("sqs").create_queue(QueueName=f"queue-{made['id']}")["QueueUrl"]
    made["repository"] = f"repository-{made['id']}"
    client("ecr").create_repository(repositoryName=made["repository"])
    made["digest"], made["image_layer"] = push(account, made["repository"], "latest", b"layer")
    kms = client("kms")
    made["key"] = kms.create_key()["KeyMetadata"]["KeyId"]
    made["signing_key"] = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{made['id']}", TargetKeyId=made["signing_key"])
    made["alias"] = f"alias/{made['id']}"
    made["cipher"] = kms.encrypt(KeyId=made["key"], Plaintext=b"x")["CiphertextBlob"]
    return made


def named(**parameters):
    """Parameters whose values name one of the things."""
    def filled(value, things):
        if isinstance(value, dict):
            return {key: filled(item, things) for key, item in value.items()}
        if isinstance(value, list):
            return [filled(item, things) for item in value]
        return things[value[1:]] if isinstance(value, str) and value.startswith("$") else value
    return lambda things: filled(parameters, things)


FUNCTION = {"FunctionName": "$function"}
CALLS = [
    ("lambda:GetFunction", "get_function", named(**FUNCTION)),
    ("lambda:GetFunctionConfiguration", "get_function_configuration", named(**FUNCTION)),
    ("lambda:ListVersionsByFunction", "list_versions_by_function", named(**FUNCTION)),
    ("lambda:ListAliases", "list_aliases", named(**FUNCTION)),
    ("lambda:GetPolicy", "get_policy", named(**FUNCTION)),
    ("lambda:GetFunctionUrlConfig", "get_function_url_config", named(**FUNCTION)),
    ("lambda:ListFunctionUrlConfigs", "list_function_url_configs", named(**FUNCTION)),
    ("lambda:ListEventSourceMappings", "list_event_source_mappings", named(**FUNCTION)),
    ("lambda:GetFunctionEventInvokeConfig", "get_function_event_invoke_config", named(**FUNCTION)),
    ("lambda:ListFunctionEventInvokeConfigs", "list_function_event_invoke_configs", named(**FUNCTION)),
    ("lambda:GetFunctionConcurrency", "get_function_concurrency", named(**FUNCTION)),
    ("lambda:ListProvisionedConcurrencyConfigs", "list_provisioned_concurrency_configs", named(**FUNCTION)),
    ("lambda:GetFunctionCodeSigningConfig", "get_function_code_signing_config", named(**FUNCTION)),
    ("lambda:GetCodeSigningConfig", "get_code_signing_config", named(CodeSigningConfigArn="$signing")),
    ("lambda:GetRuntimeManagementConfig", "get_runtime_management_config", named(**FUNCTION)),
    ("lambda:GetFunctionRecursionConfig", "get_function_recursion_config", named(**FUNCTION)),
    ("lambda:ListTags", "list_tags", named(Resource="$function_arn")),
    ("lambda:GetLayerVersion", "get_layer_version", named(LayerName="$layer", VersionNumber=1)),
    ("lambda:GetLayerVersion", "get_layer_version_by_arn", named(Arn="$layer_arn")),
    ("lambda:GetLayerVersionPolicy", "get_layer_version_policy", named(LayerName="$layer", VersionNumber=1)),
    ("lambda:ListLayers", "list_layers", named()),
    ("lambda:ListFunctions", "list_functions", named()),
    ("lambda:UpdateFunctionConfiguration", "update_function_configuration", named(**FUNCTION, Description="x")),
    ("lambda:InvokeFunction", "invoke", named(**FUNCTION)),
    ("logs:DescribeLogGroups", "describe_log_groups", named()),
    ("logs:DescribeSubscriptionFilters", "describe_subscription_filters", named(logGroupName="$group")),
    ("logs:DescribeLogStreams", "describe_log_streams", named(logGroupName="$group")),
    ("events:DescribeRule", "describe_rule", named(Name="$rule")),
    ("events:ListTargetsByRule", "list_targets_by_rule", named(Rule="$rule")),
    ("events:ListRuleNamesByTarget", "list_rule_names_by_target", named(TargetArn="$function_arn")),
    ("s3:GetBucketNotification", "get_bucket_notification_configuration", named(Bucket="$bucket")),
    ("s3:GetObject", "get_object", named(Bucket="$bucket", Key="k")),
    ("s3:GetObjectVersion", "get_object", named(Bucket="$bucket", Key="k", VersionId="$version")),
    ("s3:PutObject", "put_object", named(Bucket="$bucket", Key="k2")),
    ("s3:ListBucket", "list_objects_v2", named(Bucket="$bucket")),
    ("s3:GetBucketPolicy", "get_bucket_policy", named(Bucket="$bucket")),
    ("s3:GetBucketVersioning", "get_bucket_versioning", named(Bucket="$bucket")),
    ("s3:GetBucketObjectLockConfiguration", "get_object_lock_configuration", named(Bucket="$bucket")),
    ("s3:GetLifecycleConfiguration", "get_bucket_lifecycle_configuration", named(Bucket="$bucket")),
    ("sns:GetTopicAttributes", "get_topic_attributes", named(TopicArn="$topic")),
    ("sns:ListSubscriptionsByTopic", "list_subscriptions_by_topic", named(TopicArn="$topic")),
    ("sns:Publish", "publish", named(TopicArn="$topic", Message="x")),
    ("sqs:GetQueueAttributes", "get_queue_attributes", named(QueueUrl="$queue", AttributeNames=["All"])),
    ("sqs:SendMessage", "send_message", named(QueueUrl="$queue", MessageBody="x")),
    ("iam:GetRole", "get_role", named(RoleName="$role_name")),
    ("iam:ListRolePolicies", "list_role_policies", named(RoleName="$role_name")),
    ("iam:GetRolePolicy", "get_role_policy", named(RoleName="$role_name", PolicyName="policy")),
    ("iam:ListAttachedRolePolicies", "list_attached_role_policies", named(RoleName="$role_name")),
    ("iam:GetPolicy", "get_policy", named(PolicyArn="$policy")),
    ("iam:GetPolicyVersion", "get_policy_version", named(PolicyArn="$policy", VersionId="v1")),
    ("iam:ListPolicyVersions", "list_policy_versions", named(PolicyArn="$policy")),
    ("iam:ListRoleTags", "list_role_tags", named(RoleName="$role_name")),
    ("iam:ListEntitiesForPolicy", "list_entities_for_policy", named(PolicyArn="$policy")),
    ("ecr:BatchGetImage", "batch_get_image", named(repositoryName="$repository", imageIds=[{"imageTag": "latest"}])),
    ("ecr:GetDownloadUrlForLayer", "get_download_url_for_layer", named(repositoryName="$repository", layerDigest="$image_layer")),
    ("kms:Sign", "sign", named(KeyId="$alias", Message=b"x", SigningAlgorithm="ECDSA_SHA_256")),
    ("kms:GetPublicKey", "get_public_key", named(KeyId="$signing_key")),
    ("kms:GenerateDataKey", "generate_data_key", named(KeyId="$key", KeySpec="AES_256")),
    ("kms:Encrypt", "encrypt", named(KeyId="$key", Plaintext=b"x")),
    ("kms:Decrypt", "decrypt", named(CiphertextBlob="$cipher")),
    ("kms:DescribeKey", "describe_key", named(KeyId="$key")),
    ("kms:GetKeyPolicy", "get_key_policy", named(KeyId="$key", PolicyName="default")),
    ("xray:BatchGetTraces", "batch_get_traces", named(TraceIds=["1-00000000-000000000000000000000000"])),
    ("cloudtrail:DescribeTrails", "describe_trails", named()),
    ("cloudtrail:GetTrailStatus", "get_trail_status", named(Name="management")),
]
ALL = sorted({action for action, _, _ in CALLS})
SERVICES = {"logs": "logs", "events": "events"}


@pytest.fixture(scope="module")
def caller(account):
    """Two standing roles: one with every action of the table, one whose policy each test writes anew."""
    both = account.role(["sts:GetCallerIdentity", *ALL]), account.role(["sts:GetCallerIdentity"])
    cache = {}

    def client(which, service):
        if (which, service) not in cache:
            cache[which, service] = account.session(both[which], service)
        return cache[which, service]
    client.names = [arn.rpartition("/")[2] for arn in both]
    return client


@pytest.mark.parametrize("action, operation, parameters", CALLS, ids=[f"{call[0]} {call[1]}" for call in CALLS])
def test_an_action_is_allowed_with_it_and_denied_without_it(account, things, caller, action, operation, parameters):
    service = action.partition(":")[0]
    getattr(caller(0, service), operation)(**parameters(things))
    account.settled(things["function"]) if action == "lambda:UpdateFunctionConfiguration" else None
    account.allow(caller.names[1], [other for other in ALL if other != action])
    with pytest.raises(ClientError) as refused:
        getattr(caller(1, service), operation)(**parameters(things))
    error = refused.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException")
    assert action.lower() in error["Message"].lower(), error["Message"]


def test_a_policy_may_name_the_resource(account, things):
    """Roles by their full path, keys by their ARN though an alias was used, functions whatever way they were named."""
    role = account.role(["sts:GetCallerIdentity"])
    key = account.client("kms").describe_key(KeyId=things["alias"])["KeyMetadata"]["Arn"]
    account.client("iam").put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="named", PolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:GetRole", "Resource": things["role"]},
            {"Effect": "Allow", "Action": "kms:Sign", "Resource": key},
            {"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": things["function_arn"]},
            {"Effect": "Allow", "Action": "lambda:GetLayerVersion", "Resource": things["layer_arn"]}]}))
    account.session(role, "iam").get_role(RoleName=things["role_name"])
    account.session(role, "kms").sign(KeyId=things["alias"], Message=b"x", SigningAlgorithm="ECDSA_SHA_256")
    functions = account.session(role, "lambda")
    for name in (things["function"], things["function_arn"], f"111122223333:function:{things['function']}"):
        functions.get_function(FunctionName=name)
    functions.get_layer_version(LayerName=things["layer"], VersionNumber=1)
    with pytest.raises(ClientError, match="not authorized"):
        functions.get_function(FunctionName="another")


def test_a_functions_own_role_decides_what_it_may_do(account):
    client = account.client("lambda")
    role = account.role(["sts:*"], denied=["sts:AssumeRole"])
    name = account.function(package("victim"), role, Runtime="python3.11", Handler="index.handler", Timeout=10)
    assert json.load(client.invoke(FunctionName=name)["Payload"])["who"].endswith(f"/{name}")


def test_a_key_can_be_for_one_role_and_through_one_service_only(account):
    role, other = account.role(path="/teams/"), account.role()
    name = role.rpartition("/")[2]
    owner = {"AWS": "arn:aws:iam::111122223333:root"}
    kms = account.client("kms")

    def key(condition, **settings):
        statements = [
            {"Effect": "Allow", "Principal": owner, "Action": ["kms:Sign", "kms:Decrypt", "kms:GenerateDataKey"],
             "Resource": "*", "Condition": condition},
            {"Effect": "Allow", "Principal": owner, "NotAction": ["kms:Sign", "kms:Decrypt", "kms:GenerateDataKey"],
             "Resource": "*"}]
        return kms.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}), **settings)["KeyMetadata"]

    signing = key({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::111122223333:role/teams/{name}"},
                   "StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}},
                  KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
    wish = {"KeyId": signing, "Message": b"1" * 32, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
    account.session(role, "kms").sign(**wish)
    for client, wrong in ((account.session(other, "kms"), {}), (kms, {}), (account.session(role, "kms"), {"MessageType": "RAW"})):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.sign(**{**wish, **wrong})

    through_s3 = key({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}})["Arn"]
    s3, bucket = account.client("s3"), f"via-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ServerSideEncryption="aws:kms", SSEKMSKeyId=through_s3)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="AccessDenied"):
        kms.generate_data_key(KeyId=through_s3, KeySpec="AES_256")


def test_a_rule_of_the_default_bus_is_named_without_it(account):
    events = account.session(account.role(["s3:*"]), "events")
    for call in (lambda: events.disable_rule(Name="mine"),
                 lambda: events.remove_targets(Rule="mine", Ids=["queue"], EventBusName="default")):
        with pytest.raises(ClientError, match="on resource: arn:aws:events:us-east-1:111122223333:rule/mine because"):
            call()
    with pytest.raises(ClientError, match="rule/own/mine because"):
        events.disable_rule(Name="mine", EventBusName="own")


def test_a_batch_of_messages_is_allowed_as_each_of_them(account):
    queue = account.client("sqs").create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    batch = {"QueueUrl": queue, "Entries": [{"Id": "0", "MessageBody": "x"}]}
    sent = account.session(account.role(["sqs:SendMessage"]), "sqs").send_message_batch(**batch)
    assert [entry["Id"] for entry in sent["Successful"]] == ["0"]
    with pytest.raises(ClientError, match="sqs:SendMessage on resource"):
        account.session(account.role(["sqs:ReceiveMessage"]), "sqs").send_message_batch(**batch)


def test_s3_names_a_refused_resource_in_quotes(account):
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    account.client("s3").create_bucket(Bucket=bucket)
    with pytest.raises(ClientError, match=f'resource: "arn:aws:s3:::{bucket}" because'):
        account.session(account.role(["s3:ListAllMyBuckets"]), "s3").delete_bucket_policy(Bucket=bucket)
