"""What the demo promises, each checked against the vault, what was said and the stand-in: whether it was kept, and in which words."""

import gzip
import json
import re
import zipfile
from pathlib import Path

from clouds.cloudflare.start import MODULES
from demo import screen, secret
from demo.cases import Case, read_all
from demo.promises import Promise
from demo_clouds import cases
from demo_clouds.cloudflare import attacker, victim

# What there is to know of a Worker, and of the time around it.
ARTIFACTS = {"function-code", "configuration", "secrets", "versions", "deployments", "url-config", "event-source-mappings", "observability",
             "execution-role", "traces", "execution-logs", "audit-events"}
OUTCOMES = {"acquired", "partial", "absent", "denied", "failed"}

# What has to be found, by the rule that finds it, and the least that it has to be.
EXPECTED = {
    "tail-consumer-added": ("high", "The listener that was added is found"),
    "worker-route-added": ("medium", "The route that was added is found"),
    "gradual-version": ("medium", "The version that answers one request in ten is found"),
    "unversioned-code": ("low", "The code that was changed is found"),
    "worker-environment-given-away": ("critical", "That the code gives everything away that is bound to the Worker is found"),
}
SEVERITIES = ["info", "low", "medium", "high", "critical"]


def each_artifact_has_its_outcome(scene, sealed: list[Case]) -> Promise:
    lacking = {}
    for case in sealed:
        told = {acquisition["request"]["artifact"] for acquisition in cases.acquisitions(case)
                if acquisition["result"]["outcome"] in OUTCOMES and (acquisition["result"]["outcome"] == "acquired" or acquisition["result"]["why"])}
        lacking |= {case.id: ARTIFACTS - told} if ARTIFACTS - told else {}
    return not lacking, "Every artifact has its outcome, in both cases" + (f", but for {lacking}." if lacking else ".")


def both_codes_are_there(scene, case: Case) -> Promise:
    """Module by module, as they were uploaded."""
    theirs = {"index.js": attacker.CODE.encode(), "billing.js": MODULES["index.js"][1], "money.js": MODULES["money.js"][1]}
    ours = {name: content for name, (_, content) in MODULES.items()}
    return ((_modules(case, scene.bad_version), _modules(case, scene.good.version)) == (theirs, ours),
            "The code of both versions that answer is in the vault, byte by byte as it was uploaded.")


def _modules(case: Case, version: str) -> dict[str, bytes]:
    for exhibit in case.exhibits:
        if exhibit["name"] == f"function-code-{version}.zip":
            with zipfile.ZipFile(case.path(exhibit)) as archive:
                return {name: archive.read(name) for name in archive.namelist()}
    return {}


def the_difference_is_told(scene) -> Promise:
    said = next(said.out for said in scene.said if said.words[0] == "diff")
    wanted = [attacker.CONSUMER, attacker.ROUTE, scene.bad_version, "+    if (new URL(request.url).pathname === \"/healthz\")"]
    missing = [text for text in wanted if text not in said]
    return not missing, ("The difference from the known good names the listener, the route, the version and the lines of code"
                         + (f", but for {', '.join(missing)}." if missing else "."))


def each_step_is_found(case: Case) -> list[Promise]:
    found = {}
    for finding in case.findings:
        found.setdefault(finding["rule"], []).append(finding["severity"])
    return [(any(SEVERITIES.index(severity) >= SEVERITIES.index(least) for severity in found.get(rule, [])), f"{text} ({rule}).")
            for rule, (least, text) in EXPECTED.items()]


def the_audit_log_names_who(scene, case: Case) -> Promise:
    by_thief = [entry for entry in _lines(case, "audit-events") if entry["actor"].get("token_name") == attacker.TOKEN]
    changed = {entry["resource"]["type"] for entry in by_thief if entry["actor"]["ip_address"] == attacker.ADDRESS}
    told = next(said.out for said in scene.said if said.words[0] == "timeline")
    lines = [line for line in told.splitlines() if attacker.TOKEN in line and attacker.ADDRESS in line]
    return (changed == {"script.version", "script.deployment", "script.settings", "route"} and len(lines) == len(by_thief),
            f"The audit log in the case, and the timeline, name the token, its address and its {screen.amount(len(by_thief), 'change')}.")


