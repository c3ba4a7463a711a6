"""What a responder does who has never seen coldcase, as README.md says: from an attack to an answer, with the account's
stack and without any. `python -m pytest tests/desk --record` writes what is printed now into README.md."""

import os
import random
import re
import shutil
import tempfile
import time
from pathlib import Path

import pytest

from demo import attacker, victim
from demo.local_account import ROOT, LocalAccount
from desk import readme

PROGRAM = Path(os.environ.get("COLDCASE", ROOT / "target/release/coldcase"))
# Of template.yaml: the second look would come while the first is being shown.
PARAMETERS = {"SettleSeconds": "4", "LateSeconds": "86400", "WindowSeconds": "3600", "BaselineSeconds": "86400"}
SECONDS_AT_MOST = 120


@pytest.fixture
def account(tmp_path):
    assert PROGRAM.exists(), f"there is no {PROGRAM}; `make build` makes it"
    with LocalAccount(tmp_path) as account:
        yield account


@pytest.fixture
def terminal(tmp_path, account):
    """A folder, and the environment of a terminal of 80 columns in it."""
    home = Path(tempfile.mkdtemp(prefix="home"))
    folder, programs = (tmp_path / name for name in ("desk", "programs"))
    for made in (folder, programs):
        made.mkdir()
    (programs / "coldcase").symlink_to(PROGRAM.resolve())
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "COLUMNS": "80", "LC_ALL": "C.UTF-8", "TZ": "UTC",
        "AWS_ENDPOINT_URL": account.endpoint, "AWS_REGION": account.region,
        "AWS_ACCESS_KEY_ID": account.owner.access_key_id, "AWS_SECRET_ACCESS_KEY": account.owner.secret_access_key,
    }
    yield folder, environment
    shutil.rmtree(home)


def test_with_the_stack(account, terminal, request):
    billing = victim.create(account)
    stack = account.deploy(PARAMETERS)
    _recorded_as_good(account, stack)
    _attack(account, billing)
    _until(lambda: _keys(account, stack, "examinations/", "first/result.json"), "the first look was not examined")
    _until(lambda: _keys(account, stack, "cases/", "manifest-0004.dsse.json"), "the first look was not sealed")
    _until(lambda: _keys(account, stack, "reports/", "0004.html"), "the report was not written")
    play("with-the-stack", *terminal, request.config.getoption("--record"))


def test_with_no_stack(account, terminal, request):
    billing = victim.create(account)
    _attack(account, billing)
    play("with-no-stack", *terminal, request.config.getoption("--record"), [lambda: _rolled_back(account)])


# A digest, and the end of one that was too long for its line; the account's number is none.
DIGEST = re.compile(r"\b(?!111122223333)[0-9a-f]{12,64}\b(\n +[0-9a-f]+(?=\.pem))?")


@pytest.mark.parametrize("name", ["with-the-stack", "with-no-stack"])
def test_other_digests_are_no_difference_and_another_word_is_one(name):
    digits = random.Random(1)
    steps = [step for block in readme.blocks(name) for step in block]
    for step in steps:
        for _ in range(50):
            other = DIGEST.sub(lambda digest: re.sub("[0-9a-f]", lambda _: digits.choice("0123456789abcdef"), digest[0]), step.prints)
            assert readme.same(step.prints, other) is None
    assert any(DIGEST.search(step.prints) for step in steps)
    assert all(readme.same(step.prints, step.prints.replace("sealed", "broken")) for step in steps if "sealed" in step.prints)


def play(name: str, folder: Path, environment: dict[str, str], record: bool, between=()) -> None:
    """Runs a recording of README.md, command by command, and compares. What happens `between` two blocks is not shown."""
    blocks = readme.blocks(name)
    assert len(blocks) == len(between) + 1, f"README.md has {len(blocks)} blocks of the recording {name}"
    played, differences = [], []
    for number, block in enumerate(blocks):
        if number:
            between[number - 1]()
        steps = []
        for step in block:
            printed, code = readme.run(step, folder, environment)
            printed = printed.replace(environment["HOME"], "~")
            assert code in (0, 1), f"$ {step.command}\n{printed}\n(exit code {code})"
            assert all(len(line) <= 80 for line in printed.splitlines()), f"$ {step.command}\n{printed}\n(wider than 80)"
            steps.append(readme.Step(step.command, printed))
            if difference := readme.same(step.prints, printed):
                differences.append(f"$ {step.command}\n{difference}")
        played.append(steps)
    if record:
        readme.write(name, played)
    else:
        assert not differences, "README.md shows something else (--record writes it anew):\n\n" + "\n\n".join(differences)


def _attack(account: LocalAccount, billing: victim.Victim) -> None:
    """The code is overwritten with a leaked key, and what it gives away is taken."""
    thief = attacker.with_leaked_key(account)
    step, *_ = attacker.steps(account, thief, billing.layer_arn)
    for call in step.calls:
        attacker.make(call)
    victim.settle(account.client("lambda"))
    victim.ask(account.client("lambda"), "2026-1041")


def _rolled_back(account: LocalAccount) -> None:
    """The owner deploys the last good code again."""
    functions = account.client("lambda")
    functions.update_function_code(FunctionName=victim.NAME, ZipFile=victim.package({"billing.py": victim.CODE}))
    victim.settle(functions)


def _recorded_as_good(account: LocalAccount, stack: dict) -> None:
    """Has every function recorded as it is, as the schedule would."""
    states = account.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=stack["BaselineArn"])["executionArn"]
    _until(lambda: states.describe_execution(executionArn=execution)["status"] == "SUCCEEDED", "nothing was recorded")


def _keys(account: LocalAccount, stack: dict, prefix: str, ending: str) -> bool:
    pages = account.client("s3").get_paginator("list_objects_v2").paginate(Bucket=stack["BucketName"], Prefix=prefix)
    return any(item["Key"].endswith(ending) for page in pages for item in page.get("Contents", []))


def _until(seen, otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS_AT_MOST
    while not seen():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)
