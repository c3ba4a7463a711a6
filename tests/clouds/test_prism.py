"""Nothing wrong gets past Prism, in either direction, and what it cannot check is on a list."""

import filecmp
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from clouds import prism, recorded
from clouds.cloudflare import ACCOUNT_ID, BASE, SCRIPT
from clouds.cloudflare.operations import OPERATIONS, SCRIPT as S
from clouds.cloudflare.owner import Owner, Refusal

OPS = {f"{method.upper()} {path}" for path, operations in json.loads(prism.SPECIFICATION.read_text())["paths"].items()
       for method in operations}
# Results that the SDK leaves open altogether (`unknown`), and a reply without a result.
OPEN = {f"DELETE {S}", f"DELETE {S}/secrets/{{secret_name}}", f"DELETE {S}/tails/{{id}}"}
SETTINGS, TELEMETRY = f"GET {S}/settings", "/accounts/{a}/workers/observability/telemetry/query"
QUERY = {"queryId": "x", "timeframe": {"from": 1, "to": 2}}
BINARY = {"index.js": ("application/javascript+module", b"import './a.wasm';"), "a.wasm": ("application/wasm", bytes(range(256)))}


def example(op: str) -> tuple[str, str, object]:
    """A request that the specification allows."""
    [request] = [request for request in recorded.examples() if request.op == op]
    query = "&".join(f"{name}={value}" for name, value in request.query)
    return request.method, f"{request.path}?{query}" if query else request.path, request.body


def refused(call, *arguments, **more) -> str:
    with pytest.raises(Refusal) as no:
        call(*arguments, **more)
    return no.value.body.decode()


def test_every_operation_is_in_the_specification_or_on_the_list_of_those_that_are_not_checked():
    known = {known.op for known in OPERATIONS}
    assert known == OPS | set(prism.UNCHECKED) and OPS & set(prism.UNCHECKED) == {f"GET {S}/content/v2"}


def test_the_specification_is_what_the_sdk_says_now_and_the_same_every_time(tmp_path):
    again = tmp_path / "cloudflare.json"
    subprocess.run(["node", prism.HERE / "specification/cloudflare.mjs", again], check=True)
    assert filecmp.cmp(again, prism.SPECIFICATION, shallow=False)


def test_what_a_collector_and_an_attacker_do_passes(between):
    zone = f"/zones/{between.zone}/workers/routes"
    versions = [version["id"] for version in between.of_script("versions?page=1&per_page=100").result["items"]]
    for path in ("settings", "secrets", f"versions/{versions[0]}", "deployments", "subdomain", "schedules", "script-settings", "tails"):
        between.of_script(path)
    between.get("/user/tokens/verify")
    for path in (f"workers/workers/{SCRIPT}/versions/{versions[0]}?include=modules", "workers/subdomain", "workers/scripts", "queues?page=1",
                 "workers/domains?service=x", "logs/audit?since=2020-01-01T00:00:00Z&before=2100-01-01T00:00:00Z&direction=asc&limit=2"):
        between.get(f"/accounts/{ACCOUNT_ID}/{path}")
    between.get(f"/zones?account.id={ACCOUNT_ID}&page=1&per_page=50")
    between.call("PATCH", f"{between.script(SCRIPT)}/script-settings", {"observability": {
        "enabled": True, "head_sampling_rate": 1, "logs": {"enabled": True, "invocation_logs": True},
        "traces": {"enabled": True, "head_sampling_rate": 1}}, "tail_consumers": [{"service": "collector"}], "logpush": True})
    between.put_secret(SCRIPT, "MORE", "value")
    between.call("DELETE", f"{between.script(SCRIPT)}/secrets/MORE")
    between.deploy(SCRIPT, {versions[0]: 90, versions[1]: 10})
    route = between.call("POST", zone, {"pattern": "example.com/x*", "script": SCRIPT}).result
    between.get(zone)
    between.call("DELETE", f"{zone}/{route['id']}")
    between.call("PUT", f"/accounts/{ACCOUNT_ID}/workers/domains", {"hostname": "x.example.com", "service": SCRIPT, "zone_id": between.zone})
    between.call("POST", f"{between.script(SCRIPT)}/subdomain", {"enabled": True})
    between.call("PUT", f"{between.script(SCRIPT)}/schedules", [{"cron": "* * * * *"}])
    tail = between.call("POST", f"{between.script(SCRIPT)}/tails", {"filters": []}).result
    between.of_script("tails")
    between.page("PUT", "behaviour", {"tails": "list"})
    between.of_script("tails")
    between.page("PUT", "behaviour", {})
    between.call("DELETE", f"{between.script(SCRIPT)}/tails/{tail['id']}")
    between.page("POST", "calls", {"script": SCRIPT, "lines": ["one"], "outcome": "exception", "error": "boom"})
    between.page("POST", "queues", {"queue_name": "orders", "consumers": [{"type": "worker", "script_name": SCRIPT}]})
    between.get(f"/accounts/{ACCOUNT_ID}/queues")
    for view in ("events", "traces", "invocations"):
        between.call("POST", TELEMETRY.format(a=ACCOUNT_ID), recorded.EXAMPLES[11][3] | {
            "view": view, "timeframe": {"from": 1, "to": 4102444800000}, "offset": ""})
    between.upload("old", {"worker.js": ("application/javascript", b"addEventListener('fetch', () => {});")}, {"body_part": "worker.js"})
    for path in ("settings", "versions", "deployments", "schedules", "script-settings"):
        between.get(f"{between.script('old')}/{path}")
    newest = between.get(f"{between.script('old')}/versions").result["items"][0]["id"]
    between.get(f"/accounts/{ACCOUNT_ID}/workers/workers/old/versions/{newest}?include=modules")
    between.call("DELETE", between.script("old"))
    assert between.violations == []


