"""The stand-in is an account like Cloudflare's: what is changed is found again, by urllib and by the vendor's own SDK."""

import base64
import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from clouds.cloudflare import ACCOUNT_ID, SCRIPT, multipart
from clouds.cloudflare.owner import Owner, Refusal
from clouds.cloudflare.state import Module

S = "/accounts/{account_id}/workers/scripts/{script_name}"
STOLEN = {"index.js": ("application/javascript+module", b"export default { fetch: (r, env) => Response.json(env) };\n")}
FILTER = {"filterCombination": "and", "filters": [
    {"key": "$workers.scriptName", "operation": "eq", "type": "string", "value": SCRIPT}]}


def refused(call, *arguments, **more) -> tuple[int, list[int]]:
    with pytest.raises(Refusal) as no:
        call(*arguments, **more)
    return no.value.status, no.value.codes


def modules(answer) -> dict[str, bytes]:
    return {name: content for name, _, _, content in multipart.read(answer.headers["content-type"], answer.body)}


def window(**more) -> dict:
    now = int(time.time() * 1000)
    return {"queryId": "coldcase", "timeframe": {"from": now - 3_600_000, "to": now + 60_000}, "view": "events", "limit": 500,
            "dry": True, "parameters": FILTER} | more


def observe(cloudflare) -> None:
    cloudflare.call("PATCH", f"{cloudflare.script(SCRIPT)}/script-settings", {"observability": {
        "enabled": True, "head_sampling_rate": 1, "logs": {"enabled": True, "invocation_logs": True},
        "traces": {"enabled": True, "head_sampling_rate": 1}}})


def query(cloudflare, **more) -> dict:
    return cloudflare.call("POST", f"/accounts/{cloudflare.account}/workers/observability/telemetry/query", window(**more)).result


# --- the command line -----------------------------------------------------------------------------------------------


