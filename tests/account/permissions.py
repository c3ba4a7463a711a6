"""Corrects what IAM enforcement asks: the right action and resource for each call, and the condition keys S3 policies need."""

import datetime
import json
import math
import re
from urllib.parse import unquote

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import iam, kms, s3

from account import caller_address, cloudtrail_additions, operations

# Lambda operations whose IAM action has another name.
LAMBDA_ACTIONS = {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction",
                  "InvokeWithResponseStream": "InvokeFunction", "GetLayerVersionByArn": "GetLayerVersion"}


def apply() -> None:
    """Replaces MiniStack's functions by name: it looks each of them up in its module at every request."""
    iam_actions.extract_iam_action = _extract_iam_action(iam_actions.extract_iam_action)
    iam_actions.extract_resource_arn = _extract_resource_arn(iam_actions.extract_resource_arn)
    iam_actions.access_denied_response = _access_denied_response(iam_actions.access_denied_response)
    iam_actions.s3_service_context = _s3_service_context(iam_actions.s3_service_context)
    iam_actions.s3_additional_checks = _s3_additional_checks(iam_actions.s3_additional_checks)
    iam_actions.request_tag_context = _request_context(iam_actions.request_tag_context)
    iam_evaluator._resolve_condition_key = _resolve_condition_key(iam_evaluator._resolve_condition_key)
    iam_evaluator.enforce = _enforce(iam_evaluator.enforce)
    app.pin_request_origin = _pin_request_origin(app.pin_request_origin)
    iam_actions.SERVICE_TO_IAM_NAMESPACE.setdefault("xray", "xray")


def _extract_iam_action(original):
    """MiniStack tells Lambda's actions by a piece of the path and misses half of them; the service model knows them all."""
    def extract(service, method, path, headers, body, query_params):
        if service in ("lambda", "xray"):
            found = operations.read_request(service, method, path, headers, query_params, b"")
            if found:
                return f"{service}:{LAMBDA_ACTIONS.get(found.name, found.name)}"
        action = original(service, method, path, headers, body, query_params)
        # A batch of messages is authorised as each of them.
        return action.removesuffix("Batch") if action and service == "sqs" else action
    return extract


def _extract_resource_arn(original):
    def extract(service, method, path, headers, body, query_params, region, account_id):
        if service == "lambda":
            found = operations.read_request(service, method, path, headers, query_params, b"")
            if found and (arn := _lambda_arn(found, region, account_id)):
                return arn
        if service == "events":
            found = operations.read_request(service, method, path, headers, query_params, body)
            if found and (arn := _rule_arn(found, region, account_id)):
                return arn
        if service == "cloudtrail":
            found = operations.read_request(service, method, path, headers, query_params, body)
            if found and (arn := cloudtrail_additions.trail_arn(found.parameters, found.name)):
                return arn
        arn = original(service, method, path, headers, body, query_params, region, account_id)
        if service == "kms" and ":alias/" in arn:
            # A policy names keys, never the alias that a caller used.
            return kms_key_arn(arn, account_id, region)
        if service == "iam" and (role := re.fullmatch(r"arn:aws:iam::(\d+):(role|user)/([^/]+)", arn)):
            return _with_path(arn, *role.groups())
        return arn
    return extract


def _rule_arn(operation, region: str, account_id: str) -> str | None:
    """A rule on the default bus has no bus in its ARN; calls on its targets name it in another parameter."""
    parameters = operation.parameters
    name = parameters.get("Rule") or (parameters.get("Name") if operation.name.endswith("Rule") else None)
    if not name:
        return None
    bus = parameters.get("EventBusName", "default").rpartition("/")[2]
    return f"arn:aws:events:{region}:{account_id}:rule/{name if bus == 'default' else f'{bus}/{name}'}"


def _lambda_arn(operation, region: str, account_id: str) -> str | None:
    parameters, prefix = operation.parameters, f"arn:aws:lambda:{region}:{account_id}"
    if "LayerName" in parameters:
        layer = parameters["LayerName"]
        layer = layer if layer.startswith("arn:") else f"{prefix}:layer:{layer}"
        return f"{layer}:{parameters['VersionNumber']}" if "VersionNumber" in parameters else layer
    if operation.name == "GetLayerVersionByArn":
        return parameters.get("Arn")
    if "CodeSigningConfigArn" in parameters:
        return parameters["CodeSigningConfigArn"]
    if "FunctionName" in parameters and operation.name != "ListEventSourceMappings":
        name = parameters["FunctionName"]
        if name.startswith("arn:"):
            return ":".join(name.split(":")[:7])
        partial = re.fullmatch(r"(?:(\d{12}):function:)?([^:]+)(?::(.+))?", name)
        return f"{prefix}:function:{partial.group(2)}" if partial else f"{prefix}:function:{name}"
    return "*" if operation.name.startswith("List") and operation.name != "ListTags" else None


