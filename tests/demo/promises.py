"""What the demo promises, each checked against the account and the vault: whether it was kept, and in which words."""

import base64
import json
from pathlib import Path

from demo import screen, secret, vault, victim
from demo.attacker import USER
from demo.cases import Case, of_event
from demo.local_account import Person
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
    said = _said(account, stack, watch)
    kept, leaked = secret.where(marked, copy, sealed, said)
    return (bool(kept) and all(said.values()) and not leaked,
            f"The secret is in {screen.amount(len(kept), 'configuration exhibit')} and nowhere else"
            + (f", but for {', '.join(leaked)}." if leaked else ": no log, notification or manifest."))


def the_stolen_keys_are_nowhere(account, stack: dict, role: Person, watch: Watch, copy: Path,
                                sealed: list[Case]) -> Promise:
    """The attacker's code handed them out in its answer, which nothing records."""
    said = _said(account, stack, watch)
    found = [place for value in (role.secret_access_key, role.session_token) for places in
             secret.where(value, copy, sealed, said) for place in places]
    return (all(said.values()) and not found,
            "The stolen secret key and session token are nowhere" + (f", but for {', '.join(sorted(set(found)))}." if found
            else ": no exhibit, page, log, notification or record has them."))


def _said(account, stack: dict, watch: Watch) -> dict[str, list[str]]:
    """What was written outside of the vault, by place."""
    groups = {"the responder's log": stack["LogGroupName"], "the function's log": f"/aws/lambda/{victim.NAME}",
              "the investigation's log": _log_group_of(account, stack["InvestigateFunctionName"]),
              "the examination's log": _log_group_of(account, stack["ExamineFunctionName"]),
              "the baseline's log": _log_group_of(account, stack["BaselineFunctionName"])}
    pages = account.client("logs").get_paginator("filter_log_events")
    logs = {place: [event["message"] for page in pages.paginate(logGroupName=group) for event in page["events"]]
            for place, group in groups.items()}
    return {**logs, "a notification": [json.dumps(notice) for notice in watch.notices],
            "CloudTrail": [json.dumps(record) for record in account.trail()]}


def _log_group_of(account, function: str) -> str:
    return account.client("lambda").get_function_configuration(FunctionName=function)["LoggingConfig"]["LogGroup"]


def the_way_that_is_left_is_watched(answered: dict[str, Seen]) -> Promise:
    seen = answered["DeleteBucketPolicy"]
    return (bool(seen.sealed_after) and any("ALERT" in notice for notice in seen.notices),
            "Who wants to must drop the bucket's policy first: that has a sealed case, and an alert.")


def _hex(digest: str) -> str:
    return base64.b64decode(digest).hex()