def what_it_did_is_there(scene, case: Case) -> Promise:
    """The invocations that Cloudflare stored, by the version that answered."""
    versions = [event["$workers"]["scriptVersion"]["id"] for event in _lines(case, "execution-logs")
                if event["$metadata"]["type"] == "cf-worker-event"]
    said = next(said.out for said in scene.said if said.words[0] == "logs")
    return (sorted(versions) == sorted([scene.good.version] * 9 + [scene.bad_version]) and "invoice 2026-1041" in said,
            "The ten invocations that Cloudflare stored are in the case, each with the version that answered.")


def _lines(case: Case, artifact: str) -> list[dict]:
    return [json.loads(line) for acquisition in cases.acquisitions(case) if acquisition["request"]["artifact"] == artifact
            for exhibit in acquisition["exhibits"] if re.search(r"-first-\d{4}$", exhibit["name"])
            for line in gzip.decompress(case.path(exhibit).read_bytes()).splitlines()]


def tracing_is_on_and_was_last(scene, case: Case) -> Promise:
    """Before it and after it as custody has them, and nothing of it before the seal."""
    settings = scene.account.owner.call("GET", f"{scene.account.owner.script(scene.account.script)}/script-settings").result
    [turned] = [entry for entry in case.custody if entry["action"] == "tracing-turned-on"] or [None]
    sealed_at = case.manifests[0]["sealed_at"]
    kept = [consumer["service"] for consumer in settings["tail_consumers"] or []] == [attacker.CONSUMER]
    return (turned is not None and turned["occurred_at"] > sealed_at and settings["observability"]["traces"]["enabled"] is True and kept
            and "mode_before" in turned,
            "Traces are stored since the seal and not before it, what was set before is in custody, and the listener was left for others.")


def nothing_else_was_changed(scene) -> Promise:
    """By the account's own audit log."""
    owner = scene.account.owner
    entries = owner.call("GET", f"/accounts/{owner.account}/logs/audit?since=2020-01-01&before=2100-01-01&direction=asc").result
    changes = [entry["raw"]["uri"] for entry in entries if entry["actor"].get("token_name") == "responder"]
    return (changes == [f"{owner.script(scene.account.script)}/script-settings"],
            "The account's audit log has one change of the responder's, and that is tracing.")


def the_values_are_nowhere_else(scene, folder: Path) -> Promise:
    """Values of bindings: in the configuration, in what was recorded as good of it, and in the copy that was exported."""
    kept, leaked = _search(scene, folder, scene.good.values)
    return (bool(kept) and not leaked, f"The values are in {screen.amount(len(kept), 'configuration exhibit or record', 'configuration exhibits or records')}"
            " of the known good, and nowhere else" + (f", but for {', '.join(leaked)}." if leaked else ": no finding, no report, no answer."))


def the_secrets_are_nowhere(scene, folder: Path) -> Promise:
    """Cloudflare never tells a secret's value again, and of tokens nobody may learn from evidence."""
    kept, leaked = _search(scene, folder, (scene.good.secret, scene.responder.token, scene.thief.token, scene.account.owner.token))
    found = kept + leaked
    return not found, "The secret's value and the tokens are nowhere" + (f", but for {', '.join(found)}." if found else ".")


def _search(scene, folder: Path, values: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(where they may be, where else they are) in the vault, what was exported, the responder's home, and all that was said."""
    desk, kept, leaked = scene.desk, set(), set()
    said = {f"what {said.words[0]} says": [said.out, said.err] for said in scene.said}
    for place in (desk.vault, desk.folder / "bag/data", desk.home):
        if not place.exists():
            leaked.add(f"{place.name}, which is not there to be searched")
            continue
        sealed = read_all(place) if (place / "cases").exists() else []
        for value in values:
            found, elsewhere = secret.where(value, place, sealed, said)
            kept |= {f"{place.name}/{key}" for key in found}
            leaked |= {f"{place.name}/{key}" if (place / key).exists() else key for key in elsewhere}
    return sorted(kept), sorted(leaked)


def the_types_were_kept(scene) -> Promise:
    seen = scene.account.owner.page("GET", "requests")
    wrong = [f"{violation['op'] or violation['path']}: {violation['why']}" for violation in scene.violations]
    return (not wrong and len(seen) > len(ARTIFACTS), f"{screen.amount(len(seen), 'request')} and their replies are of Cloudflare's own types"
            + (f", but for {'; '.join(wrong)}." if wrong else ", but for uploads and the modules' bytes, which Prism cannot check."))
