"""What the demo promises, each checked against the account and the vault: whether it was kept, and in which words."""

import base64
import json
from pathlib import Path

from demo import screen, secret, vault, victim
from demo.attacker import USER
from demo.cases import Case, of_event
from demo.watch import Seen, Watch

Promise = tuple[bool, str]

CHANGES = ["UpdateFunctionCode", "UpdateFunctionConfiguration", "AddPermission", "AttachRolePolicy"]


def each_attack_has_its_case(sealed: list[Case], answered: dict[str, Seen]) -> Promise:
    attacks = sorted(case.event for case in sealed if (case.trigger["principal"] or "").endswith(f"user/{USER}"))
    slowest = max(answered[name].sealed_after or 0 for name in CHANGES)
    return (attacks == sorted(CHANGES),
            f"Each of the attacker's four changes has its sealed case, the slowest after {slowest:.1f} s.")


def both_codes_are_there(account, sealed: list[Case]) -> Promise:
    """By the digests that the attacker's call was answered with and that Lambda gives for the released version."""
    [uploaded] = [record["responseElements"]["codeSha256"] for record in account.trail()
                  if record["eventName"].startswith("UpdateFunctionCode") and record["userIdentity"].get("userName") == USER]
    released = account.client("lambda").get_function_configuration(FunctionName=victim.NAME, Qualifier="1")["CodeSha256"]
    kept = {exhibit["name"]: exhibit["sha256"] for exhibit in of_event(sealed, "UpdateFunctionCode").exhibits}
    return ((kept.get("function-code.zip"), kept.get("function-code-1.zip")) == (_hex(uploaded), _hex(released))
            and uploaded != released,
            "The attacker's code is in the vault, and beside it the code that was released before.")


def tracing_is_on_and_the_loop_closed(account, stack: dict, sealed: list[Case], answered: dict[str, Seen]) -> Promise:
    changes = [record for record in account.trail() if record["eventName"].startswith("UpdateFunctionConfiguration")
               and record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {}).get("arn") == stack["RoleArn"]]
    ignored = [reason for seen in answered.values() for reason in seen.reasons if "itself turned tracing on" in reason]
    config = account.client("lambda").get_function_configuration(FunctionName=victim.NAME)
    stored = {key: at for key, (_, at) in vault.objects(account.client("s3"), stack["BucketName"]).items()}
    seal = stored[f"cases/{of_event(sealed, 'UpdateFunctionCode').id}/manifest-0000.dsse.json"]
    intents = [at for key, at in stored.items() if key.startswith("tracing/")]
    return (len(changes) == len(ignored) == len(intents) == 1 and seal < intents[0]
            and config["TracingConfig"]["Mode"] == "Active",
            "Tracing was turned on once, after the seal; coldcase did not take that for an attack.")


def the_attempt_was_told(answered: dict[str, Seen]) -> Promise:
    seen = answered["DisableRule"]
    return (len(seen.attempts) == 1 and any("tried to touch" in notice for notice in seen.notices),
            "The try at coldcase itself was written down, and the owner alerted.")


def the_secret_stayed_in_the_vault(account, stack: dict, marked: str, watch: Watch, copy: Path,
                                   sealed: list[Case]) -> Promise:
    pages = account.client("logs").get_paginator("filter_log_events").paginate(logGroupName=stack["LogGroupName"])
    log = [event["message"] for page in pages for event in page["events"]]
    kept, leaked = secret.where(marked, copy, sealed, {
        "the responder's log": log,
        "a notification": [json.dumps(notice) for notice in watch.notices],
        "CloudTrail": [json.dumps(record) for record in account.trail()]})
    return (bool(kept and log) and not leaked,
            f"The secret is in {screen.amount(len(kept), 'configuration exhibit')} and nowhere else"
            + (f", but for {', '.join(leaked)}." if leaked else ": no log, notification or manifest."))


def the_way_that_is_left_is_watched(answered: dict[str, Seen]) -> Promise:
    seen = answered["DeleteBucketPolicy"]
    return (bool(seen.sealed_after) and any("ALERT" in notice for notice in seen.notices),
            "Who wants to must drop the bucket's policy first: that has a sealed case, and an alert.")


def _hex(digest: str) -> str:
    return base64.b64decode(digest).hex()
