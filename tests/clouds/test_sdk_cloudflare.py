"""The vendor's own SDK as a second opinion of every request: what it sends is what the specification allows, and what others must send."""

import json

import pytest

from clouds import prism, recorded
from clouds.cloudflare import ACCOUNT_ID, SCRIPT
from clouds.cloudflare.operations import SCRIPT as S
from clouds.recorded import Request

TELEMETRY = "POST /accounts/{account_id}/workers/observability/telemetry/query"
AUDIT = "GET /accounts/{account_id}/logs/audit"


@pytest.fixture(scope="module")
def of_sdk():
    return recorded.requests_of_sdk()


def example(op: str) -> Request:
    [found] = [request for request in recorded.examples() if request.op == op]
    return found


def test_every_operation_of_the_specification_is_one_of_the_sdk_too(of_sdk):
    ops = {f"{method.upper()} {path}" for path, operations in json.loads(prism.SPECIFICATION.read_text())["paths"].items()
           for method in operations}
    assert set(of_sdk) == set(recorded.FUNCTIONS) == ops


def test_each_function_sends_the_operation_that_it_is_listed_under(of_sdk):
    assert {op: request.op for op, request in of_sdk.items()} == {op: op for op in of_sdk}


def test_what_it_sends_is_on_record_in_full(of_sdk):
    assert of_sdk[f"GET {S}/settings"].path == f"/accounts/{ACCOUNT_ID}/workers/scripts/{SCRIPT}/settings"
    assert sorted(of_sdk["GET /zones"].query) == [("account.id", ACCOUNT_ID), ("page", "2"), ("per_page", "50")]
    assert sorted(of_sdk[AUDIT].query) == [("before", "2026-03-02T00:00:00Z"), ("cursor", "abc"), ("direction", "asc"),
                                           ("limit", "1000"), ("since", "2026-03-01T00:00:00Z")]
    assert of_sdk[TELEMETRY].body == example(TELEMETRY).body and of_sdk[TELEMETRY].body["dry"] is True
    assert of_sdk[f"POST {S}/tails"].body is None
    assert of_sdk[f"PATCH {S}/script-settings"].body["observability"]["logs"] == {"enabled": True, "invocation_logs": True}
    assert "authorization" in of_sdk[f"GET {S}/settings"].headers


def test_the_examples_are_what_the_sdk_sends():
    assert recorded.differences(recorded.examples()) == []


@pytest.mark.parametrize("op, wrong, word", [
    (TELEMETRY, {"body": {"queryID": "x", "timeframe": {"from": 1, "to": 2}}}, "queryID"),
    (TELEMETRY, {"body": {"queryId": "x", "timeframe": {"from": 1, "to": 2}, "parameters": {"FilterCombination": "and"}}}, "FilterCombination"),
    (AUDIT, {"query": [("since", "2026-01-01"), ("until", "2026-01-02")]}, "until"),
    ("GET /zones", {"query": [("account_id", ACCOUNT_ID)]}, "account_id"),
    (f"GET {S}/settings", {"path": f"/accounts/{ACCOUNT_ID}/workers/scripts/a/../{SCRIPT}/settings", "op": None}, "no operation"),
    (f"GET {S}/settings", {"path": f"/accounts/{ACCOUNT_ID}/workers/scripts/caf%E9/settings"}, "path"),
    (f"GET {S}/settings", {"body": {"unasked": 1}}, "unasked"),
    (f"PUT {S}", {"op": f"PUT {S}"}, "not in the SDK"),
])
def test_a_request_that_the_sdk_would_not_send_is_told(op, wrong, word):
    base = example(op) if op in recorded.FUNCTIONS else example(f"GET {S}/settings")
    try:
        [difference] = recorded.differences([Request(**vars(base) | wrong)])
    except ValueError as refused:  # the SDK looks at paths itself
        difference = str(refused)
    assert word in difference


def test_what_may_go_beyond_the_sdk_is_nothing_but_what_is_listed():
    tail, queues = example(f"POST {S}/tails"), example("GET /accounts/{account_id}/queues")
    assert recorded.differences([Request(**vars(tail) | {"body": {"filters": []}}), Request(**vars(queues) | {"query": [("page", "2")]})]) == []
    assert len(recorded.differences([Request(**vars(queues) | {"query": [("size", "2")]})])) == 1


def test_the_specification_allows_what_the_sdk_sends(between):
    from cloudflare import APIStatusError, Cloudflare
    statuses = {}
    with Cloudflare(api_token=between.token, base_url=between.endpoint, max_retries=0) as client:
        # The Worker goes last.
        for request in sorted(recorded.examples(), key=lambda request: request.op == f"DELETE {S}"):
            try:
                statuses[request.op] = recorded.call_sdk(client, request).http_response.status_code
            except APIStatusError as refused:  # by the stand-in, of what is not there
                statuses[request.op] = refused.status_code
    assert between.violations == [] and len(statuses) == len(recorded.FUNCTIONS)
    assert list(statuses.values()).count(200) > 20
