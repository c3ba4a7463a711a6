"""The calls that the generated trail records: what each asks and answers, in the shape and size that CloudTrail gives it."""

import base64
import json
import random
from dataclasses import dataclass, field
from datetime import datetime

from bench.trail.landscape import ROLE_ARN, Account, Session, address_of, iso, key_of, uuid_of


@dataclass
class Call:
    service: str
    name: str
    read_only: bool
    request: dict | None
    response: dict | None = None
    additional: dict | None = None
    resources: list | None = None
    is_data: bool = False
    extra: dict = field(default_factory=dict)


@dataclass
class Scene:
    """Where and when a call happens, and who makes it."""

    rng: random.Random
    account: Account
    region: str
    session: Session
    now: datetime

    def arn(self, service: str, rest: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account.number}:{rest}"


# ---------------------------------------------------------------- data events

def get_object(scene: Scene) -> Call:
    return _object(scene, "GetObject", True, scene.rng.randrange(200, 4_000_000), 0)


def put_object(scene: Scene) -> Call:
    return _object(scene, "PutObject", False, 0, scene.rng.randrange(200, 4_000_000))


def head_object(scene: Scene) -> Call:
    return _object(scene, "HeadObject", True, 0, 0)


def _object(scene: Scene, name: str, read_only: bool, bytes_out: int, bytes_in: int) -> Call:
    rng, bucket = scene.rng, scene.rng.choice(scene.account.buckets)
    key = f"{rng.choice(('exports', 'uploads', 'events', 'invoices'))}/dt={scene.now:%Y-%m-%d}/part-{rng.randrange(10**5):05}-{rng.getrandbits(32):08x}.json.gz"
    response = {"x-amz-server-side-encryption": "AES256"} if name == "PutObject" else None
    additional = {"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": bytes_in,
                  "SSEApplied": "Default_SSE_S3", "AuthenticationMethod": "AuthHeader",
                  "x-amz-id-2": base64.b64encode(rng.randbytes(57)).decode(), "bytesTransferredOut": bytes_out}
    return Call("s3", name, read_only, {"bucketName": bucket, "Host": f"{bucket}.s3.{scene.region}.amazonaws.com", "key": key},
                response, additional,
                [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
                 {"accountId": scene.account.number, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}], is_data=True)


def get_item(scene: Scene) -> Call:
    return _item(scene, "GetItem", True)


def put_item(scene: Scene) -> Call:
    return _item(scene, "PutItem", False)


def query(scene: Scene) -> Call:
    return _item(scene, "Query", True)


def _item(scene: Scene, name: str, read_only: bool) -> Call:
    table = scene.rng.choice(scene.account.tables)
    request = {"tableName": table}
    if name == "Query":
        request |= {"keyConditionExpression": "#pk = :pk AND begins_with(#sk, :sk)", "indexName": "by-customer", "limit": 100,
                    "scanIndexForward": False}
    else:
        request |= {"key": {"pk": f"CUSTOMER#{scene.rng.randrange(10**7)}", "sk": f"INVOICE#{scene.now:%Y%m}"},
                    "returnConsumedCapacity": "NONE", "consistentRead": False}
    return Call("dynamodb", name, read_only, request, None, None,
                [{"accountId": scene.account.number, "type": "AWS::DynamoDB::Table", "ARN": scene.arn("dynamodb", f"table/{table}")}],
                is_data=True, extra={"apiVersion": "2012-08-10"})


def invoke(scene: Scene) -> Call:
    arn = scene.arn("lambda", f"function:{scene.rng.choice(scene.account.functions)}")
    return Call("lambda", "Invoke", False, {"functionName": arn, "invocationType": "RequestResponse"}, None,
                {"functionVersion": f"{arn}:$LATEST"},
                [{"accountId": scene.account.number, "type": "AWS::Lambda::Function", "ARN": arn}], is_data=True)


# ---------------------------------------------------------------- what workloads do all day

def decrypt(scene: Scene) -> Call:
    key = scene.rng.choice(scene.account.keys)
    arn, context = scene.arn("kms", f"key/{key}"), {"aws:s3:arn": f"arn:aws:s3:::{scene.rng.choice(scene.account.buckets)}"}
    return Call("kms", "Decrypt", True, {"encryptionContext": context, "encryptionAlgorithm": "SYMMETRIC_DEFAULT", "keyId": arn},
                None, {"keyMaterialId": key.replace("-", "") * 2},
                [{"accountId": scene.account.number, "type": "AWS::KMS::Key", "ARN": arn}])


