"""`coldcase respond cloudflare://…`, as somebody runs it who has an API token and nothing of AWS, and whatever comes in between."""

import gzip
import json
import signal
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import referencing
from jsonschema import Draft202012Validator

from clouds import prism, recorded
from clouds.cloudflare import ACCOUNT_ID, SCRIPT
from clouds.cloudflare.operations import SCRIPT as S
from clouds.cloudflare.state import Module
from clouds.desk import PROGRAM, READING, ROOT, Desk
from clouds.process import up
from clouds.stage import TARGET, Stage, cases, outcomes, playing, scene
from demo import secret

# What there is to know of a Worker, and of the time around it.
ARTIFACTS = {"function-code", "configuration", "secrets", "versions", "deployments", "url-config", "event-source-mappings", "observability",
             "execution-role", "traces", "execution-logs", "audit-events"}
TELEMETRY = "POST /accounts/{account_id}/workers/observability/telemetry/query"
AUDIT = "GET /accounts/{account_id}/logs/audit"
WITH_MODULES = "GET /accounts/{account_id}/workers/workers/{worker_id}/versions/{version_id}"


@pytest.fixture(scope="module", autouse=True)
def program():
    assert PROGRAM.exists(), f"there is no {PROGRAM}; `make build` makes it"


@pytest.fixture(scope="module")
def plays(request, tmp_path_factory):
    wanted = {name for item in request.session.items for name in item.fixturenames}
    with playing(wanted, tmp_path_factory.mktemp) as begun:
        yield begun


@pytest.fixture
def desk(cloudflare, tmp_path):
    return Desk(tmp_path, cloudflare.endpoint, cloudflare.token)


# --- a case ---------------------------------------------------------------------------------------------------------


@scene
def plain(stage: Stage):
    """By a token that may read and nothing else."""
    made = stage.owner.page("POST", "tokens", {"name": "responder", "groups": READING})
    stage.desk = replace(stage.desk, token=made["token"])
    stage.worker.observability = {"enabled": True}
    stage.owner.page("POST", "calls", {"script": SCRIPT, "times": 3, "lines": ["a line"]})
    began = time.monotonic()
    first = stage.respond("--request-id", "ticket-4711", "--no-tracing")
    requests, files = len(stage.stand_in.requests), contents(stage.desk)
    again = stage.respond("--request-id", "ticket-4711", "--no-tracing")
    return SimpleNamespace(stage=stage, began=began, first=first, again=again, requests=stage.stand_in.requests[:requests],
                           more=[seen["op"] for seen in stage.stand_in.requests[requests:]], files=files,
                           files_after=contents(stage.desk), verified=stage.verified())


def contents(desk: Desk) -> dict[str, bytes]:
    return {str(path.relative_to(desk.vault)): path.read_bytes() for path in desk.vault.rglob("*") if path.is_file()}


def test_a_worker_is_preserved_sealed_and_verifies(plain):
    assert plain.first.code == 0, plain.first.both
    told = outcomes(plain.first)
    assert ARTIFACTS <= told.keys() and plain.verified == "good"
    assert {name: outcome for name, (outcome, _) in told.items() if outcome != "acquired"} == {"execution-role": "absent", "traces": "absent"}
    [case] = cases(plain.stage.desk)
    assert case.target["provider"] == "cloudflare" and len(case.manifests) == 4


def test_the_code_is_there_as_it_was_uploaded_and_as_a_zip_of_it(plain):
    [case] = cases(plain.stage.desk)
    newest = plain.stage.worker.latest
    modules = {module.name: module.content for module in newest.modules}
    packages = {exhibit["name"]: case.path(exhibit) for exhibit in case.exhibits if exhibit["name"].endswith(".zip")}
    for name in ("function-code.zip", f"function-code-{newest.id}.zip"):
        with zipfile.ZipFile(packages[name]) as package:
            assert {name: package.read(name) for name in package.namelist()} == modules
    [raw] = [case.path(exhibit).read_bytes() for exhibit in case.exhibits if exhibit["name"] == "function-code.raw"]
    assert all(module in raw for module in modules.values())


def test_the_same_request_is_one_case_with_nothing_twice(plain):
    assert plain.again.code == 0 and plain.again.json["cases"] == plain.first.json["cases"]
    assert plain.files_after == plain.files
    # Who asks, and whether there is such a Worker: nothing of what is preserved is asked for again.
    assert plain.more == ["GET /user/tokens/verify", f"GET {S}/settings"]


