"""Reports as JSON are what infra/schemas/report.schema.json says."""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[2]
REPORTS = Path(os.environ.get("REPORTS", ROOT / "target/reports"))
SCHEMA = json.loads((ROOT / "infra/schemas/report.schema.json").read_text())


@pytest.mark.parametrize("name", ["specimen", "sealed", "hostile", "large"])
def test_report_is_what_its_schema_says(name):
    Draft202012Validator.check_schema(SCHEMA)
    report = json.loads((REPORTS / f"{name}.json").read_text())
    faults = [f"{fault.json_path}: {fault.message[:200]}" for fault in Draft202012Validator(SCHEMA).iter_errors(report)]
    assert not faults
