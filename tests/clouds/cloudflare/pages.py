"""The stand-in's own pages under /stand-in/: what a test puts there and looks up, which Cloudflare has no operation for."""

import json
from dataclasses import asdict

from clouds.cloudflare import telemetry
from clouds.cloudflare.audit import moment
from clouds.cloudflare.faults import Faults
from clouds.cloudflare.operations import OPERATIONS
from clouds.cloudflare.state import Account, Behaviour, identifier, now


class Unknown(Exception):
    """No such page."""


def answer(account: Account, faults: Faults, requests: list[dict], method: str, name: str, wish) -> object:
    """The JSON that a page answers; ValueError, TypeError or KeyError for a wish that it cannot make sense of."""
    page = f"{method} {name}"
    if page == "PUT faults":
        faults.put(wish, {known.op for known in OPERATIONS})
        return []
    if page == "GET faults":
        return faults.fired
    if page == "GET requests":
        return requests
    if page == "DELETE requests":
        requests.clear()
        return []
    if page == "GET operations":
        return [{"op": known.op, "needs": known.needs, "writes": known.writes} for known in OPERATIONS]
    if page == "PUT behaviour":
        account.behaviour = Behaviour(**wish)
        return asdict(account.behaviour)
    if page == "POST tokens":
        token = account.token(**{"email": "somebody@example.com", **wish})
        return {"id": token.id, "name": token.name, "token": token.value, "email": token.email}
    if page == "DELETE tokens":
        account.tokens = [token for token in account.tokens if token.id != wish["id"]]
        return []
    if page == "POST zones":
        return {"id": account.zone(wish["name"]).id}
    if page == "POST queues":
        account.queues.append({"queue_id": identifier(), "created_on": now(), "modified_on": now(), "producers": [],
                               "producers_total_count": 0, "consumers": [], "consumers_total_count": 0, **wish})
        return account.queues[-1]
    if page == "POST calls":
        return [telemetry.invoke(account, account.workers[wish["script"]], wish) for _ in range(wish.get("times", 1))]
    if page == "POST telemetry":
        for event in wish:
            if not isinstance(event["timestamp"], (int, float)):
                raise ValueError("an event's timestamp is a number of milliseconds")
            event.setdefault("$metadata", {}).setdefault("id", telemetry.event_id(int(event["timestamp"])))
        account.events += wish
        return {"events": len(account.events)}
    if page == "POST audit":
        for entry in wish:
            moment(entry["action"]["time"])
            entry.setdefault("id", identifier())
        account.audit += wish
        return {"entries": len(account.audit)}
    if page == "POST datapoints":
        account.datasets.setdefault(wish["dataset"], []).extend(wish["rows"])
        return {"rows": len(account.datasets[wish["dataset"]])}
    raise Unknown(page)


def read(body: bytes):
    return json.loads(body or b"null")