def test_no_token_and_no_secret_is_in_the_evidence_or_in_what_is_said(plain):
    said = {"said": [plain.first.both, plain.again.both]}
    for value in (plain.stage.desk.token, "not-a-real-password"):
        assert secret.where(value, plain.stage.desk.folder, [], said) == ([], [])


def test_it_never_asks_faster_than_half_of_what_cloudflare_allows(plain):
    # As they arrive, one may be late and the next in time.
    took, pauses = plain.requests[-1]["at"] - plain.requests[0]["at"], len(plain.requests) - 1
    assert pauses > 15 and took > 0.48 * pauses


# --- nothing of AWS -------------------------------------------------------------------------------------------------


@scene
def trapped(stage: Stage):
    """With a listener wherever the SDK of AWS would go, for credentials and for anything else."""
    with recorded.Deaf() as trap:
        aws = {"AWS_ENDPOINT_URL": trap.origin, "AWS_EC2_METADATA_SERVICE_ENDPOINT": trap.origin, "AWS_REGION": "eu-west-1"}
        said = stage.respond("--no-tracing", **aws)
        seen = len(trap.requests)
        stage.desk.coldcase("cases", "--vault", "s3://somebodys-bucket", **aws)
        return SimpleNamespace(said=said, seen=seen, seen_of_a_bucket=len(trap.requests))


def test_nothing_of_aws_is_called(trapped):
    assert trapped.said.code == 0 and trapped.seen == 0
    assert trapped.seen_of_a_bucket, "the trap catches nothing"


def test_nothing_waits_for_what_only_a_machine_of_aws_has(plain, desk):
    """Without AWS_EC2_METADATA_DISABLED, with an empty home and no other variable of AWS."""
    assert not any(name.startswith("AWS_") for name in desk.environment({}))
    assert plain.requests[0]["at"] - plain.began < 10
    assert desk.coldcase("respond", TARGET.replace(SCRIPT, "nobody"), "--vault", "evidence").seconds < 10


# --- exit codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, word", [
    ([TARGET, "arn:aws:lambda:us-east-1:111122223333:function:billing"], "one provider"),
    ([TARGET, "cloudflare://fedcba9876543210fedcba9876543210/billing-api"], "one account"),
    ([TARGET, "--regions", "eu-west-1"], "--regions"),
    ([TARGET, "--trail-bucket", "s3://trail"], "--trail-bucket"),
    ([TARGET, "--all-with-tag", "team=payments"], "--all-with-tag"),
    ([TARGET, "billing"], "billing"),
    ([f"cloudflare://{ACCOUNT_ID}"], "names no function"),
    ([f"cloudflare://{ACCOUNT_ID}/../billing-api"], "names no function"),
    ([f"cloudflare://{ACCOUNT_ID.upper()}X/billing-api"], "names no function"),
    ([TARGET, "--request-id", "../1"], "request id"),
])
def test_a_command_that_cannot_be_meant_ends_with_2_and_asks_nobody(desk, cloudflare, words, word):
    cloudflare.page("DELETE", "requests")
    said = desk.coldcase("respond", *words, "--vault", "evidence")
    assert said.code == 2 and word in said.err, said.both
    # Only a request id is looked at after it is known who asks.
    assert "--request-id" in words or cloudflare.page("GET", "requests") == []
    assert not desk.vault.exists()


@pytest.mark.parametrize("changes, word", [
    ({"CLOUDFLARE_API_TOKEN": None}, "CLOUDFLARE_API_TOKEN"),
    ({"CLOUDFLARE_API_TOKEN": "marked-wrong-token"}, "does not take these credentials"),
    ({"CLOUDFLARE_API_TOKEN": None, "CLOUDFLARE_EMAIL": "owner@example.com"}, "CLOUDFLARE_API_KEY"),
])
def test_who_has_no_credentials_or_wrong_ones_is_told_with_3(desk, changes, word):
    said = desk.coldcase("respond", TARGET, "--vault", "evidence", **changes)
    assert said.code == 3 and word in said.err and "marked-wrong-token" not in said.both
    assert not desk.vault.exists()


@scene
def nowhere(stage: Stage):
    with recorded.Deaf() as gone:
        pass
    return stage.respond(CLOUDFLARE_BASE_URL=gone.endpoint)


