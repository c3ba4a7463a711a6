"""The two responders that are compared: each in a Region of its own, so that neither is woken by the other's events."""

import compileall
import filecmp
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
    function: str
    bucket: str
    queue_url: str
    signing_key: str
    memory_mb: int


# Where each is deployed, with the functions that it watches.
REGIONS = {"coldcase": "eu-west-1", "boto3": "eu-north-1", "boto3, frugal": "eu-west-3"}


def coldcase(account: LocalAccount) -> Responder:
    """coldcase from its own template with its own defaults: 128 MB of memory, enforced."""
    outputs = account.deploy(ROOT / "template.yaml", "bench", REGIONS["coldcase"])
    return _responder("coldcase", 128, outputs)


def boto3(account: LocalAccount, folder: Path, frugal: bool = False) -> Responder:
    """The Python responder: its sources and their bytecode, started by this interpreter.

    The frugal one sends one part of an upload at a time: less memory, which is all it is measured for.
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
    return _responder(name, memory, outputs)


def _responder(name: str, memory_mb: int, outputs: dict) -> Responder:
    return Responder(name, REGIONS[name], outputs["FunctionName"], outputs["BucketName"], outputs["QueueUrl"],
                     outputs["SigningKeyArn"], memory_mb)


def is_release_build() -> bool:
    """Whether the deployed binary is one that the release profile made last."""
    made = (BUILDS / "release/bootstrap-respond", BUILDS / "lambda/bootstrap-respond/bootstrap")
    return any(build.exists() and filecmp.cmp(BINARY, build, shallow=False) for build in made)
