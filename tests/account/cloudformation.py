"""What MiniStack's CloudFormation drops of buckets and functions, put in place after it made them."""

from ministack.services import lambda_svc, s3
from ministack.services.cloudformation import provisioners


def apply() -> None:
    """Replaces entries of the table through which every resource is made and changed."""
    bucket, function = (provisioners._RESOURCE_HANDLERS[name] for name in ("AWS::S3::Bucket", "AWS::Lambda::Function"))
    bucket["create"], bucket["update"] = _bucket_created(bucket["create"]), _bucket_updated(bucket["update"])
    function["create"], function["update"] = _function_created(function["create"]), _function_updated(function["update"])


def _bucket_created(original):
    def create(logical_id, props, stack_name):
        name, attributes = original(logical_id, props, stack_name)
        _lock(name, props)
        return name, attributes
    return create


def _bucket_updated(original):
    def update(physical_id, old_props, new_props, stack_name):
        name, attributes = original(physical_id, old_props, new_props, stack_name)
        _lock(name, new_props)
        return name, attributes
    return update


def _lock(name: str, props: dict) -> None:
    if str(props.get("ObjectLockEnabled", "")).lower() != "true":
        return
    rule = (props.get("ObjectLockConfiguration") or {}).get("Rule") or {}
    retention = rule.get("DefaultRetention")
    s3._bucket_versioning[name] = "Enabled"
    s3._bucket_object_lock[name] = {"enabled": True, "default_retention": {
        key: value if key == "Mode" else int(value) for key, value in retention.items()} if retention else None}


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
