"""Lambda as a responder meets it: code links, versions, conflicts, 404s, code signing, images, tracing."""

import base64
import hashlib
import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

from account.conftest import package


def fetch(url):
    with urllib.request.urlopen(url) as reply:
        return reply.read()


def sha256(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def refused(code):
    return pytest.raises(ClientError, match=code)


def test_every_version_downloads_its_own_code(account):
    client, old, new = account.client("lambda"), package(), package(extra={"new": b"1"})
    name = account.function(old)
    client.publish_version(FunctionName=name)
    link = client.get_function(FunctionName=name)["Code"]["Location"]
    client.update_function_code(FunctionName=name, ZipFile=new)
    account.settled(name)
    assert fetch(client.get_function(FunctionName=name)["Code"]["Location"]) == new
    version = client.get_function(FunctionName=name, Qualifier="1")
    assert fetch(version["Code"]["Location"]) == old and version["Configuration"]["CodeSha256"] == sha256(old)
    assert fetch(link) == old, "a link leads to the bytes it was made for"


def test_an_unknown_link_is_refused(account):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(f"{account.endpoint}/_account/download/{'0' * 32}")


def test_a_dry_run_changes_nothing(account):
    client, code = account.client("lambda"), package(extra={"x": b"1"})
    name = account.function()
    before = client.get_function_configuration(FunctionName=name)
    assert client.update_function_code(FunctionName=name, ZipFile=code, DryRun=True)["CodeSha256"] == sha256(code)
    after = client.get_function_configuration(FunctionName=name)
    assert (before["CodeSha256"], before["RevisionId"]) == (after["CodeSha256"], after["RevisionId"])


def test_a_stale_revision_and_a_change_under_way_are_refused(account):
    client, name = account.client("lambda"), account.function()
    with refused("PreconditionFailedException"):
        client.update_function_configuration(FunctionName=name, RevisionId="stale", Timeout=9)
    assert client.update_function_configuration(FunctionName=name, Timeout=9)["LastUpdateStatus"] == "InProgress"
    with refused("ResourceConflictException"):
        client.update_function_configuration(FunctionName=name, Timeout=10)
    account.settled(name)
    assert client.update_function_configuration(FunctionName=name, Timeout=10)["Timeout"] == 10


def test_tracing_needs_a_role_that_may_write_traces(account):
    client = account.client("lambda")
    name = account.function(role=account.role(["logs:*"]))
    with refused("role does not have permissions to call PutTraceSegments on XRAY"):
        client.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})
    assert client.get_function_configuration(FunctionName=name)["TracingConfig"]["Mode"] == "PassThrough"
    name = account.function(role=account.role(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]))
    client.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})
    account.settled(name)
    assert client.get_function_configuration(FunctionName=name)["TracingConfig"]["Mode"] == "Active"


@pytest.mark.parametrize("operation, code", [
    ("get_policy", "ResourceNotFoundException"),
    ("get_function_url_config", "ResourceNotFoundException"),
    ("get_function_event_invoke_config", "ResourceNotFoundException"),
])
def test_what_is_not_there_is_a_404(account, operation, code):
    with refused(code) as error:
        getattr(account.client("lambda"), operation)(FunctionName=account.function())
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_a_policy_belongs_to_its_qualifier(account):
    client, name = account.client("lambda"), account.function()
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="$LATEST")
    client.add_permission(FunctionName=name, Qualifier="live", StatementId="a", Action="lambda:InvokeFunction", Principal="*")
    with refused("ResourceNotFoundException"):
        client.get_policy(FunctionName=name)
    assert len(json.loads(client.get_policy(FunctionName=name, Qualifier="live")["Policy"])["Statement"]) == 1


def test_runtime_management_recursion_and_provisioned_concurrency(account):
    client, name = account.client("lambda"), account.function()
    assert client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "Auto"
    client.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"] == "FunctionUpdate"
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert client.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"
    assert client.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"] == []
    client.publish_version(FunctionName=name)
    client.put_provisioned_concurrency_config(FunctionName=name, Qualifier="1", ProvisionedConcurrentExecutions=2)
    [config] = client.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert config["RequestedProvisionedConcurrentExecutions"] == 2
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    client.update_function_event_invoke_config(FunctionName=name, MaximumEventAgeInSeconds=60)
    config = client.get_function_event_invoke_config(FunctionName=name)
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (1, 60)


def test_code_signing(account):
    client, name = account.client("lambda"), account.function()
    arn = client.create_code_signing_config(AllowedPublishers={"SigningProfileVersionArns": [
        "arn:aws:signer:us-east-1:111122223333:/signing-profiles/p/1234567890"]})["CodeSigningConfig"]["CodeSigningConfigArn"]
    assert client.get_code_signing_config(CodeSigningConfigArn=arn)["CodeSigningConfig"]["AllowedPublishers"]
    client.put_function_code_signing_config(FunctionName=name, CodeSigningConfigArn=arn)
    assert client.get_function_code_signing_config(FunctionName=name)["CodeSigningConfigArn"] == arn
    with refused("ResourceConflictException"):
        client.delete_code_signing_config(CodeSigningConfigArn=arn)
    client.delete_function_code_signing_config(FunctionName=name)
    client.delete_code_signing_config(CodeSigningConfigArn=arn)
    with refused("ResourceNotFoundException"):
        client.get_code_signing_config(CodeSigningConfigArn=arn)