def _with_path(arn: str, account_id: str, kind: str, name: str) -> str:
    """A role's real ARN, path included: policies are written against it, calls name the role alone."""
    store = iam._roles if kind == "role" else iam._users
    return (store.get_scoped(account_id, None, name) or {}).get("Arn", arn)


def kms_key_arn(key: str, account_id: str, region: str) -> str:
    with request_scope(account_id, region):
        found = kms._resolve_key(key)
    if found:
        return found["Arn"]
    return key if key.startswith("arn:") else f"arn:aws:kms:{region}:{account_id}:key/{key}"


def _access_denied_response(original):
    """AWS names the resource in the message, where MiniStack leaves it out; a denied call's record has nothing else."""
    def respond(service, action, principal_arn, request_id, **details):
        resource = details.get("resource_arn", "*")
        if not details.get("message") and not details.get("error_code") and not details.get("resource_policy_arn"):
            resource = f'"{resource}"' if service == "s3" else resource  # S3 alone puts it in quotes
            details["message"] = iam_actions.identity_denial_message(action, principal_arn, resource,
                                                                     details.get("explicit_deny", False))
        return original(service, action, principal_arn, request_id, **details)
    return respond


def _pin_request_origin(original):
    """`aws:SourceIp` is the address that records show. `aws:SecureTransport` is true on loopback, which no wire leaves,
    unless the request asks to be taken as plain HTTP."""
    def pin(source_ip, secure_transport):
        from account.gateway import plain_http
        original(caller_address.current(), not plain_http.get())
    return pin


def _resolve_condition_key(original):
    """`aws:PrincipalArn` is the role's ARN, path included, never that of its session."""
    def resolve(key, context):
        if key.lower() == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
            name = context.principal_arn.rpartition(":assumed-role/")[2].partition("/")[0]
            return _with_path(f"arn:aws:iam::{context.principal_account}:role/{name}", context.principal_account, "role", name)
        return original(key, context)
    return resolve


def _enforce(original):
    """Adds two of AWS's ways: KMS is asked in the name of the service that needs a key, and root is bound by a bucket's Deny."""
    def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        if service == "s3" and iam_action.startswith("kms:"):
            via = {"kms:viaservice": f"s3.{region}.amazonaws.com", "kms:calleraccount": get_account_id()}
            return original(access_key_id, iam_action, "kms", region, resource_arn=resource_arn, service_context=via)
        refused = original(access_key_id, iam_action, service, region, resource_arn=resource_arn,
                           service_context=service_context)
        if refused is None and service == "s3" and iam_evaluator.is_root_access_key(access_key_id):
            return _denied_to_root(iam_action, region, resource_arn, service_context)
        return refused
    return enforce


def _denied_to_root(action: str, region: str, resource_arn: str, service_context: dict | None):
    """A bucket policy's Deny binds root as well, but for the policy itself, from which root can always find back."""
    if action in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"):
        return None
    found, account = iam_evaluator._resource_policy("s3", resource_arn), get_account_id()
    if not found or not found[0]:
        return None
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:iam::{account}:root", principal_type="Root", principal_account=account, action=action,
        resource_arn=resource_arn, region=region,
        service_context={key.lower(): value for key, value in (service_context or {}).items()})
    result = iam_evaluator.evaluate_resource_policy(found[0], context)
    if result.decision != "Deny":
        return None
    result.principal_arn, result.resource_policy_arn = context.principal_arn, resource_arn
    return result


# --- KMS ----------------------------------------------------------------------------------------------------------


def _request_context(original):
    """Adds the condition keys of direct KMS calls to those on tags, which MiniStack gathers for every service."""
    def context(service, iam_action, body, params):
        found = original(service, iam_action, body, params)
        return {**found, **_kms_keys(body)} if service == "kms" else found
    return context


def _kms_keys(body: bytes) -> dict:
    try:
        parameters = json.loads(body or b"{}")
    except ValueError:
        return {}
    keys = {"kms:CallerAccount": get_account_id()}
    for parameter, key in (("SigningAlgorithm", "SigningAlgorithm"), ("EncryptionAlgorithm", "EncryptionAlgorithm"),
                           ("PendingWindowInDays", "ScheduleKeyDeletionPendingWindowInDays")):
        if parameter in parameters:
            keys[f"kms:{key}"] = str(parameters[parameter])
    if "SigningAlgorithm" in parameters:
        keys["kms:MessageType"] = parameters.get("MessageType", "RAW")
    for name, value in (parameters.get("EncryptionContext") or {}).items():
        keys[f"kms:EncryptionContext:{name}"] = value
    name = str(parameters.get("KeyId", ""))
    if "alias/" in name:
        keys["kms:RequestAlias"] = "alias/" + name.partition("alias/")[2]
    found = kms._resolve_key(name) or {}
    for field in ("KeySpec", "KeyUsage"):
        if found.get(field):
            keys[f"kms:{field}"] = found[field]
    return keys


# --- S3 -----------------------------------------------------------------------------------------------------------