def generate_data_key(scene: Scene) -> Call:
    arn = scene.arn("kms", f"key/{scene.rng.choice(scene.account.keys)}")
    context = {"aws:cloudtrail:arn": scene.arn("cloudtrail", "trail/management"),
               "aws:s3:arn": f"arn:aws:s3:::{scene.rng.choice(scene.account.buckets)}/AWSLogs/{scene.account.number}/{scene.now:%Y/%m/%d/%H}"}
    return Call("kms", "GenerateDataKey", True, {"keyId": arn, "keySpec": "AES_256", "encryptionContext": context}, None, None,
                [{"accountId": scene.account.number, "type": "AWS::KMS::Key", "ARN": arn}])


def get_parameters(scene: Scene) -> Call:
    names = scene.rng.sample(scene.account.parameters, scene.rng.randrange(1, 7))
    return Call("ssm", "GetParameters", True, {"withDecryption": True, "names": names}, None, None,
                [{"accountId": scene.account.number, "ARN": scene.arn("ssm", f"parameter{name}")} for name in names])


def get_secret_value(scene: Scene) -> Call:
    name = scene.rng.choice(scene.account.parameters)
    return Call("secretsmanager", "GetSecretValue", True, {"secretId": scene.arn("secretsmanager", f"secret:{name[1:]}-aB3xYz")})


def create_log_stream(scene: Scene) -> Call:
    function = scene.rng.choice(scene.account.functions)
    return Call("logs", "CreateLogStream", False,
                {"logGroupName": f"/aws/lambda/{function}",
                 "logStreamName": f"{scene.now:%Y/%m/%d}/[$LATEST]{scene.rng.getrandbits(128):032x}"}, extra={"apiVersion": "20140328"})


def get_queue_attributes(scene: Scene) -> Call:
    queue = scene.rng.choice(scene.account.functions)
    return Call("sqs", "GetQueueAttributes", True,
                {"attributeNames": ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
                 "queueUrl": f"https://sqs.{scene.region}.amazonaws.com/{scene.account.number}/{queue}"}, None, None,
                [{"accountId": scene.account.number, "type": "AWS::SQS::Queue", "ARN": scene.arn("sqs", queue)}])


def assume_role(scene: Scene) -> Call:
    """Mostly by services for roles, the one asked for among them: its ARN stands in records that are not its own."""
    rng, role = scene.rng, scene.rng.choice(scene.account.roles)
    session = role.name if role.kind == "lambda" else f"{rng.getrandbits(64):016x}"
    expires = scene.now.replace(hour=(scene.now.hour + 1) % 24)
    token = base64.b64encode(rng.randbytes(72)).decode()
    return Call("sts", "AssumeRole", True,
                {"roleArn": role.arn, "roleSessionName": session, "durationSeconds": 3600},
                {"credentials": {"accessKeyId": key_of(rng, "ASIA", 16), "sessionToken": "IQoJb3JpZ2luX2VjE" + token,
                                 "expiration": expires.strftime("%b %-d, %Y, %-I:%M:%S %p")},
                 "assumedRoleUser": {"assumedRoleId": f"{role.principal}:{session}",
                                     "arn": f"arn:aws:sts::{scene.account.number}:assumed-role/{role.name}/{session}"}},
                None, [{"accountId": scene.account.number, "type": "AWS::IAM::Role", "ARN": role.arn}],
                extra={"sharedEventID": uuid_of(rng)})


def get_caller_identity(scene: Scene) -> Call:
    return Call("sts", "GetCallerIdentity", True, None)


def update_instance_information(scene: Scene) -> Call:
    instance = scene.rng.choice(scene.account.instances)
    return Call("ssm", "UpdateInstanceInformation", False,
                {"instanceId": instance, "agentVersion": "3.3.3050.0", "agentStatus": "Active", "platformType": "Linux",
                 "platformName": "Amazon Linux", "platformVersion": "2023", "iPAddress": f"10.0.{scene.rng.randrange(256)}.{scene.rng.randrange(256)}",
                 "computerName": f"ip-10-0-{scene.rng.randrange(256)}-{scene.rng.randrange(256)}.{scene.region}.compute.internal",
                 "agentName": "amazon-ssm-agent", "availabilityZone": f"{scene.region}a", "sSMConnectionChannel": "ssmmessages"})