def test_an_api_that_is_not_reached_is_told_with_3(nowhere):
    assert nowhere.code == 3 and "not reached" in nowhere.err and "CLOUDFLARE_BASE_URL" in nowhere.err


def test_an_address_of_the_api_that_is_none_is_told_with_2_and_not_quoted(desk):
    said = desk.coldcase("respond", TARGET, CLOUDFLARE_BASE_URL="https://user:marked@example.com:x/")
    assert said.code == 2 and "CLOUDFLARE_BASE_URL" in said.err and "marked" not in said.err


@pytest.mark.parametrize("target", [
    f"cloudflare://{ACCOUNT_ID}/biling-api",
    f"https://dash.cloudflare.com/{ACCOUNT_ID}/workers/services/view/biling-api/production",
    f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT_ID}/workers/scripts/biling-api/settings",
])
def test_a_worker_that_is_not_there_is_told_with_4_however_it_is_named(desk, target):
    said = desk.coldcase("respond", target, "--vault", "evidence")
    assert said.code == 4 and "biling-api" in said.err and "--anyway" in said.err and not desk.vault.exists()


@scene
def deleted(stage: Stage):
    stage.owner.call("DELETE", stage.owner.script(SCRIPT))
    return SimpleNamespace(without=stage.respond(), said=stage.respond("--anyway"), verified=stage.verified(), stage=stage)


def test_a_worker_that_was_deleted_makes_a_case_of_what_is_left_if_that_is_wanted(deleted):
    assert deleted.without.code == 4
    assert deleted.said.code == 1 and deleted.verified == "good"
    told = outcomes(deleted.said)
    assert {told[name][0] for name in ("function-code", "configuration", "versions", "deployments")} == {"absent"}
    [case] = cases(deleted.stage.desk)
    # Who deleted it is what is left.
    assert any(entry["raw"]["method"] == "DELETE" for entry in audit_events(case)) and told["audit-events"][0] == "acquired"


def audit_events(case) -> list[dict]:
    return [json.loads(line) for manifest in case.manifests for acquisition in manifest["acquisitions"]
            if acquisition["request"]["artifact"] == "audit-events" for exhibit in acquisition["exhibits"]
            if exhibit["name"] == "audit-events-first-0001" for line in gzip.decompress(case.path(exhibit).read_bytes()).splitlines()]


@scene
def restricted(stage: Stage):
    """By a token that belongs to the account and to none of its users."""
    made = stage.owner.page("POST", "tokens", {"name": "restricted", "owner": "account", "groups": ["Workers Scripts Read"]})
    return SimpleNamespace(said=stage.respond(CLOUDFLARE_API_TOKEN=made["token"]), verified=stage.verified(), token=made["id"], stage=stage)


def test_a_token_that_may_not_see_everything_makes_a_case_that_tells_each_gap_with_1(restricted):
    assert restricted.said.code == 1 and restricted.verified == "good"
    told = outcomes(restricted.said)
    denied = {name for name, (outcome, why) in told.items() if outcome == "denied" and "403" in why}
    assert denied == {"url-config", "observability", "traces", "execution-logs", "audit-events"}
    assert told["function-code"][0] == told["configuration"][0] == "acquired"
    [case] = restricted.said.json["cases"]
    assert case["tracing"].startswith("not possible: answered 403")


def test_custody_names_the_token_by_its_id(restricted):
    [case] = cases(restricted.stage.desk)
    assert {entry["who"] for entry in case.custody} == {f"cloudflare token {restricted.token}"}


# --- interrupted ----------------------------------------------------------------------------------------------------


@scene
def interrupted(stage: Stage):
    process = stage.desk.start("respond", TARGET, "--vault", "evidence", "--request-id", "ticket-1", "--no-tracing")
    stage.until(lambda: len(list(stage.desk.vault.rglob("exhibits/*"))) >= 3)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    before = stage.coldcase("cases").json["cases"]
    said = stage.respond("--request-id", "ticket-1", "--no-tracing")
    return SimpleNamespace(code=process.returncode, out=out.decode(), before=before, said=said, after=stage.coldcase("cases").json["cases"],
                           verified=stage.verified())