def test_it_says_where_it_is_in_one_line_and_ends_with_its_standard_input():
    process = subprocess.Popen([sys.executable, "-m", "clouds", "cloudflare", "up", "--port", "0"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=Path(__file__).parents[1], text=True)
    try:
        line = json.loads(process.stdout.readline())
        assert set(line) == {"endpoint", "account", "token", "script"}
        owner = Owner(line["endpoint"], line["token"], line["account"])
        assert owner.call("GET", owner.script(line["script"]) + "/settings").json["success"] is True
        process.stdin.close()
        assert process.wait(5) == 0 and process.stdout.read() == ""
    finally:
        process.kill()
        process.stdout.close()


# --- code, versions, deployments ------------------------------------------------------------------------------------


def test_code_comes_back_in_parts_with_another_boundary_every_time(cloudflare):
    first, second = cloudflare.of_script("content/v2"), cloudflare.of_script("content/v2")
    assert first.headers["content-type"] != second.headers["content-type"] and first.body != second.body
    assert modules(first) == modules(second) and set(modules(first)) == {"index.js", "money.js"}
    assert first.headers["cf-entrypoint"] == "index.js" and first.headers["etag"] == second.headers["etag"]


def test_a_service_worker_comes_back_as_its_script(cloudflare):
    content = b"addEventListener('fetch', event => event.respondWith(new Response('old')));"
    cloudflare.upload("old", {"worker.js": ("application/javascript", content)}, {"body_part": "worker.js"})
    answer = cloudflare.get(cloudflare.script("old") + "/content/v2")
    assert (answer.headers["content-type"], answer.body) == ("application/javascript", content)
    assert "cf-entrypoint" not in answer.headers


def test_an_upload_is_live_and_earlier_versions_keep_their_modules(cloudflare):
    before = cloudflare.of_script("deployments").result["deployments"][0]["versions"][0]["version_id"]
    cloudflare.upload(SCRIPT, STOLEN, {"main_module": "index.js", "keep_bindings": ["secret_text"]})
    deployed = cloudflare.of_script("deployments").result["deployments"]
    [live] = deployed[0]["versions"]
    assert live["percentage"] == 100 and live["version_id"] != before
    assert deployed[0]["annotations"]["workers/triggered_by"] == "upload"
    old = cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/workers/{SCRIPT}/versions/{before}?include=modules").result
    assert {module["name"] for module in old["modules"]} == {"index.js", "money.js"} and old["main_module"] == "index.js"
    new = cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/workers/{SCRIPT}/versions/{live['version_id']}?include=modules").result
    [module] = new["modules"]
    assert base64.b64decode(module["content_base64"]) == STOLEN["index.js"][1]
    assert [binding["name"] for binding in cloudflare.of_script("settings").result["bindings"]] == ["API_PASSWORD"]


def test_modules_of_a_version_come_only_if_they_are_asked_for_and_the_id_of_the_worker_serves_as_its_name(cloudflare):
    version = cloudflare.of_script("versions").result["items"][0]["id"]
    [listed] = cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/scripts").result
    answer = cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/workers/{listed['tag']}/versions/{version}").result
    assert answer["id"] == version and "modules" not in answer


def test_a_gradual_deployment_shares_the_traffic_and_content_may_be_of_either_version(cloudflare):
    before = cloudflare.of_script("versions").result["items"][0]["id"]
    after = cloudflare.upload(SCRIPT, STOLEN, {"main_module": "index.js"}, version_only=True)["id"]
    assert cloudflare.of_script("deployments").result["deployments"][0]["versions"] == [{"version_id": before, "percentage": 100}]
    cloudflare.deploy(SCRIPT, {before: 90, after: 10})
    assert [share["percentage"] for share in cloudflare.of_script("deployments").result["deployments"][0]["versions"]] == [90, 10]
    assert set(modules(cloudflare.of_script("content/v2"))) == {"index.js"}
    cloudflare.page("PUT", "behaviour", {"content": "live"})
    assert set(modules(cloudflare.of_script("content/v2"))) == {"index.js", "money.js"}
    calls = cloudflare.page("POST", "calls", {"script": SCRIPT, "times": 300})
    assert {call["version_id"] for call in calls} == {before, after}


def test_shares_that_do_not_come_to_100_and_versions_that_are_not_there_are_refused(cloudflare):
    version = cloudflare.of_script("versions").result["items"][0]["id"]
    assert refused(cloudflare.deploy, SCRIPT, {version: 90})[0] == 400
    assert refused(cloudflare.deploy, SCRIPT, {"00000000-0000-0000-0000-000000000000": 100}) == (404, [10090])


def test_versions_come_in_pages_newest_first(cloudflare):
    for number in range(5):
        cloudflare.put_secret(SCRIPT, f"KEY_{number}", "value")
    first, second = (cloudflare.of_script(f"versions?page={page}&per_page=4").json for page in (1, 2))
    numbers = [item["number"] for reply in (first, second) for item in reply["result"]["items"]]
    assert numbers == [7, 6, 5, 4, 3, 2, 1] and first["result_info"]["total_count"] == 7
    assert cloudflare.of_script("versions?page=3&per_page=4").result == {"items": []}
    assert refused(cloudflare.of_script, "versions?per_page=1000")[0] == 400


def test_an_upload_without_its_main_module_is_refused(cloudflare):
    assert refused(cloudflare.upload, SCRIPT, STOLEN, {"main_module": "other.js"}) == (400, [10021])
    assert len(cloudflare.of_script("versions").result["items"]) == 2


@pytest.mark.parametrize("name, content", [("a.bin", bytes(range(256)) * 40), ("ü \"quoted\".js", b"\r\n--x\r\n"), ("empty", b"")])
def test_modules_survive_the_way_there_and_back(name, content):
    content_type, body = multipart.write([Module(name, "application/octet-stream", content), Module("b", "text/plain", b"\r\n")])
    read = multipart.read(content_type, body)
    assert [(kind, content) for _, _, kind, content in read] == [("application/octet-stream", content), ("text/plain", b"\r\n")]
    assert read[1][0] == "b"


# --- settings, secrets, addresses, triggers -------------------------------------------------------------------------


def test_a_secret_shows_its_name_and_never_its_value(cloudflare):
    cloudflare.put_secret(SCRIPT, "DATABASE", "marked-secret-17")
    assert cloudflare.of_script("secrets").result == [{"name": "API_PASSWORD", "type": "secret_text"}, {"name": "DATABASE", "type": "secret_text"}]
    version = cloudflare.of_script("versions").result["items"][0]["id"]
    for path in ("settings", "secrets", f"versions/{version}", "versions", "deployments", "content/v2"):
        assert b"marked-secret-17" not in cloudflare.of_script(path).body
    assert "marked-secret-17" not in json.dumps(cloudflare.audit())
    assert cloudflare.call("DELETE", f"{cloudflare.script(SCRIPT)}/secrets/DATABASE").result is None
    assert [secret["name"] for secret in cloudflare.of_script("secrets").result] == ["API_PASSWORD"]


def test_every_kind_of_binding_comes_back_as_it_was_put(cloudflare):
    bindings = [
        {"type": "plain_text", "name": "A", "text": "a"}, {"type": "json", "name": "B", "json": {"b": [1]}},
        {"type": "service", "name": "C", "service": "other", "environment": "production"},
        {"type": "kv_namespace", "name": "D", "namespace_id": "d"}, {"type": "r2_bucket", "name": "E", "bucket_name": "e"},
        {"type": "d1", "name": "F", "id": "f"}, {"type": "queue", "name": "G", "queue_name": "g"},
        {"type": "analytics_engine", "name": "H", "dataset": "h"}]
    cloudflare.upload(SCRIPT, STOLEN, {"main_module": "index.js", "bindings": bindings})
    assert cloudflare.of_script("settings").result["bindings"] == bindings
    version = cloudflare.of_script("versions").result["items"][0]["id"]
    assert cloudflare.of_script(f"versions/{version}").result["resources"]["bindings"] == bindings
    assert refused(cloudflare.upload, SCRIPT, STOLEN, {"main_module": "index.js", "bindings": [{"type": "d1", "name": "F"}]}) == (400, [10021])


def test_settings_of_the_script_make_no_version_and_settings_with_bindings_make_one(cloudflare):
    def versions():
        return len(cloudflare.of_script("versions").result["items"])
    before = versions()
    cloudflare.call("PATCH", f"{cloudflare.script(SCRIPT)}/script-settings", {"tail_consumers": [{"service": "collector"}], "logpush": True})
    assert versions() == before
    assert cloudflare.of_script("script-settings").result["tail_consumers"] == [{"service": "collector"}]
    cloudflare.change_settings(SCRIPT, {"bindings": [{"type": "inherit", "name": "INVOICES"}, {"type": "plain_text", "name": "X", "text": "x"}]})
    assert versions() == before + 1
    assert [binding["type"] for binding in cloudflare.of_script("settings").result["bindings"]] == ["kv_namespace", "plain_text"]


def test_routes_domains_subdomains_schedules_and_queues_are_found_where_they_were_put(cloudflare):
    routes = f"/zones/{cloudflare.zone}/workers/routes"
    made = cloudflare.call("POST", routes, {"pattern": "example.com/pay*", "script": SCRIPT}).result
    assert made in cloudflare.get(routes).result
    assert refused(cloudflare.call, "POST", routes, {"pattern": "example.com/pay*"})[0] == 409
    assert refused(cloudflare.call, "POST", routes, {"pattern": "x", "script": "nobody"}) == (404, [10007])
    cloudflare.call("DELETE", f"{routes}/{made['id']}")
    assert made not in cloudflare.get(routes).result

    domain = cloudflare.call("PUT", f"/accounts/{ACCOUNT_ID}/workers/domains", {
        "hostname": "pay.example.com", "service": SCRIPT, "zone_id": cloudflare.zone}).result
    assert cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/domains?service={SCRIPT}").result == [domain]
    assert cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/domains?service=other").result == []

    assert cloudflare.of_script("subdomain").result == {"enabled": False, "previews_enabled": False}
    cloudflare.call("POST", f"{cloudflare.script(SCRIPT)}/subdomain", {"enabled": True})
    assert cloudflare.of_script("subdomain").result["enabled"] is True
    assert cloudflare.get(f"/accounts/{ACCOUNT_ID}/workers/subdomain").result == {"subdomain": "example"}

    assert [schedule["cron"] for schedule in cloudflare.of_script("schedules").result["schedules"]] == ["*/30 * * * *"]
    cloudflare.call("PUT", f"{cloudflare.script(SCRIPT)}/schedules", [{"cron": "* * * * *"}])
    assert [schedule["cron"] for schedule in cloudflare.of_script("schedules").result["schedules"]] == ["* * * * *"]

    cloudflare.page("POST", "queues", {"queue_name": "orders", "consumers": [{"type": "worker", "script_name": SCRIPT}]})
    [queue] = cloudflare.get(f"/accounts/{ACCOUNT_ID}/queues").result
    assert queue["consumers"][0]["script_name"] == SCRIPT


def test_zones_come_in_pages_of_at_most_50(cloudflare):
    for number in range(100):
        cloudflare.page("POST", "zones", {"name": f"zone-{number:03}.test"})
    pages = [cloudflare.get(f"/zones?account.id={ACCOUNT_ID}&page={page}&per_page=50").json for page in (1, 2, 3, 4)]
    assert [len(page["result"]) for page in pages] == [50, 50, 1, 0]
    assert pages[0]["result_info"] == {"page": 1, "per_page": 50, "count": 50, "total_count": 101, "total_pages": 3}
    assert cloudflare.get("/zones?account.id=ffffffffffffffffffffffffffffffff").result == []


def test_a_tail_is_open_until_it_is_closed(cloudflare):
    assert cloudflare.of_script("tails").result is None
    opened = cloudflare.call("POST", f"{cloudflare.script(SCRIPT)}/tails", {"filters": []}).result
    assert opened["url"].startswith("wss://") and cloudflare.of_script("tails").result == opened
    cloudflare.page("PUT", "behaviour", {"tails": "list"})
    assert cloudflare.of_script("tails").result == [opened]
    cloudflare.call("DELETE", f"{cloudflare.script(SCRIPT)}/tails/{opened['id']}")
    assert cloudflare.of_script("tails").result == []


def test_a_deleted_worker_is_not_there_any_more(cloudflare):
    cloudflare.call("DELETE", cloudflare.script(SCRIPT))
    for path in ("settings", "content/v2", "secrets", "versions", "deployments", "schedules", "tails", "script-settings", "subdomain"):
        assert refused(cloudflare.of_script, path) == (404, [10007])


# --- who may --------------------------------------------------------------------------------------------------------


def test_credentials_are_needed_and_each_kind_of_refusal_has_its_code(cloudflare):
    path = f"{cloudflare.script(SCRIPT)}/settings"
    assert refused(cloudflare.get, path, authorization="Bearer wrong") == (403, [9109])
    assert refused(cloudflare.get, path, authorization="Basic abc") == (400, [6003])
    assert refused(cloudflare.get, "/user/tokens/verify", authorization="Bearer wrong") == (401, [1000])
    with pytest.raises(urllib.error.HTTPError) as missing:
        urllib.request.urlopen(cloudflare.endpoint + path)
    assert missing.value.code == 400 and json.loads(missing.value.read())["errors"][0]["code"] == 9106
    assert refused(cloudflare.get, f"/accounts/{'f' * 32}/workers/scripts/{SCRIPT}/settings") == (403, [10000])


def test_a_token_verifies_with_its_owner_and_a_key_goes_into_other_headers(cloudflare):
    verified = cloudflare.get("/user/tokens/verify").json
    assert verified["result"]["status"] == "active" and verified["messages"][0]["message"] == "This API Token is valid and active"
    of_account = cloudflare.somebody(owner="account")
    assert refused(of_account.call, "GET", "/user/tokens/verify") == (401, [1000])
    assert of_account.call("GET", f"/accounts/{ACCOUNT_ID}/tokens/verify").result["status"] == "active"
    key = cloudflare.page("POST", "tokens", {"name": "global", "key": True, "email": "owner@example.com"})
    request = urllib.request.Request(f"{cloudflare.endpoint}/zones", headers={
        "X-Auth-Key": key["token"], "X-Auth-Email": key["email"]})
    assert json.load(urllib.request.urlopen(request))["success"] is True


@pytest.mark.parametrize("groups, allowed, denied, code", [
    (["Workers Scripts Read"], "/accounts/{a}/workers/scripts/billing-api/settings", "/zones/{z}/workers/routes", 9109),
    (["Workers Scripts Write"], "/accounts/{a}/workers/scripts/billing-api/settings", "/accounts/{a}/workers/scripts/billing-api/tails", 10000),
    (["Workers Routes Read"], "/zones/{z}/workers/routes", "/zones", 9109),
    (["Account Settings Read"], "/accounts/{a}/logs/audit?since=2026-01-01&before=2026-01-02", "/accounts/{a}/workers/scripts/billing-api/secrets", 10000),
    (["Zone Read"], "/zones", "/accounts/{a}/logs/audit?since=2026-01-01&before=2026-01-02", 10000),
])
def test_a_token_may_do_what_its_groups_say_and_no_more(cloudflare, groups, allowed, denied, code):
    somebody = cloudflare.somebody(*groups)
    allowed, denied = (path.format(a=ACCOUNT_ID, z=cloudflare.zone) for path in (allowed, denied))
    assert somebody.call("GET", allowed).status == 200
    assert refused(somebody.call, "GET", denied) == (403, [code])


def test_whoever_may_read_may_not_write(cloudflare):
    reader = cloudflare.somebody("Workers Scripts Read", "Workers Routes Read")
    assert refused(reader.put_secret, SCRIPT, "X", "x") == (403, [10000])
    assert refused(reader.call, "POST", f"/zones/{cloudflare.zone}/workers/routes", {"pattern": "x"}) == (403, [9109])


def test_a_token_of_one_zone_sees_no_other(cloudflare):
    other = cloudflare.page("POST", "zones", {"name": "other.test"})["id"]
    somebody = cloudflare.somebody("Zone Read", "Workers Routes Read", zones=[other])
    assert [zone["id"] for zone in somebody.call("GET", "/zones").result] == [other]
    assert refused(somebody.call, "GET", f"/zones/{cloudflare.zone}/workers/routes") == (403, [9109])


def test_a_path_that_is_no_operation_is_not_routed(cloudflare):
    assert refused(cloudflare.get, f"/accounts/{ACCOUNT_ID}/workers/nothing") == (404, [7003])
    assert refused(cloudflare.call, "POST", f"{cloudflare.script(SCRIPT)}/settings", {}) == (404, [7003])


# --- audit log ------------------------------------------------------------------------------------------------------


def test_every_change_is_in_the_audit_log_with_who_made_it_and_reading_is_not(cloudflare):
    before = cloudflare.audit()
    for path in ("settings", "content/v2", "secrets", "versions", "deployments"):
        cloudflare.of_script(path)
    query(cloudflare)
    assert cloudflare.audit() == before
    thief = cloudflare.somebody("Workers Scripts Write")
    thief.upload(SCRIPT, STOLEN, {"main_module": "index.js"})
    refused(thief.call, "POST", f"/zones/{cloudflare.zone}/workers/routes", {"pattern": "x"})
    upload, route = cloudflare.audit()[len(before):]
    assert (upload["action"]["type"], upload["action"]["result"], upload["resource"]["id"]) == ("update", "success", SCRIPT)
    assert upload["raw"]["uri"] == cloudflare.script(SCRIPT) and upload["actor"]["token_name"] == "restricted"
    assert (route["action"]["result"], route["raw"]["status_code"], route["zone"]["id"]) == ("failure", 403, cloudflare.zone)
    assert upload["actor"]["token_id"] == route["actor"]["token_id"]


@pytest.mark.parametrize("where", ["cursors.after", "cursor"])
def test_the_audit_log_is_read_in_pages_and_a_cursor_expires(cloudflare, where):
    cloudflare.page("POST", "audit", [{"action": {"time": f"2026-03-01T00:00:{second:02}Z", "type": "create"}} for second in range(25)])
    cloudflare.page("PUT", "behaviour", {"audit_cursor": where})
    path, seen, cursor = f"/accounts/{ACCOUNT_ID}/logs/audit?since=2026-03-01&before=2026-03-02&direction=asc&limit=10", [], ""
    while True:
        reply = cloudflare.get(path + cursor).json
        seen += [entry["action"]["time"] for entry in reply["result"]]
        info = reply["result_info"]
        after = info.get("cursors", {}).get("after") if where == "cursors.after" else info.get("cursor")
        if not after:
            break
        cursor = f"&cursor={after}"
    assert seen == sorted(seen) and len(seen) == 25
    cloudflare.page("PUT", "behaviour", {"cursor_seconds": 0})
    assert refused(cloudflare.get, path + cursor) == (400, [10021])
    assert refused(cloudflare.get, path + "&cursor=none") == (400, [10021])


def test_the_audit_log_needs_a_window_and_leaves_out_what_it_is_told_to(cloudflare):
    assert refused(cloudflare.get, f"/accounts/{ACCOUNT_ID}/logs/audit")[0] == 400
    assert refused(cloudflare.audit, "&colour=red")[0] == 400
    methods = {entry["raw"]["method"] for entry in cloudflare.audit("&raw_method.not=PUT")}
    assert methods == {"POST"} and {entry["raw"]["method"] for entry in cloudflare.audit()} == {"POST", "PUT"}


# --- telemetry ------------------------------------------------------------------------------------------------------


def test_a_call_leaves_events_and_a_trace_only_while_observability_is_on(cloudflare):
    assert cloudflare.page("POST", "calls", {"script": SCRIPT})[0]["events"] == 0
    observe(cloudflare)
    [call] = cloudflare.page("POST", "calls", {"script": SCRIPT, "lines": ["one", "two"], "outcome": "exception", "error": "boom"})
    events = query(cloudflare)["events"]
    assert events["count"] == 4 and {event["$workers"]["requestId"] for event in events["events"]} == {call["requestId"]}
    [summary] = [event for event in events["events"] if event["$metadata"]["type"] == "cf-worker-event"]
    assert (summary["$workers"]["outcome"], summary["$metadata"]["error"]) == ("exception", "boom")
    assert summary["$workers"]["scriptVersion"]["id"] == call["version_id"]
    [trace] = query(cloudflare, view="traces")["traces"]
    assert trace["rootSpanName"] == "fetch" and trace["spans"] == 1
    assert list(query(cloudflare, view="invocations")["invocations"]) == [call["requestId"]]


def test_a_query_finds_by_time_and_filter_newest_first_in_pages(cloudflare):
    now = int(time.time() * 1000)
    cloudflare.page("POST", "telemetry", [
        {"timestamp": now - 1000 * number, "dataset": "cloudflare-workers", "source": f"line {number}",
         "$workers": {"scriptName": SCRIPT if number % 2 else "other", "eventType": "fetch"}} for number in range(40)])
    found = query(cloudflare, limit=500)["events"]
    assert found["count"] == 20 and [event["source"] for event in found["events"]][:2] == ["line 1", "line 3"]
    assert query(cloudflare, timeframe={"from": now - 10_500, "to": now - 5_000})["events"]["count"] == 3
    first = query(cloudflare, limit=15)["events"]["events"]
    rest = query(cloudflare, limit=15, offset=first[-1]["$metadata"]["id"])["events"]["events"]
    assert [event["source"] for event in first + rest] == [event["source"] for event in found["events"]]
    cloudflare.page("PUT", "behaviour", {"events_at_most": 4, "abr_level": 10})
    reply = query(cloudflare)
    assert (len(reply["events"]["events"]), reply["events"]["count"], reply["statistics"]["abr_level"]) == (4, 20, 10)


def test_events_older_than_a_week_are_gone(cloudflare):
    week = 7 * 24 * 3600 * 1000
    now = int(time.time() * 1000)
    cloudflare.page("POST", "telemetry", [{"timestamp": now - age, "$workers": {"scriptName": SCRIPT}} for age in (week - 60_000, week + 60_000)])
    assert query(cloudflare, timeframe={"from": 0, "to": now})["events"]["count"] == 1


def test_analytics_engine_answers_rows_between_two_moments(cloudflare):
    cloudflare.page("POST", "datapoints", {"dataset": "clicks", "rows": [
        {"timestamp": second, "_sample_interval": 1, "blob1": str(second)} for second in range(10)]})
    def sql(text):
        return cloudflare.call("POST", f"/accounts/{ACCOUNT_ID}/analytics_engine/sql", text.encode(), content_type="text/plain").json
    reply = sql("SELECT * FROM clicks WHERE timestamp >= toDateTime(2) AND timestamp < toDateTime(8) ORDER BY timestamp LIMIT 3 OFFSET 1")
    assert [row["blob1"] for row in reply["data"]] == ["3", "4", "5"] and reply["rows_before_limit_at_least"] == 6
    assert refused(sql, "DROP TABLE clicks")[0] == 422


# --- rates and faults -----------------------------------------------------------------------------------------------


def test_whoever_asks_too_often_is_told_how_long_to_wait(cloudflare):
    somebody = cloudflare.somebody("Zone Read")
    cloudflare.page("PUT", "behaviour", {"requests": 2, "window_seconds": 1})
    assert re.fullmatch(r'"default";r=1;t=\d+', somebody.call("GET", "/zones").headers["ratelimit"])
    somebody.call("GET", "/zones")
    with pytest.raises(urllib.error.HTTPError) as throttled:
        urllib.request.urlopen(urllib.request.Request(f"{cloudflare.endpoint}/zones", headers={"Authorization": f"Bearer {somebody.token}"}))
    assert throttled.value.code == 429 and int(throttled.value.headers["retry-after"]) >= 1
    time.sleep(1.05)
    assert somebody.call("GET", "/zones").status == 200


def test_only_the_chosen_calls_of_an_operation_fail(cloudflare):
    cloudflare.fault(f"GET {S}/settings", nth=2, times=2, code=10013, status=500)
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(cloudflare.of_script("settings").status)
        except Refusal as no:
            outcomes.append((no.status, no.codes))
        cloudflare.of_script("secrets")
    assert outcomes == [200, (500, [10013]), (500, [10013]), 200]
    assert len(cloudflare.page("GET", "faults")) == 2


def test_a_reply_may_be_wrong_elsewhere_cut_off_lost_or_slow(cloudflare):
    op = f"GET {S}/settings"
    cloudflare.fault(op, set={"result.bindings": 5})
    assert cloudflare.of_script("settings").result["bindings"] == 5
    cloudflare.fault(op, body="<html>", headers={"content-type": "text/html"})
    assert cloudflare.of_script("settings").headers["content-type"] == "text/html"
    cloudflare.fault(op, redirect=f"{cloudflare.endpoint}/zones")
    assert isinstance(cloudflare.of_script("settings").result, list)
    cloudflare.fault(op, truncate=10)
    with pytest.raises(Exception, match="IncompleteRead"):
        cloudflare.of_script("settings")
    cloudflare.fault(op, hang_up=True)
    with pytest.raises(OSError):
        cloudflare.of_script("settings")
    cloudflare.fault(op, code=10013, after=True)
    assert refused(cloudflare.of_script, "settings") == (400, [10013])
    cloudflare.fault(op, seconds=0.3)
    began = time.monotonic()
    assert cloudflare.of_script("settings").status == 200 and time.monotonic() - began >= 0.3
    cloudflare.fault(op, pad=1_000_000)
    assert len(cloudflare.of_script("settings").body) > 1_000_000
    cloudflare.fault(op, drip=0.01, body="{}", times=1)
    assert cloudflare.of_script("settings").json == {}
    cloudflare.fault(op, code=10429, status=429, headers={"retry-after": "7"})
    assert refused(cloudflare.of_script, "settings") == (429, [10429])


def test_a_change_may_be_made_though_its_answer_is_lost(cloudflare):
    cloudflare.fault(f"PUT {S}/secrets", code=10013, status=500, after=True)
    assert refused(cloudflare.put_secret, SCRIPT, "LOST", "x")[0] == 500
    assert "LOST" in [secret["name"] for secret in cloudflare.of_script("secrets").result]


def test_a_body_may_have_no_end(cloudflare):
    cloudflare.fault(f"GET {S}/settings", endless=True)
    host, port = cloudflare.endpoint.removeprefix("http://").split("/")[0].split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET /client/v4{cloudflare.script(SCRIPT)}/settings HTTP/1.1\r\nHost: x\r\n"
                           f"Authorization: Bearer {cloudflare.token}\r\n\r\n".encode())
        received = 0
        while received < 5_000_000:
            received += len(connection.recv(1 << 16))
    assert cloudflare.of_script("settings").status == 200