def batch_get_image(scene: Scene) -> Call:
    repository = scene.rng.choice(scene.account.functions)
    return Call("ecr", "BatchGetImage", True,
                {"registryId": scene.account.number, "repositoryName": repository,
                 "imageIds": [{"imageDigest": f"sha256:{scene.rng.getrandbits(256):064x}"}],
                 "acceptedMediaTypes": ["application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json",
                                        "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json"]},
                None, None, [{"accountId": scene.account.number, "ARN": scene.arn("ecr", f"repository/{repository}")}])


def get_authorization_token(scene: Scene) -> Call:
    return Call("ecr", "GetAuthorizationToken", True, None)


# ---------------------------------------------------------------- what people, pipelines and services look at

DESCRIBES = (
    ("ec2", "DescribeInstances", {"instancesSet": {}, "filterSet": {"items": [{"name": "instance-state-name", "valueSet": {"items": [{"value": "running"}]}}]}}),
    ("ec2", "DescribeNetworkInterfaces", {"networkInterfaceIdSet": {}, "filterSet": {}, "maxResults": 1000}),
    ("ec2", "DescribeSecurityGroups", {"maxResults": 1000, "securityGroupSet": {}, "securityGroupIdSet": {}, "filterSet": {}}),
    ("ec2", "DescribeVolumes", {"volumeSet": {}, "filterSet": {}}),
    ("ec2", "DescribeInstanceStatus", {"instancesSet": {}, "filterSet": {}, "includeAllInstances": True}),
    ("elasticloadbalancing", "DescribeTargetHealth", {"targetGroupArn": "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/web-gateway/{hex}"}),
    ("elasticloadbalancing", "DescribeLoadBalancers", {"pageSize": 400}),
    ("autoscaling", "DescribeAutoScalingGroups", {"maxRecords": 100}),
    ("monitoring", "DescribeAlarms", {"maxRecords": 100, "alarmTypes": ["MetricAlarm", "CompositeAlarm"]}),
    ("rds", "DescribeDBInstances", {"maxRecords": 100}),
    ("lambda", "ListFunctions20150331", {"maxItems": 50, "masterRegion": "ALL", "functionVersion": "ALL"}),
    ("lambda", "GetFunction20150331v2", {"functionName": "{function}"}),
    ("iam", "GetRole", {"roleName": "{role}"}),
    ("iam", "ListAttachedRolePolicies", {"roleName": "{role}"}),
    ("iam", "GetRolePolicy", {"roleName": "{role}", "policyName": "inline"}),
    ("s3", "GetBucketPolicy", {"bucketName": "{bucket}", "Host": "{bucket}.s3.amazonaws.com", "policy": ""}),
    ("s3", "GetBucketEncryption", {"bucketName": "{bucket}", "Host": "{bucket}.s3.amazonaws.com", "encryption": ""}),
    ("s3", "ListBuckets", {"Host": "s3.amazonaws.com"}),
    ("cloudformation", "DescribeStacks", {"stackName": "{function}"}),
    ("cloudformation", "DescribeStackEvents", {"stackName": "{function}"}),
    ("eks", "DescribeCluster", {"name": "{function}"}),
    ("cloudtrail", "LookupEvents", {"maxResults": 50, "lookupAttributes": [{"attributeKey": "ResourceName", "attributeValue": "{function}"}]}),
    ("config", "DescribeConfigurationRecorderStatus", None),
    ("logs", "DescribeLogGroups", {"limit": 50, "logGroupNamePrefix": "/aws/lambda/{function}"}),
    ("dynamodb", "DescribeTable", {"tableName": "{table}"}),
    ("sns", "GetTopicAttributes", {"topicArn": "arn:aws:sns:{region}:{account}:{function}"}),
    ("tagging", "GetResources", {"resourcesPerPage": 100, "tagFilters": [{"key": "team", "values": ["billing", "orders"]}]}),
)
# As text, so that the names go in by one replacement each.
_DESCRIBES = tuple((service, name, json.dumps(request)) for service, name, request in DESCRIBES)


