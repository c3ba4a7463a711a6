"""The accounts that the generated trail tells of: their roles, users, sessions and the things they work on."""

import random
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# The account and the role that are asked about.
ACCOUNT = "111122223333"
OTHER_ACCOUNTS = ("444455556666", "777788889999", "123456789012", "210987654321", "999900001111")
ROLE_NAME = "billing-invoices"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
HOME_REGION = "eu-west-1"

ROLES_AN_ACCOUNT = 50
TEAMS = ("billing", "orders", "search", "identity", "catalog", "shipping", "data", "platform", "mobile", "web")
PARTS = ("api", "worker", "export", "sync", "ingest", "report", "mailer", "cleanup", "stream", "gateway", "import", "index")
PEOPLE = ("amina", "bruno", "chen", "dita", "emeka", "fjóla", "george", "hana", "ivan", "joão", "katya", "liam")
UPPER = string.ascii_uppercase + "234567"

# User agents by the kind of role, and how many of the roles are of each kind.
AGENTS = {
    "lambda": (
        "Boto3/1.42.4 md/Botocore#1.42.4 ua/2.1 os/linux#5.10.245-249.976.amzn2.x86_64 md/arch#x86_64 lang/python#3.12.12 "
        "md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 m/Z,b,D,e cfg/retry-mode#legacy Botocore/1.42.4",
        "aws-sdk-nodejs/2.1692.0 linux/v22.19.0 exec-env/AWS_Lambda_nodejs22.x promise",
        "aws-sdk-java/2.33.4 md/io#sync md/http#Apache ua/2.1 api/DynamoDB#2.33.x os/Linux#5.10 lang/java#21.0.8 "
        "md/OpenJDK_64-Bit_Server_VM#21.0.8+9-LTS exec-env/AWS_Lambda_java21 m/E,e"),
    "task": (
        "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64 exec-env/AWS_ECS_FARGATE "
        "api/s3#1.88.3 m/E,g",
        "aws-sdk-js/3.901.0 ua/2.1 os/linux#6.1.153 lang/js md/nodejs#22.20.0 api/sqs#3.901.0 exec-env/AWS_ECS_FARGATE m/E"),
    "instance": (
        "aws-sdk-go/1.55.5 (go1.24.6; linux; amd64) amazon-ssm-agent/3.3.3050.0",
        "kubelet/v1.33.5 (linux/amd64) kubernetes/0a1b2c3 aws-sdk-go-v2/1.36.3"),
    "person": (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
        "aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/macos#24.6.0 md/arch#arm64 lang/python#3.13.7 md/pyimpl#CPython "
        "m/E,n,b,C cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#ec2.describe-instances"),
    "pipeline": (
        "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.15.0 "
        "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.6 m/g",),
    "service": ("autoscaling.amazonaws.com", "config.amazonaws.com", "elasticloadbalancing.amazonaws.com"),
}
SHARES = {"lambda": 0.4, "task": 0.2, "instance": 0.12, "person": 0.1, "pipeline": 0.1, "service": 0.08}


@dataclass
class Session:
    """What one set of temporary credentials, a user's key or a service looks like in a record."""

    kind: str
    identity: dict
    address: str
    agent: str
    is_the_one: bool = False


@dataclass
class Role:
    kind: str
    name: str
    arn: str
    principal: str


@dataclass
class Account:
    number: str
    roles: list[Role]
    users: list[Session]
    buckets: list[str]
    tables: list[str]
    keys: list[str]
    functions: list[str]
    instances: list[str]
    parameters: list[str]
    _sessions: dict = field(default_factory=dict)

    def session(self, rng: random.Random, role: Role, now: datetime) -> Session:
        """The role's session of this hour; credentials are renewed about that often."""
        held = self._sessions.get(role.name)
        if held is None or held[0] <= now or rng.random() < 0.002:
            held = now + timedelta(minutes=rng.randrange(20, 60)), _assumed(rng, self, role, now)
            self._sessions[role.name] = held
        return held[1]