def test_a_wish_that_is_none_is_refused(cloudflare):
    for wish in ([{"op": "GET /nothing"}], [{"op": "*", "colour": "red"}], {"op": "*"}):
        with pytest.raises(Refusal):
            cloudflare.page("PUT", "faults", wish)
    with pytest.raises(Refusal):
        cloudflare.page("PUT", "behaviour", {"weather": "bad"})
    with pytest.raises(Refusal):
        cloudflare.page("POST", "tokens", {"name": "x", "groups": ["Workers Script Read"]})


def test_it_remembers_what_was_asked_but_no_credential(cloudflare):
    cloudflare.page("DELETE", "requests")
    cloudflare.of_script("versions?page=1")
    [seen] = cloudflare.page("GET", "requests")
    assert (seen["op"], seen["query"], seen["status"]) == (f"GET {S}/versions", "page=1", 200)
    assert "authorization" in seen["headers"] and cloudflare.token not in json.dumps(seen)


# --- the vendor's own SDK -------------------------------------------------------------------------------------------


def test_the_sdk_reads_what_is_there(cloudflare, sdk):
    of = {"account_id": ACCOUNT_ID}
    assert sdk.user.tokens.verify().status == "active"
    assert [script.id for script in sdk.workers.scripts.list(**of)] == [SCRIPT]
    settings = sdk.workers.scripts.script_and_version_settings.get(SCRIPT, **of)
    assert {binding.name: binding.type for binding in settings.bindings}["API_PASSWORD"] == "secret_text"
    assert [secret.name for secret in sdk.workers.scripts.secrets.list(SCRIPT, **of)] == ["API_PASSWORD"]
    versions = list(sdk.workers.scripts.versions.list(SCRIPT, **of, per_page=1))
    assert len(versions) == 2
    # The SDK cannot build its own type of a version's bindings; the reply itself has them.
    detail = sdk.workers.scripts.versions.with_raw_response.get(versions[0].id, script_name=SCRIPT, **of)
    assert json.loads(detail.http_response.content)["result"]["resources"]["script_runtime"]["compatibility_date"] == "2026-01-15"
    whole = sdk.workers.beta.workers.versions.get(versions[0].id, worker_id=SCRIPT, include="modules", **of)
    assert {module.name for module in whole.modules} == {"index.js", "money.js"}
    content = sdk.workers.scripts.content.get(SCRIPT, **of)
    assert b"withTax" in content.read()
    [zone] = sdk.zones.list(account={"id": ACCOUNT_ID})
    assert [route.script for route in sdk.workers.routes.list(zone_id=zone.id)] == [SCRIPT]
    assert [schedule.cron for schedule in sdk.workers.scripts.schedules.get(SCRIPT, **of).schedules] == ["*/30 * * * *"]
    assert sdk.workers.scripts.subdomain.get(SCRIPT, **of).enabled is False
    assert sdk.workers.subdomains.get(**of).subdomain == "example"
    assert list(sdk.workers.domains.list(**of)) == [] and list(sdk.queues.list(**of)) == []