def describe(scene: Scene) -> Call:
    rng, account = scene.rng, scene.account
    service, name, request = rng.choice(_DESCRIBES)
    if "{" in request[1:]:
        request = (request.replace("{function}", rng.choice(account.functions)).replace("{role}", rng.choice(account.roles).name)
                   .replace("{bucket}", rng.choice(account.buckets)).replace("{table}", rng.choice(account.tables))
                   .replace("{account}", account.number).replace("{region}", scene.region).replace("{hex}", f"{rng.getrandbits(64):016x}"))
    return Call(service, name, True, json.loads(request))


# ---------------------------------------------------------------- what changes something

def policy_document(scene: Scene) -> str:
    bucket, table = scene.rng.choice(scene.account.buckets), scene.rng.choice(scene.account.tables)
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "Objects", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
         "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]},
        {"Sid": "Items", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
         "Resource": scene.arn("dynamodb", f"table/{table}"),
         "Condition": {"StringEquals": {"aws:PrincipalAccount": scene.account.number}}}]}, indent=1)


def put_role_policy(scene: Scene) -> Call:
    return Call("iam", "PutRolePolicy", False, {"roleName": scene.rng.choice(scene.account.roles).name, "policyName": "inline",
                                                "policyDocument": policy_document(scene)})


def put_bucket_policy(scene: Scene) -> Call:
    bucket = scene.rng.choice(scene.account.buckets)
    return Call("s3", "PutBucketPolicy", False,
                {"bucketPolicy": json.loads(policy_document(scene)), "bucketName": bucket, "Host": f"{bucket}.s3.amazonaws.com", "policy": ""},
                None, {"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": 812,
                       "AuthenticationMethod": "AuthHeader", "x-amz-id-2": base64.b64encode(scene.rng.randbytes(57)).decode(), "bytesTransferredOut": 0})


def update_function_code(scene: Scene) -> Call:
    rng, function = scene.rng, scene.rng.choice(scene.account.functions)
    # The role is passed along: its ARN stands in a record of whoever deploys.
    return Call("lambda", "UpdateFunctionCode20150331v2", False,
                {"functionName": function, "s3Bucket": f"aws-sam-cli-managed-default-{scene.account.number}",
                 "s3Key": f"{function}/{rng.getrandbits(128):032x}", "publish": False, "dryRun": False},
                {"functionName": function, "functionArn": scene.arn("lambda", f"function:{function}"), "runtime": "python3.12",
                 "role": rng.choice(scene.account.roles).arn, "handler": "index.handler", "codeSize": rng.randrange(10**4, 10**7),
                 "description": "", "timeout": 30, "memorySize": 256, "lastModified": f"{scene.now:%Y-%m-%dT%H:%M:%S}.000+0000",
                 "codeSha256": base64.b64encode(rng.randbytes(32)).decode(), "version": "$LATEST", "environment": {},
                 "tracingConfig": {"mode": "PassThrough"}, "revisionId": uuid_of(rng), "layers": [], "state": "Active",
                 "lastUpdateStatus": "InProgress", "lastUpdateStatusReason": "The function is being created.", "packageType": "Zip",
                 "architectures": ["x86_64"], "ephemeralStorage": {"size": 512}, "snapStart": {"applyOn": "None", "optimizationStatus": "Off"},
                 "loggingConfig": {"logFormat": "Text", "logGroup": f"/aws/lambda/{function}"}})


def create_network_interface(scene: Scene) -> Call:
    rng = scene.rng
    interface, address = f"eni-0{rng.getrandbits(64):016x}", f"10.0.{rng.randrange(256)}.{rng.randrange(256)}"
    groups = {"items": [{"groupId": "sg-0f1e2d3c4b5a69788", "groupName": "workloads"}]}
    tags = {"items": [{"key": "cluster.k8s.amazonaws.com/name", "value": "web"}, {"key": "node.k8s.amazonaws.com/instance_id", "value": rng.choice(scene.account.instances)}]}
    return Call("ec2", "CreateNetworkInterface", False,
                {"subnetId": "subnet-0a1b2c3d4e5f60718", "description": f"AWS Lambda VPC ENI-{rng.choice(scene.account.functions)}-{uuid_of(rng)}",
                 "groupSet": {"items": [{"groupId": "sg-0f1e2d3c4b5a69788"}]}, "privateIpAddressesSet": {}, "clientToken": uuid_of(rng)},
                {"requestId": uuid_of(rng), "networkInterface": {
                    "networkInterfaceId": interface, "subnetId": "subnet-0a1b2c3d4e5f60718", "vpcId": "vpc-0123456789abcdef0",
                    "availabilityZone": f"{scene.region}a", "description": "AWS Lambda VPC ENI", "ownerId": scene.account.number,
                    "requesterId": f"AROA{interface[4:20].upper()}:{scene.account.number}", "requesterManaged": False, "status": "pending",
                    "macAddress": ":".join(f"{rng.randrange(256):02x}" for _ in range(6)), "privateIpAddress": address,
                    "privateDnsName": f"ip-{address.replace('.', '-')}.{scene.region}.compute.internal", "sourceDestCheck": True,
                    "interfaceType": "interface", "groupSet": groups, "tagSet": tags,
                    "privateIpAddressesSet": {"item": [{"privateIpAddress": address, "primary": True,
                                                        "privateDnsName": f"ip-{address.replace('.', '-')}.{scene.region}.compute.internal"}]},
                    "ipv6AddressesSet": {}}})