def test_ctrl_c_ends_with_130_and_the_same_request_goes_on_in_the_same_case(interrupted):
    assert interrupted.code == 130 and "--request-id=ticket-1" in interrupted.out
    [before], [after] = interrupted.before, interrupted.after
    assert before["state"] == "not-sealed" and after["case_id"] == before["case_id"] and after["complete"]
    assert interrupted.said.code == 0 and interrupted.verified == "good"


# --- what somebody else chose ---------------------------------------------------------------------------------------

ESCAPE, TITLE, RIGHT_TO_LEFT, CSI = "\x1b[31m", "\x1b]0;owned\x07", "\u202e", "\x9b31m"
READ = {"respond": ("respond", TARGET, "--no-tracing", "--request-id", "ticket-2"), "cases": ("cases",), "show": ("show", "latest"),
        "timeline": ("timeline", "latest"), "findings": ("findings", "latest"), "diff": ("diff", "latest"), "logs": ("logs", "latest"),
        "invocations": ("logs", "latest", "--invocations"), "verify": ("verify",)}


@scene
def hostile(stage: Stage):
    """A good Worker, and then one whose every name is an attack on whoever reads it."""
    stage.respond("--no-tracing", "--request-id", "ticket-1")
    accepted = stage.coldcase("baseline", "--accept", "latest", "--reason", "it is good", "--yes")
    make_hostile(stage)
    sealed = stage.coldcase(*READ["respond"])
    printed = {name: stage.desk.on_terminal(*words, "--vault", "evidence", NO_COLOR="1") for name, words in READ.items()}
    documents = {name: stage.coldcase(*words) for name, words in READ.items()}
    documents["export"] = stage.coldcase("export", "latest", "--to", "bag")
    return SimpleNamespace(stage=stage, accepted=accepted, sealed=sealed, printed=printed, documents=documents, verified=stage.verified())


def make_hostile(stage: Stage) -> None:
    worker, newest = stage.worker, stage.worker.latest
    worker.observability = {"enabled": True}
    kind = "application/javascript+module"
    newest.modules += [Module(f"{ESCAPE}red.js", kind, b"export default 1"), Module("../../../climbs.js", kind, b"2"),
                       Module(f"a{RIGHT_TO_LEFT}gnp.js", f"text/{ESCAPE}plain", b"3"), Module(f"{TITLE}{CSI}c.js", kind, b"4")]
    newest.bindings += [{"type": "plain_text", "name": f"{ESCAPE}NAME", "text": f"{ESCAPE}value"},
                        {"type": "service", "name": f"../{RIGHT_TO_LEFT}SERVICE", "service": f"{TITLE}service"},
                        {"type": "secret_text", "name": f"{CSI}SECRET", "text": "secret"}]
    newest.author_email = f"{ESCAPE}author@example.com"
    worker.tail_consumers = [{"service": f"{ESCAPE}{RIGHT_TO_LEFT}listener"}]
    for zone in stage.state.zones.values():
        zone.routes.append({"id": "1", "pattern": f"{TITLE}{RIGHT_TO_LEFT}.example.com/*", "script": SCRIPT})
    stage.state.audit[-1]["actor"] |= {"email": f"{ESCAPE}actor@example.com", "token_name": f"{RIGHT_TO_LEFT}token"}
    stage.owner.page("POST", "calls", {"script": SCRIPT, "lines": [f"{ESCAPE}{TITLE}line", "two\r\nlines", f"{RIGHT_TO_LEFT}{CSI}"],
                                       "outcome": "exception", "error": f"{ESCAPE}boom", "url": f"https://example.com/{TITLE}"})


def test_a_change_is_accepted_and_the_next_case_is_compared_with_it(hostile):
    assert hostile.accepted.code == 0, hostile.accepted.both
    assert hostile.documents["diff"].code == 1 and hostile.sealed.code == 0 and hostile.verified == "good"
    assert len(cases(hostile.stage.desk)) == 2


