"""The resources LookupEvents lists beside a record, by which ResourceName and ResourceType find it.

Records of AWS show: a write that succeeded lists what it names, a read lists nothing even where the record itself has
`resources` (kms Decrypt), a refused call lists nothing, and AssumeRole, though a read, lists session, key and role.
"""

# Which request parameter names a resource of which type, by event source.
PARAMETERS = {
    "lambda": {"functionName": "AWS::Lambda::Function", "fullyQualifiedArn": "AWS::Lambda::Function",
               "role": "AWS::IAM::Role", "layerName": "AWS::Lambda::LayerVersion", "layers": "AWS::Lambda::LayerVersion",
               "codeSigningConfigArn": "AWS::Lambda::CodeSigningConfig", "eventSourceArn": "AWS::Lambda::EventSource",
               "uUID": "AWS::Lambda::EventSourceMapping"},
    "iam": {"roleName": "AWS::IAM::Role", "userName": "AWS::IAM::User", "groupName": "AWS::IAM::Group",
            "policyArn": "AWS::IAM::Policy", "policyName": "AWS::IAM::Policy", "permissionsBoundary": "AWS::IAM::Policy",
            "accessKeyId": "AWS::IAM::AccessKey", "instanceProfileName": "AWS::IAM::InstanceProfile"},
    "s3": {"bucketName": "AWS::S3::Bucket"},
    "logs": {"logGroupName": "AWS::Logs::LogGroup", "logStreamName": "AWS::Logs::LogStream"},
    "events": {"name": "AWS::Events::Rule", "rule": "AWS::Events::Rule"},
    "sqs": {"queueUrl": "AWS::SQS::Queue", "queueName": "AWS::SQS::Queue"},
    "sns": {"topicArn": "AWS::SNS::Topic", "name": "AWS::SNS::Topic"},
    "cloudtrail": {"name": "AWS::CloudTrail::Trail", "trailName": "AWS::CloudTrail::Trail"},
    "dynamodb": {"tableName": "AWS::DynamoDB::Table"},
    "states": {"stateMachineArn": "AWS::StepFunctions::StateMachine", "name": "AWS::StepFunctions::StateMachine"},
    "secretsmanager": {"secretId": "AWS::SecretsManager::Secret", "name": "AWS::SecretsManager::Secret"},
    "monitoring": {"alarmNames": "AWS::CloudWatch::Alarm", "alarmName": "AWS::CloudWatch::Alarm"},
}
# The same in the response, where a path of members leads to the name.
RESPONSES = {
    "lambda": {"functionArn": "AWS::Lambda::Function", "layerVersionArn": "AWS::Lambda::LayerVersion",
               "role": "AWS::IAM::Role", "eventSourceMappingArn": "AWS::Lambda::EventSourceMapping"},
    "iam": {"role.arn": "AWS::IAM::Role", "user.arn": "AWS::IAM::User", "policy.arn": "AWS::IAM::Policy",
            "accessKey.accessKeyId": "AWS::IAM::AccessKey"},
    "cloudtrail": {"trailARN": "AWS::CloudTrail::Trail"},
    "sns": {"topicArn": "AWS::SNS::Topic"},
    "sqs": {"queueUrl": "AWS::SQS::Queue"},
    "dynamodb": {"tableDescription.tableArn": "AWS::DynamoDB::Table"},
    "states": {"stateMachineArn": "AWS::StepFunctions::StateMachine"},
}
SESSION = {"credentials.accessKeyId": "AWS::IAM::AccessKey", "assumedRoleUser.assumedRoleId": "AWS::STS::AssumedRole",
           "assumedRoleUser.arn": "AWS::STS::AssumedRole"}


def named_resources(record: dict) -> list[dict]:
    """[{ResourceType, ResourceName}] of one record; a record of any shape is taken."""
    if record.get("errorCode"):
        return []
    asked, answered = _mapping(record.get("requestParameters")), _mapping(record.get("responseElements"))
    source = str(record.get("eventSource", "")).partition(".")[0]
    if source == "sts" and str(record.get("eventName", "")).startswith("AssumeRole"):
        return _listed([*_found(answered, SESSION), *_found(asked, {
            "roleSessionName": "AWS::STS::AssumedRole", "roleArn": "AWS::IAM::Role"})])
    if record.get("readOnly") not in (False, "false"):
        return []
    named = [*_found(asked, PARAMETERS.get(source, {})), *_found(answered, RESPONSES.get(source, {}))]
    for resource in record.get("resources") if isinstance(record.get("resources"), list) else ():
        if isinstance(resource, dict):
            named.append((resource.get("type"), resource.get("ARN")))
    if source == "lambda":
        # A function that was called by its ARN is found by its name as well.
        named += [(kind, name.split(":")[6]) for kind, name in named if kind == "AWS::Lambda::Function"
                  and isinstance(name, str) and name.startswith("arn:") and name.count(":") >= 6]
    return _listed(named)


def _mapping(value) -> dict:
    return value if isinstance(value, dict) else {}


def _found(content: dict, types: dict) -> list[tuple]:
    found = []
    for path, kind in types.items() if content else ():
        value = content.get(path) if "." not in path else _at(content, path)
        if value is not None:
            found += [(kind, item) for item in (value if isinstance(value, list) else [value])]
    return found


def _at(content: dict, path: str):
    value = content
    for member in path.split("."):
        value = _mapping(value).get(member)
    return value


def _listed(named) -> list[dict]:
    kept = {(kind, name): None for kind, name in named if isinstance(kind, str) and isinstance(name, str) and name}
    return [{"ResourceType": kind, "ResourceName": name} for kind, name in kept]
