"""Stored telemetry: what Workers did, found again by time and by the fields of an event."""

import random
import re
import secrets
import time

from clouds.cloudflare.operations import Call, operation
from clouds.cloudflare.replies import unreadable
from clouds.cloudflare.scripts import in_json
from clouds.cloudflare.state import Account, Worker, identifier, new_uuid, now
from clouds.cloudflare.uploads import identifier_of

# Older events are gone.
KEPT_MS = 7 * 24 * 3600 * 1000
USUAL = 50

OPERATIONS = {
    "eq": lambda found, value: found == value, "neq": lambda found, value: found != value,
    "gt": lambda found, value: found > value, "gte": lambda found, value: found >= value,
    "lt": lambda found, value: found < value, "lte": lambda found, value: found <= value,
    "includes": lambda found, value: str(value) in str(found), "not_includes": lambda found, value: str(value) not in str(found),
    "starts_with": lambda found, value: str(found).startswith(str(value)),
    "ends_with": lambda found, value: str(found).endswith(str(value)),
    "regex": lambda found, value: re.search(str(value), str(found)) is not None,
    "in": lambda found, value: str(found) in [one.strip() for one in str(value).split(",")],
    "not_in": lambda found, value: str(found) not in [one.strip() for one in str(value).split(",")],
}
SPELT = {"=": "eq", "!=": "neq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
TYPES = {"string": str, "number": (int, float), "boolean": bool}


@operation("POST /accounts/{account_id}/workers/observability/telemetry/query", "Workers Observability Read")
def query(account: Account, call: Call):
    wished = in_json(call)
    timeframe, view = wished.get("timeframe") or {}, wished.get("view", "events")
    if "queryId" not in wished or not {"from", "to"} <= timeframe.keys() or timeframe["from"] >= timeframe["to"]:
        raise unreadable("a query has a queryId and a timeframe whose from is earlier than its to")
    if view not in ("events", "traces", "invocations"):
        raise unreadable(f"the stand-in has no view {view}")
    parameters = wished.get("parameters") or {}
    limit = min(wished.get("limit", parameters.get("limit", USUAL)), account.behaviour.events_at_most)
    oldest = time.time() * 1000 - KEPT_MS
    found = [event for event in account.events if max(timeframe["from"], oldest) <= event["timestamp"] <= timeframe["to"]
             and _fits(event, parameters) and _holds(event, parameters.get("needle"))]
    # Newest first, as the dashboard shows them.
    found.sort(key=lambda event: (event["timestamp"], event["$metadata"]["id"]), reverse=True)
    statistics = {"elapsed": 0.01, "rows_read": len(account.events), "bytes_read": 512 * len(account.events),
                  "abr_level": account.behaviour.abr_level}
    return {"run": _run(account, call, wished, statistics), "statistics": statistics,
            **_view(view, found, limit, wished.get("offset"))}


def _view(view: str, found: list[dict], limit: int, offset: str | None) -> dict:
    if view == "events":
        page = _after(found, offset, lambda event: event["$metadata"]["id"])[:limit]
        return {"events": {"count": len(found), "events": page, "fields": [], "series": []}}
    if view == "invocations":
        grouped: dict[str, list] = {}
        for event in found:
            grouped.setdefault(event.get("$workers", {}).get("requestId", ""), []).append(event)
        return {"invocations": dict(_after(list(grouped.items()), offset, lambda group: group[0])[:limit])}
    spans: dict[str, list] = {}
    for event in found:
        if trace := event["$metadata"].get("traceId"):
            spans.setdefault(trace, []).append(event)
    return {"traces": _after([_trace(name, events) for name, events in spans.items()], offset,
                             lambda trace: trace["traceId"])[:limit]}


def _after(values: list, offset: str | None, name) -> list:
    """What comes after the one that was the last of the page before; nothing after one that is not there any more."""
    if not offset:
        return values
    names = [name(value) for value in values]
    return values[names.index(offset) + 1:] if offset in names else []


def _trace(trace_id: str, events: list[dict]) -> dict:
    root = next((event for event in events if not event["$metadata"].get("parentSpanId")), events[-1])
    began = min(event["$metadata"].get("startTime", event["timestamp"]) for event in events)
    ended = max(event["$metadata"].get("endTime", event["timestamp"]) for event in events)
    errors = [event["$metadata"]["error"] for event in events if event["$metadata"].get("error")]
    return {"traceId": trace_id, "rootSpanName": root["$metadata"].get("spanName", ""),
            "rootTransactionName": root["$metadata"].get("transactionName", ""), "spans": len(events),
            "service": sorted({event["$metadata"].get("service", "") for event in events}),
            "traceStartMs": began, "traceEndMs": ended, "traceDurationMs": ended - began,
            **({"errors": errors} if errors else {})}


def _run(account: Account, call: Call, wished: dict, statistics: dict) -> dict:
    made = now()
    parameters = {"datasets": [], "filters": [], "calculations": [], "groupBys": [], **(wished.get("parameters") or {})}
    return {"id": identifier(), "accountId": account.id, "dry": wished.get("dry", False), "granularity": 0,
            "status": "COMPLETED", "timeframe": wished["timeframe"], "userId": identifier_of(call.token.email),
            "created": made, "updated": made, "statistics": statistics,
            "query": {"id": wished["queryId"], "adhoc": True, "name": wished["queryId"], "description": None,
                      "created": made, "updated": made, "createdBy": call.token.email, "updatedBy": call.token.email,
                      "parameters": parameters}}


def _fits(event: dict, condition: dict) -> bool:
    """Whether an event passes the filters of the parameters, or of a group within them."""
    joined = all if condition.get("filterCombination", "and").lower() == "and" else any
    filters = condition.get("filters") or []
    return not filters or joined(_passes(event, wanted) for wanted in filters)


def _passes(event: dict, wanted: dict) -> bool:
    if wanted.get("kind") == "group":
        return _fits(event, wanted)
    kind = SPELT.get(wanted["operation"], wanted["operation"])
    found = field(event, wanted["key"])
    if kind == "exists":
        return found is not None
    if kind == "is_null":
        return found is None
    if kind not in OPERATIONS:
        raise unreadable(f"the stand-in has no operation {wanted['operation']}")
    return isinstance(found, TYPES[wanted["type"]]) and OPERATIONS[kind](found, wanted["value"])


def field(event: dict, key: str):
    """The value at a key such as `$workers.scriptVersion.id`."""
    found = event
    for name in key.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _holds(event: dict, needle: dict | None) -> bool:
    if not needle:
        return True
    text, wanted = str(event), str(needle["value"])
    if needle.get("isRegex"):
        return re.search(wanted, text, 0 if needle.get("matchCase") else re.IGNORECASE) is not None
    return wanted in text if needle.get("matchCase") else wanted.lower() in text.lower()


# --- what puts events there ----------------------------------------------------------------------------------------


def invoke(account: Account, worker: Worker, wish: dict) -> dict:
    """A call of the Worker: a version by its share of the traffic, and the events that observability stores of it."""
    shares = worker.deployments[0].versions
    [share] = random.choices(shares, [share["percentage"] for share in shares])
    version_id = wish.get("version_id", share["version_id"])
    at = wish.get("at_ms", int(time.time() * 1000))
    request_id, ray, trace = new_uuid().replace("-", "")[:16].upper(), secrets.token_hex(8), secrets.token_hex(16)
    outcome, url = wish.get("outcome", "ok"), wish.get("url", f"https://{worker.name}.example.com/")
    status = wish.get("status", 200 if outcome == "ok" else 500)
    wall, cpu = wish.get("wall_ms", 12), wish.get("cpu_ms", 2)
    observed = worker.observability or {}
    about = {"scriptName": worker.name, "eventType": "fetch", "outcome": outcome, "executionModel": "stateless",
             "requestId": request_id, "scriptVersion": {"id": version_id}, "truncated": False,
             "event": {"request": {"url": url, "method": wish.get("method", "GET"), "headers": wish.get("headers", {})},
                       "response": {"status": status}, "rayId": ray}}
    metadata = {"account": account.id, "cloudService": "workers", "service": worker.name, "requestId": request_id,
                "origin": "fetch", "trigger": f"{wish.get('method', 'GET')} {url}", "rayId": ray}
    stored = []
    if observed.get("enabled") and (observed.get("logs") or {"enabled": True}).get("enabled", True):
        for number, line in enumerate(wish.get("lines", [])):
            stored.append({"timestamp": at + number, "dataset": "cloudflare-workers", "source": {"level": "log", "message": line},
                           "$workers": about, "$metadata": metadata | {
                               "id": event_id(at + number), "level": "log", "message": line, "type": "cf-worker"}})
        error = {"error": wish["error"]} if "error" in wish else {}
        stored.append({"timestamp": at + wall, "dataset": "cloudflare-workers", "source": {"level": "info"},
                       "$workers": about | {"cpuTimeMs": cpu, "wallTimeMs": wall}, "$metadata": metadata | error | {
                           "id": event_id(at + wall), "level": "error" if error else "info", "type": "cf-worker-event",
                           "message": f"{wish.get('method', 'GET')} {url}", "statusCode": status}})
    if observed.get("enabled") and (observed.get("traces") or {}).get("enabled"):
        stored.append({"timestamp": at, "dataset": "cloudflare-workers", "source": {"span": "fetch"}, "$workers": about,
                       "$metadata": metadata | {
                           "id": event_id(at), "type": "span", "traceId": trace, "spanId": trace[:16], "spanName": "fetch",
                           "transactionName": f"{wish.get('method', 'GET')} {url}", "startTime": at, "endTime": at + wall,
                           "duration": wall, "traceDuration": wall}})
    account.events += stored
    return {"requestId": request_id, "version_id": version_id, "events": len(stored)}


def event_id(at_ms: int) -> str:
    """26 characters that sort by time, as the API's do."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = (at_ms << 80) | secrets.randbits(80)
    return "".join(alphabet[number >> 5 * place & 31] for place in reversed(range(26)))