def run_instances(scene: Scene) -> Call:
    """One of the large records: many instances in one answer."""
    rng, count = scene.rng, scene.rng.randrange(1, 9)
    image = "ami-0c38b837cd80f13bb"

    def instance() -> dict:
        address = f"10.0.{rng.randrange(256)}.{rng.randrange(256)}"
        return {"instanceId": f"i-0{rng.getrandbits(64):016x}", "imageId": image, "bootMode": "uefi-preferred", "currentInstanceBootMode": "uefi",
                "instanceState": {"code": 0, "name": "pending"}, "privateDnsName": f"ip-{address.replace('.', '-')}.{scene.region}.compute.internal",
                "amiLaunchIndex": 0, "productCodes": {}, "instanceType": "m7g.large", "launchTime": int(scene.now.timestamp()) * 1000,
                "placement": {"availabilityZone": f"{scene.region}b", "tenancy": "default"}, "monitoring": {"state": "pending"},
                "subnetId": "subnet-0a1b2c3d4e5f60718", "vpcId": "vpc-0123456789abcdef0", "privateIpAddress": address,
                "stateReason": {"code": "pending", "message": "pending"}, "architecture": "arm64", "rootDeviceType": "ebs", "rootDeviceName": "/dev/xvda",
                "blockDeviceMapping": {}, "virtualizationType": "hvm", "hypervisor": "xen", "clientToken": uuid_of(rng),
                "groupSet": {"items": [{"groupId": "sg-0f1e2d3c4b5a69788", "groupName": "workloads"}]}, "sourceDestCheck": True,
                "cpuOptions": {"coreCount": 2, "threadsPerCore": 1}, "enaSupport": True, "enclaveOptions": {"enabled": False},
                "metadataOptions": {"state": "pending", "httpTokens": "required", "httpPutResponseHopLimit": 2, "httpEndpoint": "enabled",
                                    "httpProtocolIpv4": "enabled", "httpProtocolIpv6": "disabled", "instanceMetadataTags": "disabled"},
                "maintenanceOptions": {"autoRecovery": "default", "rebootMigration": "default"}, "privateDnsNameOptions": {"hostnameType": "ip-name"}}
    return Call("ec2", "RunInstances", False,
                {"instancesSet": {"items": [{"imageId": image, "minCount": 1, "maxCount": count}]}, "instanceType": "m7g.large", "blockDeviceMapping": {},
                 "monitoring": {"enabled": False}, "disableApiTermination": False,
                 "launchTemplate": {"launchTemplateId": "lt-0a9b8c7d6e5f40312", "version": "14"},
                 "tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": [{"key": "team", "value": "web"}, {"key": "Name", "value": "café « web »"}]}]}},
                {"requestId": uuid_of(rng), "reservationId": f"r-0{rng.getrandbits(64):016x}", "ownerId": scene.account.number, "groupSet": {},
                 "instancesSet": {"items": [instance() for _ in range(count)]}})


def create_topic(scene: Scene) -> Call:
    name = scene.rng.choice(scene.account.functions)
    return Call("sns", "CreateTopic", False, {"name": name, "attributes": {"Policy": policy_document(scene), "TracingConfig": "PassThrough"}, "tags": []},
                {"topicArn": scene.arn("sns", name)})


