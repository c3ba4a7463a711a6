"""`coldcase scan` over packages as people deploy them: nothing above info, every component known, every file as published."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from packages import ordinary

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("COLDCASE", ROOT / "target/release/coldcase"))
RUNTIMES = {"python": "python3.13", "node": "nodejs22.x", "java-function": "java21", "rust": "provided.al2023"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("ordinary")


def scan(package: Path) -> dict:
    ended = subprocess.run([PROGRAM, "scan", "--json", package, "--runtime", RUNTIMES[package.stem]],
                           capture_output=True, text=True)
    assert ended.returncode in (0, 1), ended.stderr
    report = json.loads(ended.stdout)
    loud = [(found["severity"], found["rule"], found["path"], found["line"], found["statement"])
            for found in report["findings"] if found["severity"] != "info"]
    assert not loud, "\n".join(map(str, loud))
    assert ended.returncode == 0
    assert report["complete"] and not report["irregularities"]
    return report


def names(report: dict, ecosystem: str) -> set[str]:
    return {part["name"].lower() for part in report["components"] if part["ecosystem"] == ecosystem}


def test_python(folder):
    report = scan(ordinary.python(folder))
    assert {"boto3", "botocore", "requests", "urllib3", "numpy", "cryptography", "pydantic", "jinja2"} <= names(report, "PyPI")
    assert report["integrity"]["files"] > 3000 and not report["integrity"]["deviations"]


def test_node(folder):
    report = scan(ordinary.node(folder))
    assert {"express", "lodash", "axios", "uuid", "winston", "@aws-sdk/client-s3"} <= names(report, "npm")


def test_java(folder):
    report = scan(ordinary.java(folder))
    assert {"com.google.guava:guava", "com.google.code.gson:gson", "args4j:args4j"} <= names(report, "Maven")


def test_rust(folder):
    scan(ordinary.rust(folder, ROOT / "target/lambda/respond/bootstrap"))
