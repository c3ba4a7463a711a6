"""Writes CloudTrail records: what AWS would have recorded of one call, with its omissions and its spelling."""

import datetime
import re
import urllib.parse
import uuid

from account.operations import Operation

# API date that CloudTrail appends to Lambda's event names, by operation.
LAMBDA_DATES = {
    "20150331": (
        "CreateFunction", "DeleteFunction", "PublishVersion", "CreateAlias", "UpdateAlias", "DeleteAlias",
        "CreateEventSourceMapping", "UpdateEventSourceMapping", "DeleteEventSourceMapping", "GetAlias", "ListAliases",
        "GetEventSourceMapping", "ListEventSourceMappings", "ListFunctions", "ListVersionsByFunction", "Invoke"),
    "20150331v2": (
        "UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "RemovePermission", "GetFunction",
        "GetFunctionConfiguration", "GetPolicy"),
    "20160819": ("GetAccountSettings",),
    "20170331": ("ListTags",),
    "20170331v2": ("TagResource", "UntagResource"),
    "20171031": ("PutFunctionConcurrency", "DeleteFunctionConcurrency"),
    "20181031": ("PublishLayerVersion", "DeleteLayerVersion", "GetLayerVersion", "GetLayerVersionPolicy",
                 "ListLayers", "ListLayerVersions", "GetLayerVersionByArn"),
}
EVENT_NAMES = {("lambda", name): name + date for date, names in LAMBDA_DATES.items() for name in names}
EVENT_NAMES |= {("s3", operation): event for operation, event in {
    "PutBucketLifecycleConfiguration": "PutBucketLifecycle",
    "GetBucketLifecycleConfiguration": "GetBucketLifecycle",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "DeleteBucketPublicAccessBlock",
}.items()}

# Calls that work on data: CloudTrail records them only where a trail asks for data events, EventBridge never by default.
DATA_EVENTS = {
    "lambda": re.compile(r"Invoke.*"),
    "s3": re.compile(r"(?!.*ObjectLockConfiguration).*Object.*|ListParts|.*MultipartUploads?|UploadPart.*|HeadBucket"),
    "sqs": re.compile(r"(Send|Receive|Delete|ChangeMessage).*(Message|Visibility).*"),
    "sns": re.compile(r"Publish.*"),
    "dynamodb": re.compile(r"(Get|Put|Update|Delete|BatchGet|BatchWrite|Transact.*)Items?|Query|Scan|Execute.*"),
    "logs": re.compile(r"PutLogEvents|(Filter|Get)LogEvents|StartLiveTail"),
    "events": re.compile(r"PutEvents"),
    "monitoring": re.compile(r"PutMetricData|GetMetric(Data|Statistics)"),
    "xray": re.compile(r"(PutTrace|PutTelemetry|Batch|GetTrace(?!SegmentDestination)|GetSampling|GetService).*"),
}
READ_ONLY = re.compile(r"(BatchGet|BatchCheck|Get|List|Describe|Lookup|Head|Simulate|Test|Search|Select|Filter|Validate"
                       r"|Estimate|Query|AssumeRole)")
READ_ONLY_KMS = re.compile(r"(Encrypt|Decrypt|ReEncrypt|GenerateDataKey|GenerateMac|GenerateRandom|Sign|Verify)")

GLOBAL_SERVICES = ("iam",)  # recorded in us-east-1 wherever the caller was

# Members that CloudTrail never repeats.
OMITTED = {
    "lambda": {"ZipFile"},
    "iam": {"SecretAccessKey", "Password"},
    "sts": {"SecretAccessKey"},
    "kms": {"Plaintext", "CiphertextBlob", "Signature", "Message", "Mac"},
    "secretsmanager": {"SecretString", "SecretBinary"},
    "ecr": {"layerPartBlob", "authorizationToken"},
}


def is_data_event(operation: Operation) -> bool:
    pattern = DATA_EVENTS.get(operation.service)
    return bool(pattern and pattern.fullmatch(operation.name))


def is_read_only(operation: Operation) -> bool:
    if operation.service == "kms" and READ_ONLY_KMS.match(operation.name):
        return True
    return bool(READ_ONLY.match(operation.name))


def event_name(operation: Operation) -> str:
    return EVENT_NAMES.get((operation.service, operation.name), operation.name)


