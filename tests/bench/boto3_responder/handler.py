"""From an event to a sealed case: reads the queue's messages, collects, seals, then turns tracing on and tells."""

import hashlib
import json
import os
import re
from datetime import datetime, timezone

import collect
import seal
import tracing
import vault
from clients import seldom
from inquiry import now

ROLE_ARN = os.environ["ROLE_ARN"]
TOPIC_ARN = os.environ["TOPIC_ARN"]
RESPOND_TO = {"UpdateFunctionCode", "UpdateFunctionConfiguration"}


def handle(event: dict, context) -> dict:
    if "Records" not in event:
        return respond(event, context)
    failures = []
    for message in event["Records"]:
        try:
            print(json.dumps({"message": message["messageId"], "done": respond(json.loads(message["body"]), context)}))
        except Exception as error:
            print(json.dumps({"message": message["messageId"], "error": f"{type(error).__name__}: {error}"}))
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def respond(event: dict, context) -> dict:
    record = event.get("detail", event)
    name = re.sub(r"\d{8}(v\d+)?$", "", record.get("eventName", ""))
    if record.get("eventSource") != "lambda.amazonaws.com" or name not in RESPOND_TO:
        return {"did": "ignored", "reason": "not an event that changes a function"}
    if record.get("errorCode") or (record.get("requestParameters") or {}).get("dryRun"):
        return {"did": "ignored", "reason": "nothing was changed"}
    if name == "UpdateFunctionConfiguration" and tracing.is_our_own(record, ROLE_ARN):
        return {"did": "ignored", "reason": "our own turning tracing on"}
    target = _target(record)
    case_id = _case_id(record, target["arn"])
    if seal.sealed(case_id, 1):
        return {"did": "sealed", "case_id": case_id}
    manifest = _sealed_manifest(case_id, target, record, context)
    _trace(manifest, case_id, target, context)
    _tell(manifest, case_id)
    return {"did": "sealed", "case_id": case_id}


def _target(record: dict) -> dict:
    named = record["requestParameters"]["functionName"].split(":function:")[-1].split(":")
    account = record["recipientAccountId"]
    name = named[-1] if len(named) > 1 and named[0] == account else named[0]
    return {"provider": "aws", "account": account, "region": record["awsRegion"], "kind": "function", "name": name,
            "arn": f"arn:aws:lambda:{record['awsRegion']}:{account}:function:{name}"}


def _case_id(record: dict, arn: str) -> str:
    occurred_at = datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").strftime("%Y%m%dT%H%M%SZ")
    identity = hashlib.sha256(f"{record['eventID']}\n{arn}".encode()).hexdigest()[:16]
    return f"{occurred_at}-{arn.rpartition(':')[2]}-{identity}"


def _sealed_manifest(case_id: str, target: dict, record: dict, context) -> dict:
    if seal.sealed(case_id, 0):
        return json.loads(vault.get(f"cases/{case_id}/manifest-0000.json"))["predicate"]
    manifest = _open(case_id, 0, None, target, record, context)
    manifest["acquisitions"], manifest["findings"] = collect.gather(case_id, target, record)
    exhibits = [exhibit for acquisition in manifest["acquisitions"] for exhibit in acquisition["exhibits"]]
    manifest["sealed_at"] = now()
    manifest["custody"].append(_entry({"action": "evidence-acquired", "exhibits": len(exhibits),
                                       "size_bytes": sum(exhibit["size_bytes"] for exhibit in exhibits)}))
    return json.loads(seal.seal(manifest))["predicate"]


def _open(case_id, sequence, previous, target, record, context) -> dict:
    return {
        "case_id": case_id, "sequence": sequence, "previous_sha256": previous, "target": target,
        "trigger": {"kind": "cloud-trail-event", "event_id": record.get("eventID"), "event_name": record.get("eventName"),
                    "occurred_at": record.get("eventTime"), "principal": (record.get("userIdentity") or {}).get("arn"),
                    "source_address": record.get("sourceIPAddress")},
        "responder": {"program": "boto3-responder", "version": "1", "identity": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
                      "attempt": context.aws_request_id},
        "opened_at": now(), "sealed_at": now(), "acquisitions": [], "findings": [],
        "custody": [_entry({"action": "opened"})]}


def _entry(action: dict) -> dict:
    return {"occurred_at": now(), "who": os.environ["AWS_LAMBDA_FUNCTION_NAME"], **action}


def _trace(manifest: dict, case_id: str, target: dict, context) -> None:
    sealed = next((acquisition["exhibits"][0] for acquisition in manifest["acquisitions"] if acquisition["exhibits"]
                   and acquisition["request"] == {"artifact": "configuration", "selector": None}), None)
    if sealed is None:
        action = {"action": "tracing-not-possible", "why": "the configuration could not be sealed"}
    else:
        action = tracing.turn_on(target["arn"], case_id, tracing.substance(sealed))
    previous = hashlib.sha256(vault.get(f"cases/{case_id}/manifest-0000.json")).hexdigest()
    record = {"eventID": manifest["trigger"]["event_id"], "eventName": manifest["trigger"]["event_name"],
              "eventTime": manifest["trigger"]["occurred_at"]}
    addendum = _open(case_id, 1, previous, target, record, context)
    addendum["custody"] = [_entry(action)]
    seal.seal(addendum)


def _tell(manifest: dict, case_id: str) -> None:
    outcomes = [acquisition["result"]["outcome"] for acquisition in manifest["acquisitions"]]
    lines = [f"Case      {case_id}", f"Target    {manifest['target']['arn']}", f"Event     {manifest['trigger']['event_name']}",
             "Evidence  " + ", ".join(f"{outcomes.count(one)} {one}" for one in sorted(set(outcomes)))]
    lines += [f"Finding   {finding['statement']}" for finding in manifest["findings"]]
    seldom("sns").publish(TopicArn=TOPIC_ARN, Subject=f"Case sealed: function {manifest['target']['name']}"[:100],
                          Message="\n".join(lines))
    notified = json.dumps({"notified_at": datetime.now(timezone.utc).isoformat()}).encode()
    vault.put_once(f"cases/{case_id}/notified.json", notified)