def test_a_refusal_of_the_api_passes_as_it_is(between):
    with pytest.raises(Refusal) as no:
        between.get(between.script("nobody") + "/settings")
    assert (no.value.status, no.value.codes) == (404, [10007])
    between.fault(SETTINGS, status=429, code=10429, headers={"retry-after": "7"})
    with pytest.raises(Refusal) as no:
        between.of_script("settings")
    assert no.value.status == 429 and between.violations == []


@pytest.mark.parametrize("method, path, body, word", [
    ("POST", TELEMETRY, {"timeframe": {"from": 1, "to": 2}}, "queryId"),  # a required field is missing
    ("POST", TELEMETRY, QUERY | {"colour": "red"}, "colour"),  # an unknown one
    ("POST", TELEMETRY, QUERY | {"view": "everything"}, "view"),
    ("POST", TELEMETRY, {"queryId": "x", "timeframe": {"from": "1", "to": 2}}, "timeframe"),
    ("POST", TELEMETRY, QUERY | {"parameters": {"filters": [{"key": "a", "operation": "like", "type": "string"}]}}, "operation"),
    ("PATCH", "/accounts/{a}/workers/scripts/x/script-settings", {"observability": {"enabled": True, "tracing": True}}, "tracing"),
    ("PUT", "/accounts/{a}/workers/scripts/x/secrets", {"name": "KEY", "type": "secret_text"}, "text"),
    ("POST", "/accounts/{a}/workers/scripts/x/tails", {"filter": []}, "filter"),
    ("GET", "/accounts/{a}/logs/audit?since=2026-01-01", None, "before"),
    ("GET", "/accounts/{a}/logs/audit?since=2026-01-01&before=2026-01-02&direction=up", None, "direction"),
    ("GET", "/accounts/{a}/workers/scripts/x/versions?page=first", None, "page"),
    ("GET", "/accounts/{a}/workers/scripts/x/versions?per-page=5", None, "per-page"),  # Prism itself would let it pass
    ("GET", "/zones?account.ID={a}", None, "account.ID"),
    ("GET", "/accounts/{a}/workers/workers/x/versions/y?include=all", None, "include"),
    ("GET", "/accounts/{a}/workers/scripts/x/setting", None, "setting"),  # a wrong path
    ("POST", "/accounts/{a}/workers/scripts/x/settings", {}, "settings"),  # a wrong method
])
def test_a_wrong_request_is_refused_and_remembered(between, method, path, body, word):
    between.page("DELETE", "requests")
    assert word in refused(between.call, method, path.format(a=ACCOUNT_ID), body)
    [violation] = between.violations
    assert word in json.dumps(violation) and violation["method"] == method
    assert between.page("GET", "requests") == []


def test_a_request_without_credentials_is_refused(between):
    with pytest.raises(urllib.error.HTTPError) as no:
        urllib.request.urlopen(f"{between.endpoint}/zones")
    assert no.value.code == 401 and len(between.violations) == 1


@pytest.mark.parametrize("op", sorted(OPS - set(prism.UNCHECKED) - OPEN))
def test_a_reply_whose_result_is_of_another_kind_is_refused(between, op):
    envelope = {"result": 5, "success": True, "errors": [], "messages": []}
    between.fault(op, body=json.dumps(envelope))
    assert "result" in refused(between.call, *example(op))
    assert between.violations[0]["op"] == op


@pytest.mark.parametrize("op", sorted(OPS - set(prism.UNCHECKED)))
def test_a_reply_outside_the_envelope_is_refused(between, op):
    between.fault(op, body=json.dumps({"result": []}))
    assert "success" in refused(between.call, *example(op))