@pytest.mark.parametrize("name", READ)
def test_no_terminal_obeys_what_somebody_named_or_logged(hostile, name):
    printed = hostile.printed[name]
    assert printed.strip()
    obeyed = {char for char in printed if char != "\n" and not char.isprintable() or char in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
    assert not obeyed, printed.encode()


@pytest.mark.parametrize("name, texts", [
    ("diff", [r"\u{1b}[31mred.js", "../../../climbs.js", r"a\u{202e}gnp.js", r"\u{1b}]0;owned\u{7}\u{9b}31mc.js", r"binding ../\u{202e}SERVICE",
              r"\u{1b}[31mNAME", r"binding \u{9b}31mSECRET", r"tail consumer \u{1b}[31m\u{202e}listener", r"route \u{1b}]0;owned\u{7}\u{202e}.example.com/*",
              r"\u{1b}[31mauthor@example.com"]),
    ("logs", [r"\u{1b}[31m\u{1b}]0;owned\u{7}line", r"\u{202e}\u{9b}31m"]),
    ("timeline", [r"\u{1b}[31mactor@example.com", r"\u{202e}token", r"\u{1b}[31mboom"]),
])
def test_what_somebody_named_or_logged_is_shown_as_the_text_it_is(hostile, name, texts):
    shown = hostile.printed[name].replace("\n", " ")
    assert [text for text in texts if text not in shown] == []


def test_a_module_that_climbs_out_is_found_and_climbs_nowhere(hostile):
    rules = {finding["rule"] for finding in hostile.documents["findings"].json["findings"]}
    assert {"archive-traversing-path", "archive-hostile-name"} <= rules
    assert not [path for path in hostile.stage.desk.folder.parent.rglob("*climbs.js")]


def registry() -> referencing.Registry:
    """What the schemas share is in a file beside them."""
    beside = ROOT / "infra/schemas"
    return referencing.Registry(retrieve=lambda uri: referencing.Resource.from_contents(json.loads((beside / uri.rpartition("/")[2]).read_text())))


@pytest.mark.parametrize("name", [*READ, "export"])
def test_json_is_what_its_schema_says(hostile, name):
    schema = json.loads((ROOT / f"infra/schemas/{name}.schema.json").read_text())
    said = hostile.documents[name]
    assert said.code in (0, 1), said.both
    faults = [f"{fault.json_path}: {fault.message[:200]}" for fault in Draft202012Validator(schema, registry=registry()).iter_errors(said.json)]
    assert faults == []


# --- faults ---------------------------------------------------------------------------------------------------------


def faults(stage: Stage, *wishes: dict) -> None:
    stage.owner.page("PUT", "faults", list(wishes))


@scene
def passing(stage: Stage):
    """Everything that passes when it is asked for again."""
    faults(stage, {"op": f"GET {S}/versions", "status": 429, "code": 10429, "headers": {"retry-after": "3"}},
           {"op": f"GET {S}/deployments", "status": 503, "body": "<html>", "headers": {"content-type": "text/html"}, "times": 2},
           {"op": f"GET {S}/secrets", "truncate": 20, "times": 2}, {"op": f"GET {S}/content/v2", "truncate": 400},
           {"op": f"GET {S}/schedules", "hang_up": True}, {"op": AUDIT, "status": 500, "body": "{}"})
    said = stage.respond("--no-tracing")
    return SimpleNamespace(said=said, fired=[fault["op"] for fault in stage.stand_in.faults.fired], requests=list(stage.stand_in.requests),
                           verified=stage.verified(), stage=stage)


def test_what_passes_is_asked_for_again_and_leaves_no_gap(passing):
    assert len(passing.fired) == 8 and passing.verified == "good"
    assert {outcome for outcome, _ in outcomes(passing.said).values()} == {"acquired", "absent"} and passing.said.code == 0
    [case] = cases(passing.stage.desk)
    [package] = [case.path(exhibit) for exhibit in case.exhibits if exhibit["name"] == "function-code.zip"]
    with zipfile.ZipFile(package) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            module.name: module.content for module in passing.stage.worker.latest.modules}


def test_everybody_waits_as_long_as_a_429_says(passing):
    [number] = [number for number, seen in enumerate(passing.requests) if seen.get("status") == 429]
    refused, next_one = passing.requests[number:number + 2]
    assert next_one["at"] - refused["at"] >= 3


@scene
def spoilt(stage: Stage):
    """Everything that would be the same however often it was asked for."""
    endless = {"endless": True, "times": 0}
    faults(stage, {"op": f"GET {S}/deployments", **endless}, {"op": f"GET {S}/content/v2", **endless}, {"op": AUDIT, **endless},
           {"op": f"GET {S}/schedules", "body": "<html>", "headers": {"content-type": "text/html"}, "times": 0},
           {"op": f"GET {S}/script-settings", "body": '{"result": {', "times": 0})
    return SimpleNamespace(said=stage.respond(), verified=stage.verified(), stage=stage)