def test_the_sdk_changes_what_the_stand_in_then_shows(cloudflare, sdk):
    of = {"account_id": ACCOUNT_ID}
    sdk.workers.scripts.update(SCRIPT, **of, metadata={"main_module": "index.js", "keep_bindings": ["secret_text"]},
                               files=[("index.js", STOLEN["index.js"][1], "application/javascript+module")])
    assert modules(cloudflare.of_script("content/v2"))["index.js"] == STOLEN["index.js"][1]
    uploaded = sdk.workers.scripts.versions.with_raw_response.create(
        SCRIPT, **of, metadata={"main_module": "index.js"},
        files=[("index.js", b"export default {}", "application/javascript+module")])
    made = json.loads(uploaded.http_response.content)["result"]["id"]
    before = cloudflare.of_script("deployments").result["deployments"][0]["versions"][0]["version_id"]
    deployment = sdk.workers.scripts.deployments.create(SCRIPT, **of, strategy="percentage", versions=[
        {"version_id": before, "percentage": 90}, {"version_id": made, "percentage": 10}])
    # The SDK takes the reply for pages of deployments and finds none in it; the reply itself has them.
    listed = sdk.workers.scripts.deployments.with_raw_response.list(SCRIPT, **of)
    assert json.loads(listed.http_response.content)["result"]["deployments"][0]["id"] == deployment.id

    sdk.workers.scripts.secrets.update(SCRIPT, **of, name="NEW", text="x", type="secret_text")
    assert "NEW" in [secret["name"] for secret in cloudflare.of_script("secrets").result]
    route = sdk.workers.routes.create(zone_id=cloudflare.zone, pattern="example.com/*", script=SCRIPT)
    assert route.id in [route["id"] for route in cloudflare.get(f"/zones/{cloudflare.zone}/workers/routes").result]
    sdk.workers.scripts.schedules.update(SCRIPT, **of, body=[{"cron": "0 0 * * *"}])
    assert cloudflare.of_script("schedules").result["schedules"][0]["cron"] == "0 0 * * *"
    settings = sdk.workers.scripts.settings.edit(SCRIPT, **of, tail_consumers=[{"service": "collector"}], observability={"enabled": True})
    assert settings.tail_consumers[0].service == "collector" and cloudflare.of_script("script-settings").result["observability"]["enabled"]
    tail = sdk.workers.scripts.tail.create(SCRIPT, **of)
    assert sdk.workers.scripts.tail.get(SCRIPT, **of).id == tail.id
    sdk.workers.scripts.tail.delete(tail.id, script_name=SCRIPT, **of)
    assert cloudflare.of_script("tails").result is None
    sdk.workers.scripts.delete(SCRIPT, **of)
    assert refused(cloudflare.of_script, "settings") == (404, [10007])