def push(account, repository, tag, layer):
    """An image of one layer, pushed through the API."""
    ecr = account.client("ecr")
    digests = []
    for content in (json.dumps({"architecture": "amd64", "config": {}}).encode(), layer):
        upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
        ecr.upload_layer_part(repositoryName=repository, uploadId=upload, partFirstByte=0, partLastByte=len(content) - 1,
                              layerPartBlob=content)
        digests.append("sha256:" + hashlib.sha256(content).hexdigest())
        ecr.complete_layer_upload(repositoryName=repository, uploadId=upload, layerDigests=digests[-1:])
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": {"digest": digests[0]},
                           "layers": [{"digest": digests[1]}]})
    return ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=manifest,
                         imageManifestMediaType=kind)["image"]["imageId"]["imageDigest"], digests[1]


def test_image_functions_keep_the_digest_that_their_tag_named(account):
    ecr, client = account.client("ecr"), account.client("lambda")
    uri = ecr.create_repository(repositoryName="app")["repository"]["repositoryUri"]
    digest, layer = push(account, "app", "latest", b"first layer")
    client.create_function(FunctionName="image", Role=account.role(), PackageType="Image", Code={"ImageUri": f"{uri}:latest"})
    push(account, "app", "latest", b"second layer")
    code = client.get_function(FunctionName="image")["Code"]
    assert code["ImageUri"] == f"{uri}:latest" and code["ResolvedImageUri"] == f"{uri}@{digest}"
    [image] = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageDigest": digest}])["images"]
    assert json.loads(image["imageManifest"])["layers"] == [{"digest": layer}]
    assert fetch(ecr.get_download_url_for_layer(repositoryName="app", layerDigest=layer)["downloadUrl"]) == b"first layer"
    with refused("LayersNotFoundException"):
        ecr.get_download_url_for_layer(repositoryName="app", layerDigest="sha256:" + "0" * 64)
    with refused("Source image .* does not exist"):
        client.create_function(FunctionName="none", Role=account.role(), PackageType="Image", Code={"ImageUri": f"{uri}:none"})


def test_layers_download_and_a_hidden_one_keeps_running(account):
    client, content = account.client("lambda"), package("victim")
    layer = client.publish_layer_version(LayerName="shared", Content={"ZipFile": content})
    found = client.get_layer_version_by_arn(Arn=layer["LayerVersionArn"])
    assert fetch(found["Content"]["Location"]) == content and found["Content"]["CodeSha256"] == sha256(content)
    client.add_layer_version_permission(LayerName="shared", VersionNumber=1, StatementId="all", Principal="*",
                                        Action="lambda:GetLayerVersion")
    assert json.loads(client.get_layer_version_policy(LayerName="shared", VersionNumber=1)["Policy"])["Statement"]
    name = account.function(Layers=[layer["LayerVersionArn"]])
    client.delete_layer_version(LayerName="shared", VersionNumber=1)
    with refused("ResourceNotFoundException"):
        client.get_layer_version(LayerName="shared", VersionNumber=1)
    assert client.get_function_configuration(FunctionName=name)["Layers"][0]["Arn"] == layer["LayerVersionArn"]


def test_another_accounts_layer_can_be_read_when_granted_and_nothing_more(account):
    client, content = account.client("lambda"), package("victim")
    foreign = account.client_of("lambda", key="444455556666", secret="any")
    arn = foreign.publish_layer_version(LayerName="foreign", Content={"ZipFile": content})["LayerVersionArn"]
    with refused("AccessDenied"):
        client.get_layer_version_by_arn(Arn=arn)
    foreign.add_layer_version_permission(LayerName="foreign", VersionNumber=1, StatementId="us",
                                         Action="lambda:GetLayerVersion", Principal="111122223333")
    assert fetch(client.get_layer_version_by_arn(Arn=arn)["Content"]["Location"]) == content
    with refused("AccessDenied"):
        client.get_layer_version_policy(LayerName=arn.rpartition(":")[0], VersionNumber=1)
    assert account.function(Layers=[arn])


def test_a_layer_may_be_named_by_its_arn(account):
    client = account.client("lambda")
    layer = client.publish_layer_version(LayerName="named", Content={"ZipFile": package("victim")})
    assert client.get_layer_version(LayerName=layer["LayerArn"], VersionNumber=layer["Version"])["LayerArn"] == layer["LayerArn"]


def test_logs_are_written_with_permission_only(account):
    logs, client = account.client("logs"), account.client("lambda")
    logs.create_log_group(logGroupName="/custom/group")
    name = account.function(LoggingConfig={"LogGroup": "/custom/group"})
    client.invoke(FunctionName=name)
    assert logs.describe_log_streams(logGroupName="/custom/group")["logStreams"]
    name = account.function(role=account.role(["sts:*"]))
    client.invoke(FunctionName=name)
    with refused("ResourceNotFoundException"):
        logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")


def test_a_roles_last_use_is_told(account):
    role, iam = account.role(["sts:*"]), account.client("iam")
    name = role.rpartition("/")[2]
    assert not iam.get_role(RoleName=name)["Role"].get("RoleLastUsed")
    account.session(role, "sts").get_caller_identity()
    assert iam.get_role(RoleName=name)["Role"]["RoleLastUsed"]["Region"] == "us-east-1"
