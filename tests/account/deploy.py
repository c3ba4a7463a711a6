"""Deploys a SAM template into a local account as a user does, with `sam deploy`, and prints the stack's outputs.

One thing is not as with a user: a folder of code is packaged once and not for each deployment, since sam would take ten
seconds each time to compress programs that were built for tests.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
SAM = ROOT / ".venv/build/bin/sam"
PACKAGES = ROOT / "target/packages"
# Where a template says that code is.
CODE = re.compile(r"(?P<key>CodeUri: )(?P<path>[^\s,}]+)")


def deploy(options) -> int:
    template = Path(options.template).resolve()
    parameters = [pair for group in options.parameter for pair in group]
    environment = _environment(options)
    clients = {name: boto3.client(name, endpoint_url=options.endpoint, region_name=options.region,
                                  aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                                  aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
                                  aws_session_token=environment.get("AWS_SESSION_TOKEN"))
               for name in ("s3", "cloudformation")}
    bucket = _package_bucket(clients["s3"], options.region)
    sam = str(SAM) if SAM.exists() else shutil.which("sam")
    if sam is None:
        print(f"no sam: neither {SAM} nor on the PATH", file=sys.stderr)
        return 1
    # Beside the template, which names more files from where it is.
    with tempfile.NamedTemporaryFile("w", dir=template.parent, prefix=".packaged-", suffix=template.suffix) as packaged:
        packaged.write(CODE.sub(lambda found: found["key"] + _packaged(template.parent, found["path"]), template.read_text()))
        packaged.flush()
        command = [sam, "deploy", "--template-file", packaged.name, "--stack-name", options.stack, "--s3-bucket", bucket,
                   "--region", options.region, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM",
                   "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset", "--no-fail-on-empty-changeset",
                   "--no-progressbar", "--force-upload"]
        if parameters:
            command += ["--parameter-overrides", *parameters]
        run = subprocess.run(command, cwd=template.parent, env=environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        print(run.stdout, file=sys.stderr)
        for line in _failures(clients["cloudformation"], options.stack):
            print(line, file=sys.stderr)
        return run.returncode
    stack = clients["cloudformation"].describe_stacks(StackName=options.stack)["Stacks"][0]
    print(json.dumps({output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}))
    return 0


def _packaged(beside: Path, path: str) -> str:
    """The zip of a folder, made unless there is one of the folder as it is; what is no folder as it is named."""
    local = beside / path
    if not local.is_dir():
        return path
    files = sorted(file for file in local.rglob("*") if file.is_file())
    state = repr([(str(file.resolve()), file.stat().st_mtime_ns, file.stat().st_size) for file in files])
    PACKAGES.mkdir(parents=True, exist_ok=True)
    made = PACKAGES / f"{local.name}-{hashlib.sha256(state.encode()).hexdigest()[:16]}.zip"
    # Tests deploy side by side.
    with open(PACKAGES / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for old in PACKAGES.glob(f"{local.name}-*.zip"):
                old.unlink()
            part = made.with_suffix(".part")
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
                for file in files:
                    package.write(file, file.relative_to(local))
            part.rename(made)
    return str(made)


def _environment(options) -> dict:
    """What sam runs in: the account and nothing else of AWS, no profile and no credentials meant for another place."""
    if not options.endpoint.startswith("http://127.0.0.1:"):
        sys.exit(f"{options.endpoint} is no local account")
    ours = os.environ.get("AWS_ENDPOINT_URL") == options.endpoint and "AWS_ACCESS_KEY_ID" in os.environ
    credentials = {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
                   if ours and name in os.environ}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **(credentials or {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}),
        "AWS_ENDPOINT_URL": options.endpoint, "AWS_DEFAULT_REGION": options.region, "AWS_REGION": options.region,
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.2",
    }


def _package_bucket(s3, region: str) -> str:
    """A bucket for the packages, of one name for each Region."""
    name = "packages-" + hashlib.sha256(region.encode()).hexdigest()[:12]
    try:
        s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else {
            "CreateBucketConfiguration": {"LocationConstraint": region}}))
    except ClientError as refused:
        if refused.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    return name


def _failures(cloudformation, stack: str) -> list[str]:
    try:
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError:
        return []
    return [f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
            for event in reversed(events) if "FAILED" in event["ResourceStatus"]]
