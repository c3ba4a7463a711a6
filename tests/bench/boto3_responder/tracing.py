"""Tracing on, after the seal only: optimistic, with the intent in the vault first, and never by editing a role."""

import hashlib
import json
import time

from botocore.exceptions import ClientError

import vault
from clients import functions

UNSETTLED = {"LastModified", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "RevisionId",
             "State", "StateReason", "StateReasonCode", "ResponseMetadata"}


def intent_key(arn: str, revision: str) -> str:
    return f"tracing/{hashlib.sha256(arn.encode()).hexdigest()}/{revision}.json"


def turn_on(arn: str, case_id: str, sealed: dict) -> dict:
    """What came of it, as an entry for the chain of custody."""
    before = _settled(arn)
    if before["TracingConfig"]["Mode"] == "Active":
        return {"action": "tracing-already-on", "revision": before["RevisionId"]}
    if _substance(before) != sealed:
        return {"action": "tracing-not-possible", "why": "the function was changed again after it was sealed"}
    revision = before["RevisionId"]
    intent = json.dumps({"case_id": case_id, "function": arn, "revision_before": revision}).encode()
    vault.put_once(intent_key(arn, revision), intent)
    try:
        functions.update_function_configuration(FunctionName=arn, RevisionId=revision, TracingConfig={"Mode": "Active"})
    except ClientError as error:
        return {"action": "tracing-not-possible", "why": vault.code(error)}
    return {"action": "tracing-turned-on", "revision_before": revision, "revision_after": _settled(arn)["RevisionId"],
            "mode_before": before["TracingConfig"]["Mode"], "mode_after": "Active"}


def _settled(arn: str) -> dict:
    for _ in range(60):
        now = functions.get_function_configuration(FunctionName=arn)
        if now.get("LastUpdateStatus") != "InProgress":
            return now
        time.sleep(1)
    raise TimeoutError("an update of the function did not finish")


def _substance(configuration: dict) -> dict:
    return json.loads(json.dumps({name: value for name, value in configuration.items() if name not in UNSETTLED},
                                 default=str))


def substance(exhibit: dict) -> dict:
    """What was sealed as the configuration of $LATEST."""
    return _substance(json.loads(vault.get(exhibit["key"]))["replies"][0]["reply"])


def is_our_own(record: dict, role_arn: str) -> bool:
    """Whether a record is of our own turning tracing on: exactly that, with the intent in the vault."""
    issuer = ((record.get("userIdentity") or {}).get("sessionContext") or {}).get("sessionIssuer") or {}
    parameters = {name: value for name, value in (record.get("requestParameters") or {}).items() if value is not None}
    if issuer.get("arn") != role_arn or set(parameters) != {"functionName", "revisionId", "tracingConfig"}:
        return False
    return vault.head(intent_key(parameters["functionName"], parameters["revisionId"])) is not None
