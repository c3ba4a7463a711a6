"""What MiniStack's CloudFormation drops of buckets and functions, put in place after it made them; numbers made numbers;
conditions on the Region and the account; a stack's status told on the bus."""

import json
import re
import uuid
from datetime import datetime, timezone
from xml.sax.saxutils import escape

from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc, s3
from ministack.services.cloudformation import changesets, engine, provisioners, stacks
from ministack.services.cloudformation import handlers as stack_calls

from account import event_targets


# A parameter is a string wherever it is used; these properties are numbers to whom reads them.
NUMBERS = {"BatchSize", "MaximumBatchingWindowInSeconds", "MaximumConcurrency", "MaximumRetryAttempts",
           "MaximumEventAgeInSeconds", "MaximumRecordAgeInSeconds", "RetentionInDays", "Size", "Timeout", "MemorySize",
           "ReservedConcurrentExecutions", "Threshold", "Period", "EvaluationPeriods", "DatapointsToAlarm",
           "ProvisionedConcurrentExecutions", "PendingWindowInDays", "RotationPeriodInDays"}
WITH_NUMBERS = ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Function",
                "AWS::Lambda::Alias", "AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm", "AWS::Events::Rule", "AWS::KMS::Key")


def apply() -> None:
    """Replaces entries of the table through which every resource is made and changed."""
    announced = _announced(stacks._add_event)
    for module in (stacks, changesets, stack_calls):
        if hasattr(module, "_add_event"):
            module._add_event = announced
    conditions = _with_pseudo_parameters(engine._evaluate_conditions)
    for module in (engine, stacks, changesets, stack_calls):
        if hasattr(module, "_evaluate_conditions"):
            module._evaluate_conditions = conditions
    for name in WITH_NUMBERS:
        handlers = provisioners._RESOURCE_HANDLERS[name]
        for step in ("create", "update"):
            if step in handlers:
                handlers[step] = _with_numbers(handlers[step])
    bucket, function = (provisioners._RESOURCE_HANDLERS[name] for name in ("AWS::S3::Bucket", "AWS::Lambda::Function"))
    bucket["create"], bucket["update"] = _bucket_created(bucket["create"]), _bucket_updated(bucket["update"])
    mapping = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    mapping["create"] = _mapping_created(mapping["create"])
    function["create"], function["update"] = _function_created(function["create"]), _function_updated(function["update"])


def _announced(original):
    """A stack's new status is an event on the default bus, as the user guide of CloudFormation shows it."""
    def add(stack_id, stack_name, logical_id, resource_type, status, reason="", *rest, **named):
        original(stack_id, stack_name, logical_id, resource_type, status, reason, *rest, **named)
        if resource_type != "AWS::CloudFormation::Stack" or logical_id != stack_name:
            return
        now = datetime.now(timezone.utc)
        event_targets.dispatch({
            "EventId": str(uuid.uuid4()), "Source": "aws.cloudformation",
            "DetailType": "CloudFormation Stack Status Change", "EventBusName": "default",
            "Account": get_account_id(), "Region": get_region(), "Time": int(now.timestamp()), "Resources": [stack_id],
            "Detail": json.dumps({
                "stack-id": stack_id, "status-details": {"status": status, "status-reason": reason},
                "client-request-token": ""}),
        }, {"ENABLED"})
    return add


def _with_pseudo_parameters(original):
    """Conditions may ask for the Region, as any other value; MiniStack takes the name for the value."""
    def evaluate(template, params):
        pseudo = {"AWS::Region": get_region(), "AWS::AccountId": get_account_id(), "AWS::Partition": "aws"}
        return original(template, {**{name: {"Value": value} for name, value in pseudo.items()}, **params})
    return evaluate


def _with_numbers(original):
    def step(*arguments, **options):
        return original(*(_numbers(argument) if isinstance(argument, dict) else argument for argument in arguments),
                        **options)
    return step


def _numbers(value, name: str = ""):
    if isinstance(value, dict):
        return value if name == "Variables" else {key: _numbers(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item, name) for item in value]
    if name in NUMBERS and isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return value


def _mapping_created(original):
    def create(logical_id, props, stack_name):
        function, _, _ = lambda_svc._get_func_record_for_ref(props.get("FunctionName", ""))
        if function and ":sqs:" in props.get("EventSourceArn", ""):
            reason = event_targets.unreadable(function["config"]["Role"], props["EventSourceArn"],
                                              int(function["config"].get("Timeout", 3)))
            if reason:
                raise ValueError(reason)
        return original(logical_id, props, stack_name)
    return create


def _bucket_created(original):
    def create(logical_id, props, stack_name):
        name, attributes = original(logical_id, props, stack_name)
        _configure(name, props)
        return name, attributes
    return create