@pytest.mark.parametrize("artifact, outcome, why", [
    ("deployments", "failed", "more than 16777216 bytes"),
    ("function-code", "failed", "more than 167772160 bytes"),
    ("audit-events", "failed", "more than 16777216 bytes"),
    ("event-source-mappings", "failed", "answered with text/html"),
    ("observability", "partial", "no JSON though it says so"),
    ("configuration", "acquired", ""),
])
def test_what_is_spoilt_is_told_and_the_rest_is_sealed(spoilt, artifact, outcome, why):
    told = outcomes(spoilt.said)[artifact]
    assert told[0] == outcome and why in told[1]
    assert spoilt.said.code == 1 and spoilt.verified == "good" and len(spoilt.said.json["cases"]) == 1


def test_nothing_is_changed_where_it_is_not_known_how_it_was(spoilt):
    [case] = spoilt.said.json["cases"]
    assert case["tracing"].startswith("not possible")
    assert [seen["op"] for seen in spoilt.stage.stand_in.requests if seen["method"] not in ("GET", "POST")] == []


@scene
def led_elsewhere(stage: Stage):
    stage.worker.observability = {"enabled": True}
    with recorded.Deaf() as elsewhere:
        away = {"redirect": f"{elsewhere.origin}/client/v4/elsewhere", "times": 0}
        faults(stage, {"op": f"GET {S}/secrets", **away}, {"op": f"GET {S}/content/v2", **away, "status": 307}, {"op": AUDIT, **away, "status": 308},
               {"op": TELEMETRY, **away, "status": 307}, {"op": WITH_MODULES, **away, "status": 301})
        said = stage.respond("--no-tracing")
        return SimpleNamespace(said=said, there=list(elsewhere.requests), fired={fault["op"] for fault in stage.stand_in.faults.fired},
                               verified=stage.verified())


def test_credentials_never_follow_to_another_host(led_elsewhere):
    assert led_elsewhere.there == [] and len(led_elsewhere.fired) == 5
    failed = {name.split(" ")[0] for name, (outcome, why) in outcomes(led_elsewhere.said).items() if outcome == "failed" and "redirected" in why}
    assert failed == {"secrets", "function-code", "audit-events", "execution-logs", "traces"}
    assert led_elsewhere.said.code == 1 and led_elsewhere.verified == "good"


@scene
def revoked(stage: Stage):
    process = stage.desk.start("respond", TARGET, "--vault", "evidence", "--json")
    stage.until(lambda: any(seen["op"] == f"GET {S}/deployments" for seen in stage.stand_in.requests))
    stage.state.tokens.clear()
    out, _ = process.communicate(timeout=60)
    return SimpleNamespace(code=process.returncode, said=SimpleNamespace(json=json.loads(out)), verified=stage.verified())


def test_a_token_that_is_revoked_midway_leaves_a_sealed_case_of_what_came_before(revoked):
    told = outcomes(revoked.said)
    assert revoked.code == 1 and revoked.verified == "good"
    assert {told[name][0] for name in ("function-code", "configuration", "secrets", "versions")} == {"acquired"}
    for name in ("observability", "audit-events", "execution-logs", "traces"):
        assert told[name][0] == "denied" and "9109" in told[name][1], name
    [case] = revoked.said.json["cases"]
    assert case["sealed_at"] and case["tracing"].startswith("not possible")


# --- the contract ---------------------------------------------------------------------------------------------------


@scene
def checked(folder: Path):
    """A gradual deployment, stored logs, a case with tracing: every operation that coldcase has, between Prism and the recorder."""
    file = folder / "requests.jsonl"
    with up("--checked", "--record", str(file)) as running:
        owner = running.owner
        owner.call("PATCH", f"{owner.script(running.script)}/script-settings", {"observability": {"enabled": True}})
        [live] = owner.call("GET", f"{owner.script(running.script)}/deployments").result["deployments"][0]["versions"]
        other = owner.upload(running.script, {"index.js": ("application/javascript+module", b"export default {};")}, {"main_module": "index.js"},
                             version_only=True)["id"]
        owner.deploy(running.script, {live["version_id"]: 90, other: 10})
        owner.page("POST", "calls", {"script": running.script, "times": 5, "lines": ["a line"]})
        by_owner = len(recorded.read(file))
        said = Desk(folder, owner.endpoint, owner.token).coldcase("respond", TARGET, "--vault", "evidence", "--json")
        violations = owner.page("GET", "violations")
    return SimpleNamespace(said=said, violations=violations, up=running, requests=recorded.read(file)[by_owner:])


