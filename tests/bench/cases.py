"""Reads a sealed case and holds it to what it should be: signed, whole, with the bytes that were deployed."""

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from bench.local_account import Failed, LocalAccount
from bench.packages import Package
from bench.responders import Responder

SEAL = "/manifest-0000.dsse.json"


@dataclass(frozen=True)
class Contents:
    """What a case holds, for comparing one responder's with the other's."""

    outcomes: dict  # "artifact selector" → outcome
    exhibits: int
    calls: int

    def kinds(self) -> Counter:
        """How many there are of each kind of artifact with each outcome; selectors name Regions, which differ."""
        return Counter(f"{name.split()[0]} ({outcome})" for name, outcome in self.outcomes.items())

    def counts(self) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(Counter(self.outcomes.values()).items()))


def sealed_at(account: LocalAccount, responder: Responder, function: str) -> tuple[str, datetime] | None:
    """(case, when S3 had the envelope) of the function's case, once it is sealed."""
    pages = account.client("s3", responder.region).get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=responder.bucket, Prefix="cases/"):
        for item in page.get("Contents", []):
            case = item["Key"].split("/")[1]
            if item["Key"].endswith(SEAL) and f"Z-{function}-" in case:
                return case, item["LastModified"]
    return None


def answered(account: LocalAccount, responder: Responder, case: str) -> bool:
    """Whether everything after the seal is done as well: tracing and telling."""
    try:
        account.client("s3", responder.region).head_object(Bucket=responder.bucket, Key=f"cases/{case}/notified.json")
        return True
    except ClientError:
        return False


def check(account: LocalAccount, responder: Responder, case: str, package: Package) -> Contents:
    """What the case holds; fails if any of it is not as it should be."""
    def wrong(what: str) -> Failed:
        return Failed(f"{responder.name}: case {case}: {what}")

    envelope = json.loads(_bytes(account, responder, f"cases/{case}{SEAL}"))
    payload = base64.b64decode(envelope["payload"])
    _check_signature(account, responder, payload, envelope, wrong)
    manifest = json.loads(payload)["predicate"]
    exhibits = [exhibit for acquisition in manifest["acquisitions"] for exhibit in acquisition["exhibits"]]
    for key, digest in {(exhibit["key"], exhibit["sha256"]) for exhibit in exhibits}:
        if _sha256(account, responder, key) != digest:
            raise wrong(f"{key} does not hash to {digest}")
    code = [exhibit["sha256"] for exhibit in exhibits if exhibit["name"] == "function-code.zip"]
    if code != [package.sha256]:
        raise wrong(f"the package deployed has {package.sha256}, the case has {code}")
    addendum = json.loads(base64.b64decode(json.loads(
        _bytes(account, responder, f"cases/{case}/manifest-0001.dsse.json"))["payload"]))["predicate"]
    if not any(entry["action"] == "tracing-turned-on" for entry in addendum["custody"]):
        raise wrong(f"tracing was not turned on: {addendum['custody'][-1]}")
    outcomes = {}
    for acquisition in manifest["acquisitions"]:
        request = acquisition["request"]
        outcomes[f"{request['artifact']} {request['selector'] or ''}".strip()] = acquisition["result"]["outcome"]
    if bad := {name: outcome for name, outcome in outcomes.items() if outcome not in ("acquired", "absent")}:
        raise wrong(f"not everything could be collected: {bad}")
    return Contents(outcomes, len(exhibits), sum(len(acquisition["calls"]) for acquisition in manifest["acquisitions"]))


def _check_signature(account, responder, payload: bytes, envelope: dict, wrong) -> None:
    kms = account.client("kms", responder.region)
    key = load_der_public_key(kms.get_public_key(KeyId=responder.signing_key)["PublicKey"])
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    try:
        key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise wrong("the signature does not fit") from None


def _bytes(account: LocalAccount, responder: Responder, key: str) -> bytes:
    return account.client("s3", responder.region).get_object(Bucket=responder.bucket, Key=key)["Body"].read()


def _sha256(account: LocalAccount, responder: Responder, key: str) -> str:
    digest = hashlib.sha256()
    body = account.client("s3", responder.region).get_object(Bucket=responder.bucket, Key=key)["Body"]
    while piece := body.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
