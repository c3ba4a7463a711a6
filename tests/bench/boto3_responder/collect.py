"""What is collected of a function, by which calls, and what leads to what: one function an artifact, six at a time."""

import base64
import json
import os
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import urllib3

from clients import functions, iam, logs, s3, seldom
from inquiry import Inquiry

VERSIONS = int(os.environ.get("VERSIONS", "5"))
PARALLEL = 6

_downloads = urllib3.PoolManager(maxsize=PARALLEL, retries=urllib3.Retry(3, redirect=False))
_workers = ThreadPoolExecutor(PARALLEL)


def gather(case_id: str, target: dict, record: dict) -> tuple[list, list]:
    """Collects everything; (acquisitions, findings). One failure never stops the rest."""
    wanted = [(artifact, None) for artifact in PLAN]
    parameters = record.get("requestParameters") or {}
    if parameters.get("s3Bucket") and parameters.get("s3Key"):
        version = parameters.get("s3ObjectVersion")
        wanted.append(("deployment-source", f"s3://{parameters['s3Bucket']}/{parameters['s3Key']}"
                       + (f"?versionId={version}" if version else "")))
    asked, acquisitions, findings = set(wanted), [], []
    running = {_workers.submit(_collect, case_id, target, record, *request) for request in wanted}
    while running:
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            acquisition, found, following = future.result()
            acquisitions.append(acquisition)
            findings += found
            for request in following:
                if request not in asked:
                    asked.add(request)
                    running.add(_workers.submit(_collect, case_id, target, record, *request))
    order = list(COLLECTORS)
    acquisitions.sort(key=lambda one: (order.index(one["request"]["artifact"]), one["request"]["selector"] or ""))
    return acquisitions, findings


def _collect(case_id, target, record, artifact, selector):
    inquiry = Inquiry(case_id, target, artifact, selector)
    try:
        COLLECTORS[artifact](inquiry, target["arn"], selector, record)
    except Exception as error:
        inquiry.refusals.append(("failed", f"{artifact}: {type(error).__name__}"))
    acquisition = inquiry.finish()
    print(json.dumps({"collected": artifact, "selector": selector, "outcome": acquisition["result"]["outcome"]}))
    return acquisition, inquiry.findings, inquiry.next


def _qualified(selector):
    return {"Qualifier": selector} if selector else {}


def _hex(base64_digest):
    return base64.b64decode(base64_digest).hex() if base64_digest else None


def _download(url):
    """Opens a signed URL each time it is called."""
    def open_source():
        reply = _downloads.request("GET", url, preload_content=False)
        if reply.status != 200:
            raise ConnectionError(f"HTTP {reply.status}")
        return reply
    return open_source


def trigger_event(inquiry, arn, selector, record):
    inquiry.note("record", record)


def function_code(inquiry, arn, selector, record):
    reply = inquiry.ask("lambda:GetFunction", arn, functions.get_function, FunctionName=arn, **_qualified(selector))
    if reply is None:
        return
    location, announced = reply["Code"].get("Location"), _hex(reply["Configuration"].get("CodeSha256"))
    inquiry.withhold("Code", "Location")
    inquiry.withhold("Configuration", "Environment")
    if not location:
        inquiry.refusals.append(("failed", "no place to download from"))
        return
    name = f"function-code-{selector}.zip" if selector else "function-code.zip"
    found = inquiry.keep_content("https:GET", f"package of {arn}", name, _download(location), announced)
    inquiry.compare("code-digest-mismatch", "the package", announced, found)
    if not selector:
        recorded = _hex((record.get("responseElements") or {}).get("codeSha256"))
        inquiry.compare("code-digest-mismatch", "the package", recorded, found)