def test_every_request_and_every_reply_is_of_the_vendors_own_types(checked):
    assert checked.said.code == 0, checked.said.both
    assert checked.violations == [] and checked.up.code == 0, checked.up.said


def test_every_request_is_what_the_vendors_own_sdk_sends(checked):
    assert recorded.differences([request for request in checked.requests if request.op not in prism.UNCHECKED]) == []
    # Of these, method, path and query are compared: what comes back is what Prism cannot read.
    unchecked = [request for request in checked.requests if request.op in prism.UNCHECKED]
    assert {request.op for request in unchecked} == {f"GET {S}/content/v2"} and recorded.differences(unchecked) == []


def test_the_run_holds_every_operation_that_coldcase_has(checked):
    """All but the token verification of an account's own tokens, which is asked for only where that of a user's says no."""
    script = {f"GET {S}/{name}" for name in ("content/v2", "settings", "secrets", "versions", "versions/{version_id}", "deployments", "subdomain",
                                             "schedules", "script-settings", "tails")}
    assert {request.op for request in checked.requests} == script | {
        f"PATCH {S}/script-settings", "GET /user/tokens/verify", TELEMETRY, AUDIT, WITH_MODULES, "GET /accounts/{account_id}/workers/subdomain",
        "GET /accounts/{account_id}/workers/domains", "GET /zones", "GET /zones/{zone_id}/workers/routes"}


def test_tracing_is_the_only_change_that_was_made(checked):
    changes = [request for request in checked.requests if request.method != "GET" and request.op != TELEMETRY]
    assert [(request.op, request.body["observability"]["traces"]["enabled"]) for request in changes] == [(f"PATCH {S}/script-settings", True)]
    [case] = checked.said.json["cases"]
    assert case["tracing"].startswith("turned on")


# --- what runs, what was uploaded, what was lost --------------------------------------------------------------------


EVIL = {"index.js": ("application/javascript+module", b"export default {evil: 1};")}


@scene
def undeployed(stage: Stage):
    """A good Worker, code that is uploaded and not deployed, which is what the script's content then is, and a setting
    whose answer is lost. Then that code is deployed."""
    honest = {module.name: module.content for module in stage.worker.latest.modules}
    stage.respond("--no-tracing", "--request-id", "ticket-1")
    stage.coldcase("baseline", "--accept", "latest", "--reason", "it is good", "--yes")
    evil = stage.owner.upload(SCRIPT, EVIL, {"main_module": "index.js"}, version_only=True)["id"]
    live = stage.worker.deployments[0].versions[0]["version_id"]
    faults(stage, {"op": f"PATCH {S}/script-settings", "truncate": 5, "times": 0})
    said = stage.respond("--request-id", "ticket-2")
    differs = stage.coldcase("diff", "latest")
    is_on = stage.worker.observability["traces"]["enabled"]
    stage.owner.deploy(SCRIPT, {evil: 100})
    stage.respond("--no-tracing", "--request-id", "ticket-3")
    return SimpleNamespace(said=said, honest=honest, live=live, is_on=is_on, differs=differs, deployed=stage.coldcase("diff", "latest"),
                           verified=stage.verified(), stage=stage)


def test_what_is_live_is_judged_whatever_was_uploaded_since(undeployed):
    assert undeployed.verified == "good"
    before, after = ({change["kind"] for change in said.json["changes"]} for said in (undeployed.differs, undeployed.deployed))
    assert "code" not in before and "code" in after


def test_what_is_live_is_preserved_whatever_was_uploaded_since(undeployed):
    case = cases(undeployed.stage.desk)[1]
    [package] = [case.path(exhibit) for exhibit in case.exhibits if exhibit["name"] == f"function-code-{undeployed.live}.zip"]
    with zipfile.ZipFile(package) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == undeployed.honest


def test_an_answer_that_was_lost_is_looked_up(undeployed):
    assert undeployed.is_on
    [case] = undeployed.said.json["cases"]
    assert case["tracing"].startswith("turned on")