def record(operation: Operation, reply: dict, *, identity: dict, account: str, region: str, source_ip: str,
           user_agent: str, request_id: str, time: datetime.datetime, host: str) -> dict:
    """The record of one call: `reply` is what read_reply made of the answer."""
    error, read_only = reply.get("Error"), is_read_only(operation)
    written = {
        "eventVersion": "1.09",
        "userIdentity": identity,
        "eventTime": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{operation.service}.amazonaws.com",
        "eventName": event_name(operation),
        "awsRegion": "us-east-1" if operation.service in GLOBAL_SERVICES else region,
        "sourceIPAddress": source_ip,
        "userAgent": user_agent,
        "requestParameters": request_parameters(operation, host),
        # Becoming a role counts as a read, yet the record tells what was handed out.
        "responseElements": (None if error or read_only and not operation.name.startswith("AssumeRole")
                             else response_elements(operation, reply)),
        "requestID": request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": read_only,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
    }
    if error:
        denied = error.get("Code") in ("AccessDenied", "AccessDeniedException", "AuthorizationError",
                                       "AuthorizationErrorException", "UnauthorizedOperation")
        written["errorCode"] = "AccessDenied" if denied else error.get("Code", "")
        written["errorMessage"] = error.get("Message", "")
        if denied:
            # A refused call was never parsed: its target stands in the message alone.
            written["requestParameters"] = None
    resources = _resources(operation, account, region)
    if resources:
        written["resources"] = resources
    return written


def request_parameters(operation: Operation, host: str) -> dict | None:
    if operation.service == "s3":
        return _s3_parameters(operation, host)
    parameters = _spelled(operation.parameters, operation.model.input_shape, operation.service)
    if operation.service == "lambda":
        if operation.name == "UpdateFunctionCode":
            parameters.setdefault("publish", False)
            parameters.setdefault("dryRun", False)
        elif operation.name == "CreateFunction":
            parameters.setdefault("publish", False)
    return parameters or None


def response_elements(operation: Operation, reply: dict) -> dict | None:
    if operation.service == "s3" or operation.model.output_shape is None:
        return None
    return _spelled(reply, operation.model.output_shape, operation.service) or None


def _spelled(value, shape, service: str):
    """A value as CloudTrail spells it: first letters small, times in words, no bytes, no secrets."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        if service == "lambda" and shape.name in ("Environment", "EnvironmentResponse"):
            return {}
        spelled = {}
        for name, item in value.items():
            member = shape.members.get(name)
            if name in OMITTED.get(service, ()) or item is None:
                continue
            if member is not None and member.type_name == "blob":
                continue
            spelled[name[:1].lower() + name[1:]] = _spelled(item, member, service)
        return spelled
    if shape.type_name == "list" and isinstance(value, list):
        return [_spelled(item, shape.member, service) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: _spelled(item, shape.value, service) for name, item in value.items()}
    if shape.type_name == "timestamp":
        return _time_in_words(value)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value


def _time_in_words(value) -> str:
    if isinstance(value, (int, float)):
        value = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
    if not isinstance(value, datetime.datetime):
        return str(value)
    value = value.astimezone(datetime.timezone.utc)
    return f"{value:%b} {value.day}, {value:%Y} {value.hour % 12 or 12}:{value:%M:%S %p}"


def _s3_parameters(operation: Operation, host: str) -> dict:
    """S3 spells its parameters in its own way: bucketName, Host, the sub-resource as an empty string, the XML as JSON."""
    parameters = {"bucketName": operation.parameters.get("Bucket"), "Host": host}
    if "Key" in operation.parameters:
        parameters["key"] = operation.parameters["Key"]
    sub_resource = operation.model.http["requestUri"].partition("?")[2].partition("&")[0]
    if sub_resource:
        parameters[sub_resource] = ""
    if operation.name == "PutBucketPolicy":
        parameters["bucketPolicy"] = _json_or_text(operation.parameters.get("Policy"))
    else:
        for name, value in operation.parameters.items():
            if isinstance(value, bytes):
                parameters.update(_xml_as_json(value))
    return {name: value for name, value in parameters.items() if value is not None}


def _json_or_text(content):
    import json
    try:
        return json.loads(content)
    except (TypeError, ValueError):
        return content.decode(errors="replace") if isinstance(content, bytes) else content


def _xml_as_json(content: bytes) -> dict:
    from xml.etree import ElementTree
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError:
        return {}

    def convert(element):
        if len(element) == 0:
            return element.text or ""
        value = {}
        for child in element:
            name, item = child.tag.rpartition("}")[2], convert(child)
            if name in value:
                value[name] = (value[name] if isinstance(value[name], list) else [value[name]]) + [item]
            else:
                value[name] = item
        return value

    return {root.tag.rpartition("}")[2]: convert(root)}


def _resources(operation: Operation, account: str, region: str) -> list | None:
    """The resources that CloudTrail lists for S3, KMS and AssumeRole calls."""
    if operation.service == "sts" and operation.parameters.get("RoleArn"):
        return [{"accountId": account, "type": "AWS::IAM::Role", "ARN": operation.parameters["RoleArn"]}]
    if operation.service == "s3" and operation.parameters.get("Bucket"):
        bucket = urllib.parse.unquote(operation.parameters["Bucket"])
        return [{"accountId": account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}]
    if operation.service == "kms" and operation.parameters.get("KeyId"):
        from account.permissions import kms_key_arn
        return [{"accountId": account, "type": "AWS::KMS::Key",
                 "ARN": kms_key_arn(operation.parameters["KeyId"], account, region)}]
    return None
