"""The two responders that are compared: each in a Region of its own, so that neither is woken by the other's events."""

import compileall
import filecmp
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.local_account import TESTS, LocalAccount

ROOT = TESTS.parent
BINARY = ROOT / "target/lambda/respond/bootstrap"
BUILDS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BOTO3_RESPONDER = Path(__file__).parent / "boto3_responder"


@dataclass(frozen=True)
class Responder:
    name: str
    region: str
    memory_mb: int
    outputs: dict  # of its stack

    @property
    def function(self) -> str:
        return self.outputs["FunctionName"]

    @property
    def bucket(self) -> str:
        return self.outputs["BucketName"]

    @property
    def queue_url(self) -> str:
        return self.outputs["QueueUrl"]

    @property
    def signing_key(self) -> str:
        return self.outputs["SigningKeyArn"]


# Where each is deployed, with the functions that it watches.
REGIONS = {"coldcase": "eu-west-1", "boto3": "eu-north-1", "boto3, frugal": "eu-west-3"}


def coldcase(account: LocalAccount) -> Responder:
    """coldcase from its own template with its own defaults: 128 MB of memory, enforced."""
    outputs = account.deploy(ROOT / "template.yaml", "bench", REGIONS["coldcase"])
    return _responder("coldcase", 128, outputs)


def boto3(account: LocalAccount, folder: Path, like: Responder, frugal: bool = False) -> Responder:
    """The Python responder: its sources and their bytecode, started by this interpreter.

    It gets the policies of `like`: what the account spends on judging a call is the same for both. The frugal one sends one part of an upload at a time: less memory, which is all it is measured for.
    """
    name, memory, stack = "boto3, frugal" if frugal else "boto3", 512, folder / ("frugal" if frugal else "parallel")
    code = stack / "code"
    shutil.copytree(BOTO3_RESPONDER, code, ignore=shutil.ignore_patterns("__pycache__", "__init__.py", "template.yaml"))
    shutil.copy(BOTO3_RESPONDER / "template.yaml", stack)
    # As a build would: valid whatever times the files get when they are unpacked.
    compileall.compile_dir(code, quiet=1, invalidation_mode=compileall.py_compile.PycInvalidationMode.UNCHECKED_HASH)
    bootstrap = code / "bootstrap"
    bootstrap.write_text(f"#!{sys.executable}\nimport runtime\nruntime.run()\n")
    bootstrap.chmod(0o755)
    outputs = account.deploy(stack / "template.yaml", f"bench-boto3{'-frugal' if frugal else ''}", REGIONS[name],
                             MemorySize=str(memory), Uploads="sequential" if frugal else "parallel")
    _same_policies(account, like, outputs, REGIONS[name])
    return _responder(name, memory, outputs)


def _same_policies(account: LocalAccount, like: Responder, outputs: dict, region: str) -> None:
    """Gives a responder's bucket and role the policies of another's, with the names exchanged."""
    def exchanged(policy: str) -> str:
        for name, value in like.outputs.items():
            if name in outputs:
                # Policies have a queue's ARN, outputs its URL; both end in its name.
                last = (lambda text: text.rpartition("/")[2]) if name.endswith("Url") else str
                policy = policy.replace(last(value), last(outputs[name]))
        return policy.replace(like.region, region)

    s3, iam = account.client("s3", region), account.client("iam", region)
    s3.put_bucket_policy(Bucket=outputs["BucketName"], Policy=exchanged(
        account.client("s3", like.region).get_bucket_policy(Bucket=like.bucket)["Policy"]))
    roles = [stack["RoleArn"].rpartition("/")[2] for stack in (like.outputs, outputs)]
    policy = iam.get_role_policy(RoleName=roles[0], PolicyName="respond")["PolicyDocument"]
    iam.put_role_policy(RoleName=roles[1], PolicyName="respond", PolicyDocument=exchanged(json.dumps(policy)))


def _responder(name: str, memory_mb: int, outputs: dict) -> Responder:
    return Responder(name, REGIONS[name], memory_mb, outputs)


def is_release_build() -> bool:
    """Whether the deployed binary is one that the release profile made last."""
    made = (BUILDS / "release/bootstrap-respond", BUILDS / "lambda/bootstrap-respond/bootstrap")
    return any(build.exists() and filecmp.cmp(BINARY, build, shallow=False) for build in made)