def test_the_sdk_reads_telemetry_and_follows_the_audit_log_from_page_to_page(cloudflare, sdk):
    observe(cloudflare)
    cloudflare.page("POST", "calls", {"script": SCRIPT, "times": 3, "lines": ["hello"]})
    answer = sdk.workers.observability.telemetry.query(account_id=ACCOUNT_ID, query_id="coldcase", dry=True, view="events",
                                                       timeframe=window()["timeframe"], parameters=FILTER)
    assert answer.run.status == "COMPLETED" and answer.events.count == len(answer.events.events) == 9
    assert answer.events.events[0].workers.script_name == SCRIPT
    everything = sdk.accounts.logs.audit.list(account_id=ACCOUNT_ID, since="2020-01-01", before="2100-01-01", direction="asc", limit=2)
    assert [entry.id for entry in everything] == [entry["id"] for entry in cloudflare.audit()]


def test_the_sdk_takes_a_refusal_for_what_it_is(cloudflare, sdk):
    import cloudflare as vendor
    with pytest.raises(vendor.NotFoundError):
        sdk.workers.scripts.script_and_version_settings.get("nobody", account_id=ACCOUNT_ID)
    stranger = sdk.with_options(api_token=cloudflare.somebody("Zone Read").token)
    with pytest.raises(vendor.PermissionDeniedError):
        stranger.workers.scripts.script_and_version_settings.get(SCRIPT, account_id=ACCOUNT_ID)
