"""The seal: manifest, digests, KMS signature, public key, and the DSSE envelope last."""

import base64
import hashlib
import json
import os
import textwrap
from functools import lru_cache

import vault
from clients import kms

SIGNING_KEY = os.environ["SIGNING_KEY"]
PAYLOAD_TYPE = "application/vnd.in-toto+json"


@lru_cache(maxsize=1)
def public_key() -> tuple[str, bytes]:
    """(SHA-256 of the DER, PEM)."""
    der = kms.get_public_key(KeyId=SIGNING_KEY)["PublicKey"]
    lines = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return hashlib.sha256(der).hexdigest(), f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n".encode()


def pre_authentication(payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def sums(manifest: dict) -> bytes:
    folder = f"cases/{manifest['case_id']}/"
    return "".join(sorted({
        f"{exhibit['sha256']}  {exhibit['key'].removeprefix(folder) if exhibit['key'].startswith(folder) else '../../' + exhibit['key']}\n"
        for exhibit in _exhibits(manifest)})).encode()


def _exhibits(manifest: dict):
    return (exhibit for acquisition in manifest["acquisitions"] for exhibit in acquisition["exhibits"])


def statement(manifest: dict, sums_digest: str, prefix: str) -> bytes:
    subjects = [{"name": f"{prefix}.sha256", "digest": {"sha256": sums_digest}}]
    subjects += [{"name": exhibit["key"], "digest": {"sha256": exhibit["sha256"]}} for exhibit in _exhibits(manifest)]
    return json.dumps({"_type": "https://in-toto.io/Statement/v1", "subject": subjects,
                       "predicateType": "https://coldcase.dev/manifest/v1", "predicate": manifest},
                      sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sealed(case_id: str, sequence: int) -> bool:
    return vault.head(f"cases/{case_id}/manifest-{sequence:04}.dsse.json") is not None


def seal(manifest: dict) -> bytes:
    """Seals a manifest; the statement's bytes. A manifest that another attempt wrote is taken over."""
    prefix = f"cases/{manifest['case_id']}/manifest-{manifest['sequence']:04}"
    digests = sums(manifest)
    payload = statement(manifest, hashlib.sha256(digests).hexdigest(), prefix)
    try:
        vault.put_once(f"{prefix}.json", payload)
    except vault.Conflict:
        payload = vault.get(f"{prefix}.json")
        digests = sums(json.loads(payload)["predicate"])
    vault.put_once(f"{prefix}.sha256", digests, "text/plain; charset=utf-8")
    key_id, pem = public_key()
    signature = kms.sign(KeyId=SIGNING_KEY, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256",
                         Message=hashlib.sha256(pre_authentication(payload)).digest())["Signature"]
    try:
        vault.put_once(f"{prefix}.sig", signature, "application/octet-stream")
    except vault.Conflict:
        signature = vault.get(f"{prefix}.sig")
    vault.put_once(f"cases/{manifest['case_id']}/signer-{key_id[:16]}.pem", pem, "application/x-pem-file")
    envelope = {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE,
                "signatures": [{"keyid": key_id, "sig": base64.b64encode(signature).decode()}]}
    vault.put_once(f"{prefix}.dsse.json", json.dumps(envelope).encode(), "application/vnd.dsse.envelope.v1+json")
    return payload