def configuration(inquiry, arn, selector, record):
    reply = inquiry.ask("lambda:GetFunctionConfiguration", arn, functions.get_function_configuration,
                        FunctionName=arn, **_qualified(selector))
    if reply is None:
        return
    for layer in reply.get("Layers", []):
        inquiry.then("layer", layer["Arn"])
    inquiry.then("execution-role", reply.get("Role"))
    inquiry.then("log-group", (reply.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{reply['FunctionName']}")


def layer(inquiry, arn, selector, record):
    reply = inquiry.ask("lambda:GetLayerVersion", selector, functions.get_layer_version_by_arn, Arn=selector)
    if reply is not None:
        location, announced = reply["Content"]["Location"], _hex(reply["Content"].get("CodeSha256"))
        inquiry.withhold("Content", "Location")
        found = inquiry.keep_content("https:GET", f"bytes of {selector}", f"{inquiry.name}-bytes.zip",
                                     _download(location), announced)
        inquiry.compare("layer-digest-mismatch", "the layer", announced, found)
    layer_arn, _, number = selector.rpartition(":")
    if selector.split(":")[4] == arn.split(":")[4]:
        inquiry.ask("lambda:GetLayerVersionPolicy", selector, functions.get_layer_version_policy,
                    LayerName=layer_arn, VersionNumber=int(number))


def deployment_source(inquiry, arn, selector, record):
    place, _, version = selector.removeprefix("s3://").partition("?versionId=")
    bucket, _, key = place.partition("/")
    where = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
    if (found := inquiry.ask("s3:GetObject", selector, s3.head_object, **where)) is None:
        return
    if found.get("VersionId"):
        where["VersionId"] = found["VersionId"]
    recorded = _hex((record.get("responseElements") or {}).get("codeSha256"))
    digest = inquiry.keep_content("s3:GetObject", selector, f"{inquiry.name}-object",
                                  lambda: s3.get_object(**where)["Body"], recorded)
    inquiry.compare("deployment-source-mismatch", "the deployment source", recorded, digest)


def _preserve(inquiry, version):
    if version and version != "$LATEST":
        for artifact in ("function-code", "configuration", "resource-policy", "event-source-mappings"):
            inquiry.then(artifact, version)


def versions(inquiry, arn, selector, record):
    listed = inquiry.pages("lambda:ListVersionsByFunction", arn, functions.list_versions_by_function, "Versions",
                           FunctionName=arn)
    for reply in inquiry.replies:
        for version in reply["reply"]["Versions"]:
            version.pop("Environment", None)
    numbers = sorted((int(one["Version"]) for one in listed if one["Version"].isdecimal()), reverse=True)
    for number in numbers[:VERSIONS]:
        _preserve(inquiry, str(number))


def aliases(inquiry, arn, selector, record):
    for alias in inquiry.pages("lambda:ListAliases", arn, functions.list_aliases, "Aliases", FunctionName=arn):
        inquiry.then("resource-policy", alias["Name"])
        inquiry.then("event-source-mappings", alias["Name"])
        for version in [alias["FunctionVersion"], *(alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {})]:
            _preserve(inquiry, version)


def resource_policy(inquiry, arn, selector, record):
    reply = inquiry.ask("lambda:GetPolicy", arn, functions.get_policy, FunctionName=arn, **_qualified(selector))
    if reply is None:
        return
    policy = json.loads(reply["Policy"])
    inquiry.note("policy", policy)
    for statement in policy.get("Statement", []):
        for operator, keys in (statement.get("Condition") or {}).items():
            for key, values in keys.items():
                if key.lower() == "aws:sourcearn" and "not" not in operator.lower():
                    for source in values if isinstance(values, list) else [values]:
                        inquiry.then("invocation-sources", source)


def url_config(inquiry, arn, selector, record):
    inquiry.pages("lambda:ListFunctionUrlConfigs", arn, functions.list_function_url_configs, "FunctionUrlConfigs",
                  FunctionName=arn)


def event_source_mappings(inquiry, arn, selector, record):
    function = f"{arn}:{selector}" if selector else arn
    inquiry.pages("lambda:ListEventSourceMappings", function, functions.list_event_source_mappings,
                  "EventSourceMappings", FunctionName=function)


def event_invoke_config(inquiry, arn, selector, record):
    inquiry.pages("lambda:ListFunctionEventInvokeConfigs", arn, functions.list_function_event_invoke_configs,
                  "FunctionEventInvokeConfigs", FunctionName=arn)


def concurrency(inquiry, arn, selector, record):
    inquiry.ask("lambda:GetFunctionConcurrency", arn, functions.get_function_concurrency, FunctionName=arn)
    inquiry.pages("lambda:ListProvisionedConcurrencyConfigs", arn, functions.list_provisioned_concurrency_configs,
                  "ProvisionedConcurrencyConfigs", FunctionName=arn)


def code_signing_config(inquiry, arn, selector, record):
    reply = inquiry.ask("lambda:GetFunctionCodeSigningConfig", arn, functions.get_function_code_signing_config,
                        FunctionName=arn)
    if reply and reply.get("CodeSigningConfigArn"):
        inquiry.ask("lambda:GetCodeSigningConfig", reply["CodeSigningConfigArn"], functions.get_code_signing_config,
                    CodeSigningConfigArn=reply["CodeSigningConfigArn"])


def runtime_management(inquiry, arn, selector, record):
    inquiry.ask("lambda:GetRuntimeManagementConfig", arn, functions.get_runtime_management_config, FunctionName=arn)


def recursion_config(inquiry, arn, selector, record):
    inquiry.ask("lambda:GetFunctionRecursionConfig", arn, functions.get_function_recursion_config, FunctionName=arn)


def tags(inquiry, arn, selector, record):
    inquiry.ask("lambda:ListTags", arn, functions.list_tags, Resource=arn)


def log_group(inquiry, arn, selector, record):
    found = inquiry.ask("logs:DescribeLogGroups", selector, logs.describe_log_groups, logGroupNamePrefix=selector)
    if found is not None and not any(group["logGroupName"] == selector for group in found["logGroups"]):
        return
    inquiry.ask("logs:DescribeSubscriptionFilters", selector, logs.describe_subscription_filters, logGroupName=selector)
    inquiry.ask("logs:DescribeLogStreams", selector, logs.describe_log_streams, logGroupName=selector,
                orderBy="LastEventTime", descending=True, limit=5)


def invocation_sources(inquiry, arn, selector, record):
    service, name = selector.split(":")[2], selector.split(":", 5)[-1]
    if service == "events":
        bus, _, rule = name.removeprefix("rule/").rpartition("/")
        where = {"EventBusName": bus} if bus else {}
        events = seldom("events")
        if inquiry.ask("events:DescribeRule", rule, events.describe_rule, Name=rule, **where) is not None:
            inquiry.pages("events:ListTargetsByRule", rule, events.list_targets_by_rule, "Targets",
                          "NextToken", "NextToken", Rule=rule, **where)
    elif service == "s3":
        inquiry.ask("s3:GetBucketNotification", name, s3.get_bucket_notification_configuration, Bucket=name)
    elif service == "sns":
        sns = seldom("sns")
        if inquiry.ask("sns:GetTopicAttributes", selector, sns.get_topic_attributes, TopicArn=selector) is not None:
            inquiry.pages("sns:ListSubscriptionsByTopic", selector, sns.list_subscriptions_by_topic, "Subscriptions",
                          "NextToken", "NextToken", TopicArn=selector)
    else:
        inquiry.refusals.append(("absent", "not looked up"))


def execution_role(inquiry, arn, selector, record):
    role = selector.rpartition("/")[2]
    reply = inquiry.ask("iam:GetRole", role, iam.get_role, RoleName=role)
    if reply is None:
        return
    iam_pages = {"token": "Marker", "next_token": "Marker", "RoleName": role}
    inquiry.pages("iam:ListRoleTags", role, iam.list_role_tags, "Tags", **iam_pages)
    for name in inquiry.pages("iam:ListRolePolicies", role, iam.list_role_policies, "PolicyNames", **iam_pages):
        inquiry.ask("iam:GetRolePolicy", f"{role}/{name}", iam.get_role_policy, RoleName=role, PolicyName=name)
    attached = inquiry.pages("iam:ListAttachedRolePolicies", role, iam.list_attached_role_policies,
                             "AttachedPolicies", **iam_pages)
    policies = {policy["PolicyArn"] for policy in attached}
    if boundary := reply["Role"].get("PermissionsBoundary"):
        policies.add(boundary["PermissionsBoundaryArn"])
    for policy in sorted(policies):
        _managed_policy(inquiry, policy)


def _managed_policy(inquiry, arn):
    inquiry.ask("iam:GetPolicy", arn, iam.get_policy, PolicyArn=arn)
    listed = inquiry.pages("iam:ListPolicyVersions", arn, iam.list_policy_versions, "Versions", "Marker", "Marker",
                           PolicyArn=arn)
    for version in listed:
        if version["IsDefaultVersion"] or ":aws:policy/" not in arn:
            inquiry.ask("iam:GetPolicyVersion", f"{arn} {version['VersionId']}", iam.get_policy_version,
                        PolicyArn=arn, VersionId=version["VersionId"])


# Most volatile first.
COLLECTORS = {collector.__name__.replace("_", "-"): collector for collector in (
    trigger_event, function_code, configuration, layer, deployment_source, versions, aliases, resource_policy,
    url_config, event_source_mappings, event_invoke_config, concurrency, code_signing_config, runtime_management,
    recursion_config, tags, log_group, invocation_sources, execution_role)}
FOLLOWING = {"layer", "deployment-source", "log-group", "invocation-sources", "execution-role"}
PLAN = [artifact for artifact in COLLECTORS if artifact not in FOLLOWING]