@pytest.mark.parametrize("what, word", [
    ({"set": {"result.bindings.0": {"type": "plain_text", "name": "A"}}}, "bindings"),
    ({"set": {"result.bindings.0": {"type": "unheard_of", "name": "A"}}}, "bindings"),
    ({"set": {"result.tail_consumers": [{"name": "collector"}]}}, "service"),
    ({"set": {"success": False}}, "success"),
    ({"body": "<html>", "headers": {"content-type": "text/html"}}, "media type"),
    ({"body": "{"}, "JSON"),
    ({"status": 500, "body": json.dumps({"error": "broken"})}, "errors"),
])
def test_a_wrong_reply_is_refused_and_remembered(between, what, word):
    between.fault(SETTINGS, **what)
    assert word in refused(between.of_script, "settings") and len(between.violations) == 1


def test_code_goes_past_prism_which_would_change_it(between):
    between.upload("binary", BINARY, {"main_module": "index.js"})
    path = f"{between.script('binary')}/content/v2"
    answer = between.get(path)
    assert BINARY["a.wasm"][1] in answer.body and answer.headers["cf-entrypoint"] == "index.js" and between.violations == []
    through = Owner(between.checked._prism, between.token, ACCOUNT_ID).call("GET", path)
    assert BINARY["a.wasm"][1] not in through.body, "Prism has learnt to leave bytes alone: take the operation off the list"


def test_a_violation_fails_at_the_end_even_if_the_client_made_nothing_of_it(cloudflare):
    with pytest.raises(prism.Violation, match="colour"):
        with prism.between(cloudflare.endpoint) as checked:
            refused(Owner(checked.endpoint, cloudflare.token, ACCOUNT_ID).call, "POST", TELEMETRY.format(a=ACCOUNT_ID), QUERY | {"colour": 1})


def test_the_command_line_tells_violations_and_ends_with_them_and_takes_prism_along(tmp_path):
    file = tmp_path / "requests.jsonl"
    process = subprocess.Popen([sys.executable, "-m", "clouds", "cloudflare", "up", "--checked", "--record", str(file)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[1])
    try:
        line = json.loads(process.stdout.readline())
        owner = Owner(line["endpoint"], line["token"], line["account"])
        assert owner.call("GET", owner.script(line["script"]) + "/settings").status == 200
        assert owner.page("GET", "violations") == []
        refused(owner.call, "GET", owner.script(line["script"]) + "/nothing")
        [violation] = owner.page("GET", "violations")
        _, said = process.communicate(timeout=20)
        assert process.returncode == 1 and json.loads(said) == violation
        assert [(request.op, request.status) for request in recorded.read(file)] == [(SETTINGS, 200), (None, 404)]
    finally:
        process.kill()


# --- the recorder ---------------------------------------------------------------------------------------------------


def test_a_recorder_keeps_every_request_and_no_credential(cloudflare, tmp_path):
    file = tmp_path / "requests.jsonl"
    with recorded.Recorder(cloudflare.endpoint, file) as recorder:
        owner = Owner(recorder.endpoint, cloudflare.token, ACCOUNT_ID)
        owner.call("GET", f"{owner.script(SCRIPT)}/versions?per_page=5&page=1")
        owner.call("POST", TELEMETRY.format(a=ACCOUNT_ID), QUERY)
        owner.upload(SCRIPT, BINARY, {"main_module": "index.js"})
        content = owner.call("GET", f"{owner.script(SCRIPT)}/content/v2")
        assert BINARY["a.wasm"][1] in content.body
        owner.page("GET", "faults")
    first, second, *rest = recorded.read(file)
    assert (first.op, first.query, first.body, first.status) == (f"GET {S}/versions", [("per_page", "5"), ("page", "1")], None, 200)
    assert second.body == QUERY and "authorization" in second.headers
    assert [request.op for request in rest] == [f"PUT {S}", f"GET {S}/content/v2"]
    assert cloudflare.token not in file.read_text()


def test_a_recorder_passes_on_what_breaks_off_and_follows_nothing(cloudflare):
    with recorded.Recorder(cloudflare.endpoint) as recorder:
        owner = Owner(recorder.endpoint, cloudflare.token, ACCOUNT_ID)
        cloudflare.fault(SETTINGS, truncate=10)
        with pytest.raises(Exception, match="IncompleteRead"):
            owner.call("GET", f"{owner.script(SCRIPT)}/settings")
        cloudflare.fault(SETTINGS, hang_up=True)
        with pytest.raises(OSError):
            owner.call("GET", f"{owner.script(SCRIPT)}/settings")
        cloudflare.fault(SETTINGS, redirect="http://127.0.0.1:1/elsewhere")
        with pytest.raises(OSError):
            owner.call("GET", f"{owner.script(SCRIPT)}/settings")
        assert [request.status for request in recorder.requests] == [200, None, 302]


def test_what_is_outside_the_api_never_leaves(between):
    origin = between.endpoint.removesuffix(BASE)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{origin}/elsewhere")
    assert "outside" in json.dumps(between.violations)
