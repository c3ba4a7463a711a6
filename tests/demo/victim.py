"""The function that will be attacked: a small billing API with a layer, a secret, data, a URL, a role and a release."""

import io
import json
import secrets
import zipfile
from dataclasses import dataclass

from demo import Unexpected

NAME = "billing-api"
ROLE = "billing-api-role"
RUNTIME = "python3.12"
PARAMETER = "/billing/tax"
INVOICES = {"2026-1041": 10000, "2026-1042": 25950}

CODE = '''\
"""Answers what an invoice comes to."""

import json
import os

import boto3
from money import with_tax

PERCENT = int(boto3.client("ssm").get_parameter(Name="/billing/tax")["Parameter"]["Value"])
INVOICES = boto3.client("s3")


def connection():
    return f"postgresql://billing:{os.environ['DATABASE_PASSWORD']}@database.internal/billing"


def handler(event, context):
    invoice = event["invoice"]
    stored = INVOICES.get_object(Bucket=os.environ["INVOICES"], Key=f"{invoice}.json")
    total = with_tax(json.load(stored["Body"])["cents"], PERCENT)
    print(f"invoice {invoice}: {total}")
    return {"statusCode": 200, "body": json.dumps({"invoice": invoice, "total": total})}
'''

LAYER_CODE = '''\
"""Amounts of money, in cents and in words."""


def with_tax(cents, percent):
    total = cents * (100 + percent) // 100
    return f"{total // 100}.{total % 100:02} EUR"
'''


@dataclass(frozen=True)
class Victim:
    """What the story needs to know of it later."""

    secret: str
    layer_arn: str
    url: str
    bucket: str  # where its invoices are
    answer: str


def create(account) -> Victim:
    """As the account's owner would: data, role, log group, layer, function, URL, a version and an alias; and first calls."""
    iam, functions, logs = (account.client(name) for name in ("iam", "lambda", "logs"))
    bucket = _data(account)
    role = iam.create_role(RoleName=ROLE, Description="Runs the billing API", AssumeRolePolicyDocument=policy(
        Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="logs-and-traces", PolicyDocument=policy(
        Action=["logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        Resource="*"))
    iam.put_role_policy(RoleName=ROLE, PolicyName="invoices", PolicyDocument=policy(
        Action=["s3:GetObject", "s3:ListBucket", "ssm:GetParameter"],
        Resource=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*",
                  f"arn:aws:ssm:{account.region}:{account.id}:parameter{PARAMETER}"]))
    logs.create_log_group(logGroupName=f"/aws/lambda/{NAME}")
    logs.put_retention_policy(logGroupName=f"/aws/lambda/{NAME}", retentionInDays=30)
    layer = functions.publish_layer_version(
        LayerName="billing-money", Description="Amounts of money", CompatibleRuntimes=[RUNTIME],
        Content={"ZipFile": package({"python/money.py": LAYER_CODE})})["LayerVersionArn"]
    # Marked, so that it can be searched for in everything that coldcase writes.
    secret = f"marked-secret-{secrets.token_hex(8)}"
    functions.create_function(
        FunctionName=NAME, Runtime=RUNTIME, Role=role, Handler="billing.handler", Timeout=10, Layers=[layer],
        Code={"ZipFile": package({"billing.py": CODE})}, Tags={"team": "billing"},
        Environment={"Variables": {"DATABASE_PASSWORD": secret, "STAGE": "production", "INVOICES": bucket}})
    settle(functions)
    url = functions.create_function_url_config(FunctionName=NAME, AuthType="AWS_IAM")["FunctionUrl"]
    version = functions.publish_version(FunctionName=NAME, Description="First release")["Version"]
    functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion=version)
    answer = ask(functions, "2026-1041", Qualifier="live")
    # Whoever asks without a version asks the newest code; and not everybody asks properly.
    ask(functions, "2026-1042")
    ask(functions, None)
    return Victim(secret, layer, url, bucket, answer["body"])


def _data(account) -> str:
    """The invoices, and what tax there is on them."""
    s3, bucket = account.client("s3"), f"billing-invoices-{account.id}"
    s3.create_bucket(Bucket=bucket)
    for number, cents in INVOICES.items():
        s3.put_object(Bucket=bucket, Key=f"{number}.json", Body=json.dumps({"cents": cents}).encode())
    account.client("ssm").put_parameter(Name=PARAMETER, Value="19", Type="String")
    return bucket


def ask(functions, invoice: str | None, **how) -> dict:
    """A customer's question; without an invoice it ends in an error, as it should."""
    reply = functions.invoke(FunctionName=NAME, Payload=json.dumps({"invoice": invoice} if invoice else {}), **how)
    answer = json.loads(reply["Payload"].read())
    if bool(reply.get("FunctionError")) == bool(invoice):
        raise Unexpected(f"{NAME} answered {answer}")
    return answer


def settle(functions) -> None:
    """Returns once no change of the function is under way."""
    functions.get_waiter("function_active_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    functions.get_waiter("function_updated_v2").wait(FunctionName=NAME, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})


def package(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def policy(**statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