def _bucket_updated(original):
    def update(physical_id, old_props, new_props, stack_name):
        name, attributes = original(physical_id, old_props, new_props, stack_name)
        _configure(name, new_props)
        return name, attributes
    return update


def _configure(name: str, props: dict) -> None:
    """Object Lock, encryption, life cycle, ownership and logging, each by the call that a person would make."""
    if str(props.get("ObjectLockEnabled", "")).lower() == "true":
        rule = (props.get("ObjectLockConfiguration") or {}).get("Rule")
        s3._bucket_versioning[name] = "Enabled"
        _put(s3._put_object_lock_configuration, name, "ObjectLockConfiguration",
             {"ObjectLockEnabled": "Enabled", **({"Rule": rule} if rule else {})})
    if rules := (props.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration"):
        _put(s3._put_bucket_encryption, name, "ServerSideEncryptionConfiguration", {"Rule": [
            {**({"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
                if "ServerSideEncryptionByDefault" in rule else {}),
             "BucketKeyEnabled": str(rule.get("BucketKeyEnabled", False)).lower()} for rule in rules]})
    if rules := (props.get("LifecycleConfiguration") or {}).get("Rules"):
        _put(s3._put_bucket_lifecycle, name, "LifecycleConfiguration", {"Rule": [_life_cycle(rule) for rule in rules]})
    if rules := (props.get("OwnershipControls") or {}).get("Rules"):
        _put(s3._put_bucket_ownership_controls, name, "OwnershipControls", {"Rule": rules})
    if logging := props.get("LoggingConfiguration"):
        _put(s3._put_bucket_logging, name, "BucketLoggingStatus", {"LoggingEnabled": {
            "TargetBucket": logging.get("DestinationBucketName", name),
            "TargetPrefix": logging.get("LogFilePrefix", "")}})


def _life_cycle(rule: dict) -> dict:
    """A rule as the API spells it, which is not how CloudFormation does."""
    spelled = {"ID": rule.get("Id", ""), "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        spelled["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "NoncurrentVersionExpirationInDays" in rule:
        spelled["NoncurrentVersionExpiration"] = {"NoncurrentDays": rule["NoncurrentVersionExpirationInDays"]}
    for name in ("NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"):
        if name in rule:
            spelled[name] = rule[name]
    spelled["Transition"] = [{"Days": transition.get("TransitionInDays", 0), "StorageClass": transition["StorageClass"]}
                             for transition in rule.get("Transitions", [])]
    return spelled


def _put(put, bucket: str, root: str, content: dict) -> None:
    reply = put(bucket, f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{_xml(content)}</{root}>'.encode())
    if reply[0] >= 300:
        raise ValueError(f"AWS::S3::Bucket {root}: {reply[2]!r}")


def _xml(content) -> str:
    if isinstance(content, dict):
        return "".join(f"<{name}>{_xml(item)}</{name}>" for name, value in content.items()
                       for item in (value if isinstance(value, list) else [value]))
    return escape(str(content))


def _function_created(original):
    def create(logical_id, props, stack_name):
        _require_code(props)
        name, attributes = original(logical_id, props, stack_name)
        _complete(name, props)
        return name, attributes
    return create


def _function_updated(original):
    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        if new_props.get("Code") != old_props.get("Code"):
            _require_code(new_props)
        name, attributes = original(physical_id, old_props, new_props, stack_name, logical_id=logical_id)
        _complete(name, new_props)
        return name, attributes
    return update


def _require_code(props: dict) -> None:
    code = props.get("Code") or {}
    if code.get("S3Bucket") and lambda_svc._fetch_code_from_s3(
            code["S3Bucket"], code.get("S3Key"), version_id=code.get("S3ObjectVersion")) is None:
        raise ValueError(f"Error occurred while GetObject s3://{code['S3Bucket']}/{code.get('S3Key')}. "
                         "S3 Error Code: NoSuchKey.")


def _complete(name: str, props: dict) -> None:
    function = lambda_svc._functions[name]
    for key in ("DeadLetterConfig", "KmsKeyArn"):
        if key in props:
            function["config"]["KMSKeyArn" if key == "KmsKeyArn" else key] = props[key]
        else:
            function["config"].pop(key, None)
    reserved = props.get("ReservedConcurrentExecutions")
    function["concurrency"] = None if reserved is None else int(reserved)
    function["code_signing_config_arn"] = props.get("CodeSigningConfigArn", "")
    if props.get("RecursiveLoop"):
        function["recursive_loop"] = props["RecursiveLoop"]
    if props.get("RuntimeManagementConfig"):
        function["runtime_management"] = {"$LATEST": props["RuntimeManagementConfig"]}