def _s3_service_context(original):
    """Adds the keys on locks, conditional writes and encryption.

    UploadPart and CompleteMultipartUpload carry no such headers; like MiniStack's encryption key, they are judged by
    those of their CreateMultipartUpload.
    """
    def context(iam_action, query_params, path="", headers=None):
        found = original(iam_action, query_params, path, headers)
        headers, query = headers or {}, query_params or {}
        if iam_action == "s3:PutObject" and path.strip("/").count("/"):
            found.update(_write_keys(query, headers))
        elif iam_action == "s3:PutObjectRetention":
            found.update(_retention_keys(headers, None))
        if query.get("versionId"):
            found["s3:versionid"] = query["versionId"][0] if isinstance(query["versionId"], list) else query["versionId"]
        return found
    return context


def _write_keys(query: dict, headers: dict) -> dict:
    keys = {}
    upload_id = (query.get("uploadId") or [""])[0]
    creates_object = "uploads" not in query and "partNumber" not in query
    keys["s3:ObjectCreationOperation"] = str(creates_object).lower()
    for name in ("if-none-match", "if-match"):
        if headers.get(name):
            keys[f"s3:{name}"] = headers[name]
    began = _upload_headers(upload_id) if upload_id else headers
    if began.get("x-amz-server-side-encryption"):
        keys["s3:x-amz-server-side-encryption"] = began["x-amz-server-side-encryption"]
    if began.get("x-amz-server-side-encryption-aws-kms-key-id"):
        keys["s3:x-amz-server-side-encryption-aws-kms-key-id"] = _full_key_arn(
            began["x-amz-server-side-encryption-aws-kms-key-id"])
    if headers.get("x-amz-content-sha256"):
        keys["s3:x-amz-content-sha256"] = headers["x-amz-content-sha256"]
    keys.update(_retention_keys(began, began.get("x-amz-object-lock-legal-hold")))
    return keys


def _retention_keys(headers: dict, legal_hold: str | None) -> dict:
    keys = {}
    if headers.get("x-amz-object-lock-mode"):
        keys["s3:object-lock-mode"] = headers["x-amz-object-lock-mode"]
    if until := headers.get("x-amz-object-lock-retain-until-date"):
        keys["s3:object-lock-retain-until-date"] = until
        try:
            left = datetime.datetime.fromisoformat(until) - datetime.datetime.now(datetime.timezone.utc)
            keys["s3:object-lock-remaining-retention-days"] = str(math.ceil(left.total_seconds() / 86400))
        except (ValueError, TypeError):
            pass
    if legal_hold:
        keys["s3:object-lock-legal-hold"] = legal_hold
    return keys


def _upload_headers(upload_id: str) -> dict:
    upload = s3._multipart_uploads.get(upload_id)
    return upload.get("account_headers", {}) if upload else {}


def _full_key_arn(key: str) -> str:
    return kms_key_arn(key, get_account_id(), get_region())


def _s3_additional_checks(original):
    """Encryption with a KMS key takes kms:GenerateDataKey of the writer and kms:Decrypt of the reader, as on AWS."""
    def checks(method, path, headers, body, query_params):
        found = list(original(method, path, headers, body, query_params))
        bucket, _, key = path.lstrip("/").partition("/")
        if not key:
            return found
        upload_id = (query_params.get("uploadId") or [""])[0]
        if method in ("PUT", "POST") and (iam_actions._s3_action(method, path, query_params) == "PutObject"):
            began = _upload_headers(upload_id) if upload_id else headers
            kms_key = _writing_key(bucket, began)
            if kms_key:
                # Putting parts together means reading them back.
                found.append(("kms:Decrypt" if upload_id else "kms:GenerateDataKey", kms_key))
        elif method == "GET" and not (set(query_params) - {"versionId", "partNumber", "x-id"}
                                      - {name for name in query_params if name.startswith(("response-", "X-Amz-"))}):
            kms_key = _reading_key(bucket, unquote(key), (query_params.get("versionId") or [None])[0])
            if kms_key:
                found.append(("kms:Decrypt", kms_key))
        return found
    return checks


def _writing_key(bucket: str, headers: dict) -> str | None:
    """The customer's key that a write is encrypted with: named by the write, or else the bucket's default."""
    default = s3._bucket_default_sse_headers(bucket)
    algorithm = headers.get("x-amz-server-side-encryption") or default.get("x-amz-server-side-encryption")
    key = (headers.get("x-amz-server-side-encryption-aws-kms-key-id")
           or default.get("x-amz-server-side-encryption-aws-kms-key-id"))
    # AWS's own key, aws/s3, asks nothing of who uses it through S3.
    return _full_key_arn(key) if algorithm == "aws:kms" and key and not key.endswith("alias/aws/s3") else None


def _reading_key(bucket: str, key: str, version: str | None) -> str | None:
    """The key that an object is encrypted with, as it was stored; an older version is taken for encrypted alike."""
    stored = (s3._buckets.get(bucket) or {}).get("objects", {}).get(key)
    return _writing_key(bucket, (stored or {}).get("preserved_headers", {})) if stored or version else None
