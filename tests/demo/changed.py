"""What was changed, and what is wrong with it, as the examinations of the attacker's cases say: nothing but what is sealed
is read."""

import time
from pathlib import Path

from demo import Unexpected, screen, vault
from demo.attacker import USER
from demo.cases import Case, Examination, examination
from demo.promises import Promise
from demo.screen import SEVERITIES

SECONDS_AT_MOST = 90
SECONDS_BETWEEN_LOOKS = 0.5
LINES_AT_MOST = 60

# What has to be found in the case that each of the attacker's calls opened.
EXPECTED = {
    "UpdateFunctionCode": {"credentials-handed-out"},
    "UpdateFunctionConfiguration": {"python-startup-hook"},
    "AddPermission": {"open-resource-policy"},
    "AttachRolePolicy": {"role-widened"},
}


def baselines(account, stack: dict, name: str) -> dict:
    """Waits until coldcase has recorded what every function is; answers the sweep's execution and the number of records."""
    states, s3 = account.client("stepfunctions"), account.client("s3")
    deadline = time.monotonic() + SECONDS_AT_MOST
    while True:
        executions = states.list_executions(stateMachineArn=stack["BaselineArn"])["executions"]
        if executions and executions[-1]["status"] != "RUNNING":
            break
        if time.monotonic() > deadline:
            raise Unexpected(f"the functions were not recorded in {SECONDS_AT_MOST} s")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    records = [key for key in vault.objects(s3, stack["BucketName"], "baselines/") if key.endswith(".json")]
    if executions[-1]["status"] != "SUCCEEDED" or not records:
        raise Unexpected(f"the sweep ended {executions[-1]['status']}, with {len(records)} records; {name} has to be among them")
    return {"seconds": (executions[-1]["stopDate"] - executions[-1]["startDate"]).total_seconds(), "records": len(records)}


def until_examined(account, stack: dict, sealed: list[Case], folder: Path) -> list[Examination]:
    """The first examination of each of the attacker's cases, downloaded into `folder` once all are there."""
    s3, attacks = account.client("s3"), [case for case in sealed if _is_attack(case)]
    deadline = time.monotonic() + SECONDS_AT_MOST
    for case in attacks:
        while not (found := _examination(s3, stack, case, folder)):
            if time.monotonic() > deadline:
                raise Unexpected(f"{case.id} was not examined in {SECONDS_AT_MOST} s")
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return [_examination(s3, stack, case, folder) for case in attacks]


def show(examinations: list[Examination]) -> None:
    for examined in examinations:
        screen.line()
        screen.line("   " + screen.paint(f"{examined.case.event}", "yellow") + screen.paint(f"  {examined.case.id}", "dim"))
        screen.line()
        for line in examined.difference()[:LINES_AT_MOST]:
            screen.line("   " + screen.paint(screen.clean(line)[:screen.WIDTH - 3], _colour(line)))
        screen.line()
        for finding in examined.findings:
            if finding["severity"] == "info":
                continue
            technique = f" ({finding['technique']})" if finding["technique"] else ""
            screen.fact(finding["severity"], f"{screen.clean(finding['statement'])}{technique}", SEVERITIES[finding["severity"]])
            proof = next(iter(finding["proof"]), None)
            if proof:
                where = f"{proof['exhibit']} {proof['path'] or ''}".strip() + (f", line {proof['line']}" if proof["line"] else "")
                screen.fact("  proof", screen.clean(where), "dim")
                if proof.get("excerpt"):
                    screen.fact("", screen.clean(proof["excerpt"]), "dim")
        screen.fact("verdict", screen.clean(examined.verdict["line"]), SEVERITIES[examined.verdict["severity"]])


def each_step_is_found(examinations: list[Examination]) -> Promise:
    found = {examined.case.event: {finding["rule"] for finding in examined.findings if finding["proof"]}
             for examined in examinations}
    missing = [event for event, rules in EXPECTED.items() if not rules & found.get(event, set())]
    return (not missing, "Each of the attacker's steps is a finding with its proof"
            + (f", but for {', '.join(missing)}: {found}" if missing else ": code, layer, policy, role."))


def the_change_is_readable(examinations: list[Examination]) -> Promise:
    text = {examined.case.event: "\n".join(examined.difference()) for examined in examinations}
    return ("+    if event.get(\"health\") == \"full\":" in text.get("UpdateFunctionCode", "")
            and "AdministratorAccess" in text.get("AttachRolePolicy", ""),
            "What was changed can be read: the code line by line, the layers, the policy, the role.")


def the_verdicts_name_who(examinations: list[Examination]) -> Promise:
    worst = {examined.verdict["severity"] for examined in examinations}
    return (all(USER in examined.verdict["line"] and examined.verdict["by"].endswith(f"user/{USER}") for examined in examinations)
            and worst <= {"high", "critical"},
            f"Each case has a verdict in one line: what changed, that it was {USER}, from where, how bad, how sure.")


def _is_attack(case: Case) -> bool:
    return (case.trigger.get("principal") or "").endswith(f"user/{USER}") and case.target["kind"] == "function"


def _examination(s3, stack: dict, case: Case, folder: Path) -> Examination | None:
    vault.download(s3, stack["BucketName"], folder, f"cases/{case.id}/manifest-")
    vault.download(s3, stack["BucketName"], folder, f"examinations/{case.id}/")
    return examination(folder, case.id, "sealed")


def _colour(line: str) -> str | None:
    return {"+": "green", "-": "red", "#": "bold", "@": "cyan"}.get(line[:1])