def account(seed: int, number: str) -> Account:
    """The account of that number: always the same one for a seed."""
    rng = random.Random(f"{seed} {number}")
    names = [f"{team}-{part}" for team in TEAMS for part in PARTS]
    rng.shuffle(names)
    kinds = rng.choices(list(SHARES), SHARES.values(), k=ROLES_AN_ACCOUNT)
    roles = [_role(rng, number, kind, name) for kind, name in zip(kinds, names)]
    if number == ACCOUNT:
        # The one asked for, and two that differ from it by little.
        roles[:3] = [Role("lambda", ROLE_NAME, ROLE_ARN, key_of(rng, "AROA", 17)),
                     _role(rng, number, "lambda", f"{ROLE_NAME}-admin"), _role(rng, number, "task", ROLE_NAME[:-1])]
    return Account(
        number, roles, [_user(rng, number, name) for name in rng.sample(PEOPLE, 6)],
        buckets=[f"{name}-{number}" for name in rng.sample(names, 24)],
        tables=[name.replace("-", "_") for name in rng.sample(names, 20)],
        keys=[uuid_of(rng) for _ in range(12)],
        # The function whose sessions are asked for is called by others, and deployed.
        functions=rng.sample(names, 40) + [ROLE_NAME] * (number == ACCOUNT),
        instances=[f"i-0{rng.getrandbits(64):016x}" for _ in range(80)],
        parameters=[f"/{rng.choice(('prod', 'staging'))}/{name.replace('-', '/')}/{rng.choice(('dsn', 'token', 'flags'))}"
                    for name in rng.sample(names, 30)])


def uuid_of(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{digits[16:20]}-{digits[20:]}"


def key_of(rng: random.Random, prefix: str, length: int) -> str:
    return prefix + "".join(rng.choices(UPPER, k=length))


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def address_of(rng: random.Random) -> str:
    return f"{rng.choice((3, 18, 34, 52, 54, 63))}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def _role(rng: random.Random, number: str, kind: str, name: str) -> Role:
    path = "/"
    if kind == "service":
        name = rng.choice(("AWSServiceRoleForAutoScaling", "AWSServiceRoleForConfig", "AWSServiceRoleForElasticLoadBalancing"))
        path = "/aws-service-role/"
    elif kind == "person":
        name, path = f"AWSReservedSSO_{name}_{rng.getrandbits(64):016x}", "/aws-reserved/sso.amazonaws.com/"
    elif rng.random() < 0.3:
        path = "/service-role/"
    return Role(kind, name, f"arn:aws:iam::{number}:role{path}{name}", key_of(rng, "AROA", 17))


def _assumed(rng: random.Random, account: Account, role: Role, now: datetime) -> Session:
    name = {
        # A function's session has the function's name.
        "lambda": lambda: role.name, "task": lambda: f"{rng.getrandbits(128):032x}",
        "instance": lambda: rng.choice(account.instances), "person": lambda: f"{rng.choice(PEOPLE)}@example.com",
        "pipeline": lambda: f"GitHubActions-{rng.randrange(10**10)}", "service": lambda: "AutoScaling",
    }[role.kind]()
    agent = rng.choice(AGENTS[role.kind])
    context = {"sessionIssuer": {"type": "Role", "principalId": role.principal, "arn": role.arn,
                                 "accountId": account.number, "userName": role.name}}
    if role.kind == "pipeline":
        context["webIdFederationData"] = {
            "federatedProvider": f"arn:aws:iam::{account.number}:oidc-provider/token.actions.githubusercontent.com", "attributes": {}}
    context["attributes"] = {"creationDate": iso(now), "mfaAuthenticated": "true" if role.kind == "person" else "false"}
    if role.kind == "instance":
        context["ec2RoleDelivery"] = "2.0"
    identity = {"type": "AssumedRole", "principalId": f"{role.principal}:{name}",
                "arn": f"arn:aws:sts::{account.number}:assumed-role/{role.name}/{name}", "accountId": account.number,
                "accessKeyId": key_of(rng, "ASIA", 16), "sessionContext": context}
    if role.kind == "service":
        identity["invokedBy"] = agent
    return Session(role.kind, identity, agent if role.kind == "service" else address_of(rng), agent,
                   is_the_one=role.arn == ROLE_ARN)


def _user(rng: random.Random, number: str, name: str) -> Session:
    identity = {"type": "IAMUser", "principalId": key_of(rng, "AIDA", 17), "arn": f"arn:aws:iam::{number}:user/{name}",
                "accountId": number, "accessKeyId": key_of(rng, "AKIA", 16), "userName": name}
    return Session("person", identity, address_of(rng), rng.choice(AGENTS["person"]))
