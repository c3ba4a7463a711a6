"""Security Hub's BatchImportFindings, which MiniStack lacks: held to the service's published model, kept for the account's own page."""

import functools

from botocore import loaders, model, validate

# What the Security Finding Format limits and the service model leaves out (its reference, "Required top-level attributes").
LONGEST = {"Id": 512, "ProductArn": 2048, "GeneratorId": 512, "Title": 256, "Description": 1024}
SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")
NAMESPACES = ("Software and Configuration Checks", "TTPs", "Effects", "Unusual Behaviors", "Sensitive Data Identifications")
SCHEMA = "2018-10-08"
MOST = 100

_findings: dict[tuple[str, str], dict] = {}


def findings() -> list[dict]:
    """What was imported and is as new as it gets."""
    return list(_findings.values())


@functools.cache
def _input():
    content = loaders.Loader().load_service_model("securityhub", "service-2")
    return model.ServiceModel(content).operation_model("BatchImportFindings").input_shape


def problem_of(parameters: dict) -> str | None:
    """What makes the whole call invalid; None when it would be taken."""
    report = validate.ParamValidator().validate(parameters, _input())
    if report.has_errors():
        return report.generate_report()
    if not 1 <= len(parameters["Findings"]) <= MOST:
        return f"Findings takes 1 to {MOST}"
    return next((problem for finding in parameters["Findings"] for problem in _odd(finding, _shape())), None)


def _shape():
    return _input().members["Findings"].member


def _odd(value, shape, place: str = "finding"):
    """Empty texts and words that are none of an enumeration's, neither of which botocore minds; unknown fields it does."""
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from _odd(item, shape.members[name], f"{place}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from _odd(item, shape.member, place)
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from _odd(name, shape.key, f"{place}'s key")
            yield from _odd(item, shape.value, f"{place}.{name}")
    elif shape.type_name == "string":
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{place} is {value!r}, which is none of {shape.enum}"
        if shape.name == "NonEmptyString" and not value.strip():
            yield f"{place} is empty"


def take(batch: list[dict]) -> dict:
    """Keeps what is right and newer than what is known; says what is not right."""
    failed = []
    for finding in batch:
        if problem := _wrong(finding):
            failed.append({"Id": finding["Id"], "ErrorCode": "InvalidInput", "ErrorMessage": problem})
            continue
        name = (finding["ProductArn"], finding["Id"])
        known = _findings.get(name)
        if known is None or known["UpdatedAt"] < finding["UpdatedAt"]:
            _findings[name] = {**finding, "CreatedAt": known["CreatedAt"] if known else finding["CreatedAt"]}
    return {"FailedCount": len(failed), "SuccessCount": len(batch) - len(failed), "FailedFindings": failed}


def _wrong(finding: dict) -> str | None:
    for name, longest in LONGEST.items():
        if len(finding[name]) > longest:
            return f"{name} is longer than {longest}"
    if finding["SchemaVersion"] != SCHEMA:
        return f"SchemaVersion is not {SCHEMA}"
    severity = finding.get("Severity") or (finding.get("FindingProviderFields") or {}).get("Severity") or {}
    if severity.get("Label") not in SEVERITIES:
        return "neither Severity nor FindingProviderFields.Severity has a label"
    for kind in finding.get("Types") or ["none"]:
        if kind.split("/")[0] not in NAMESPACES or len(kind.split("/")) > 3:
            return f"{kind!r} is no namespace/category/classifier"
    region, account, product = _product(finding["ProductArn"])
    if product != "default" or account != finding["AwsAccountId"] or not region:
        return "ProductArn is not the account's default product"
    if not 1 <= len(finding["Resources"]) <= 32:
        return "Resources takes 1 to 32"
    advice = ((finding.get("Remediation") or {}).get("Recommendation") or {}).get("Text", "")
    return "Remediation.Recommendation.Text is longer than 512" if len(advice) > 512 else None


def _product(arn: str) -> tuple[str, str, str]:
    parts = (arn.split(":") + [""] * 6)[:6]
    return parts[3], parts[4], parts[5].rpartition("/")[2]
