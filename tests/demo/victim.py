"""The function that will be attacked: a small billing API with a layer, a secret, a URL, a role and a released version."""

import io
import json
import secrets
import zipfile
from dataclasses import dataclass

NAME = "billing-api"
ROLE = "billing-api-role"
RUNTIME = "python3.12"

CODE = '''\
"""Answers what an invoice comes to."""

import json
import os

from money import with_tax

INVOICES = {"2026-1041": 10000, "2026-1042": 25950}


def connection():
    return f"postgresql://billing:{os.environ['DATABASE_PASSWORD']}@database.internal/billing"


def handler(event, context):
    invoice = event.get("invoice", "2026-1041")
    if invoice not in INVOICES:
        return {"statusCode": 404, "body": json.dumps({"error": "no such invoice"})}
    total = with_tax(INVOICES[invoice])
    return {"statusCode": 200, "body": json.dumps({"invoice": invoice, "total": total})}
'''

LAYER_CODE = '''\
"""Amounts of money, in cents and in words."""


def with_tax(cents, percent=19):
    total = cents * (100 + percent) // 100
    return f"{total // 100}.{total % 100:02} EUR"
'''


@dataclass(frozen=True)
class Victim:
    """What the story needs to know of it later."""

    secret: str
    layer_arn: str
    url: str
    answer: str


def create(account) -> Victim:
    """As the account's owner would: role, log group, layer, function, URL, a version and an alias; and a first call."""
    iam, functions, logs = (account.client(name) for name in ("iam", "lambda", "logs"))
    role = iam.create_role(RoleName=ROLE, Description="Runs the billing API", AssumeRolePolicyDocument=policy(
        Principal={"Service": "lambda.amazonaws.com"}, Action="sts:AssumeRole"))["Role"]["Arn"]
    iam.put_role_policy(RoleName=ROLE, PolicyName="logs-and-traces", PolicyDocument=policy(
        Action=["logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        Resource="*"))
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
        Environment={"Variables": {"DATABASE_PASSWORD": secret, "STAGE": "production"}})
    settle(functions)
    url = functions.create_function_url_config(FunctionName=NAME, AuthType="AWS_IAM")["FunctionUrl"]
    version = functions.publish_version(FunctionName=NAME, Description="First release")["Version"]
    functions.create_alias(FunctionName=NAME, Name="live", FunctionVersion=version)
    reply = functions.invoke(FunctionName=NAME, Qualifier="live", Payload=json.dumps({"invoice": "2026-1041"}))
    answer = json.loads(reply["Payload"].read())
    return Victim(secret, layer, url, answer.get("body") or json.dumps(answer))


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