WORKLOAD = {get_object: 14, put_object: 9, head_object: 4, get_item: 14, put_item: 8, query: 8, invoke: 3, decrypt: 10, get_parameters: 6,
            get_secret_value: 3, create_log_stream: 3, get_queue_attributes: 3, get_caller_identity: 1, assume_role: 1}
# What each kind of session does, and how often.
WORK = {
    "lambda": WORKLOAD,
    "task": {**WORKLOAD, batch_get_image: 3, get_authorization_token: 2},
    "instance": {update_instance_information: 8, get_object: 6, decrypt: 4, batch_get_image: 4, get_authorization_token: 3, describe: 10, assume_role: 6},
    "person": {describe: 30, get_caller_identity: 2, assume_role: 3, put_role_policy: 0.5, put_bucket_policy: 0.3, create_topic: 0.2},
    "pipeline": {describe: 40, put_role_policy: 2, put_bucket_policy: 1, update_function_code: 4, create_topic: 1, assume_role: 4, run_instances: 0.5},
    "service": {describe: 30, create_network_interface: 2, run_instances: 1},
    "aws": {assume_role: 12, generate_data_key: 8, decrypt: 3},
}
WORK = {kind: (list(calls), list(calls.values())) for kind, calls in WORK.items()}


def some_kind(scene: Scene):
    """A kind of call that whoever acts makes; called with the scene, it gives a call."""
    return scene.rng.choices(*WORK[scene.session.kind])[0]


# ---------------------------------------------------------------- the record

# What an attacker may write into a user agent: text that looks like the answer to the question asked.
LURE = f'x","sessionContext":{{"sessionIssuer":{{"type":"Role","arn":"{ROLE_ARN}"}}}},"y":"\\'


def record(scene: Scene, call: Call) -> dict:
    """The record of a call, its fields in CloudTrail's order, some of them failed."""
    rng, session = scene.rng, scene.session
    host = f"{call.service}.{scene.region}.amazonaws.com"
    agent = LURE if rng.random() < 0.0001 else session.agent
    made = {"eventVersion": "1.11", "userIdentity": session.identity, "eventTime": iso(scene.now),
            "eventSource": f"{call.service}.amazonaws.com", "eventName": call.name, "awsRegion": scene.region,
            "sourceIPAddress": session.address if rng.random() < 0.97 else address_of(rng), "userAgent": agent}
    request, response = call.request, call.response
    if rng.random() < 0.035:
        request, response = _failed(scene, call, made)
    made["requestParameters"], made["responseElements"] = request, response
    if call.additional:
        made["additionalEventData"] = call.additional
    made |= {"requestID": uuid_of(rng), "eventID": uuid_of(rng), "readOnly": call.read_only}
    if call.resources:
        made["resources"] = call.resources
    made["eventType"] = "AwsApiCall"
    if "apiVersion" in call.extra:
        made["apiVersion"] = call.extra["apiVersion"]
    made |= {"managementEvent": not call.is_data, "recipientAccountId": scene.account.number}
    if "sharedEventID" in call.extra:
        made["sharedEventID"] = call.extra["sharedEventID"]
    if call.is_data and rng.random() < 0.5:
        made |= {"vpcEndpointId": "vpce-0a1b2c3d4e5f60718", "vpcEndpointAccountId": scene.account.number}
    made["eventCategory"] = "Data" if call.is_data else "Management"
    if not session.address.endswith(".amazonaws.com"):
        made["tlsDetails"] = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": host}
    if session.kind == "person" and session.agent.startswith("Mozilla"):
        made["sessionCredentialFromConsole"] = "true"
    return made


def _failed(scene: Scene, call: Call, made: dict) -> tuple[dict | None, None]:
    """Says in the record how the call failed; what is left of its request and response."""
    kind = scene.rng.random()
    who = scene.session.identity.get("arn", "an AWS service")
    if kind < 0.5:
        made["errorCode"] = "AccessDenied"
        made["errorMessage"] = (f"User: {who} is not authorized to perform: {call.service}:{call.name} on resource: "
                                f"{scene.arn(call.service, '*')} because no identity-based policy allows the {call.service}:{call.name} action")
        return None, None
    if kind < 0.8:
        made["errorCode"], made["errorMessage"] = "ThrottlingException", "Rate exceeded"
    else:
        made["errorCode"] = "ResourceNotFoundException"
        made["errorMessage"] = f"The resource you requested does not exist: \"{scene.rng.choice(scene.account.functions)}\""
    return call.request, None
