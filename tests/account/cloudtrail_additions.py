"""CloudTrail's own calls where MiniStack falls short of them: the event history, and what a trail says of itself."""

import asyncio
import json

from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudtrail

from account.event_history import Lookup, Refused
from account.trail import the_trail

_lookup = Lookup(the_trail.history)


def apply() -> None:
    """Stands in front of MiniStack's handler in its table of services."""
    original = app.SERVICE_HANDLERS["cloudtrail"]

    async def handle(method, path, headers, body, query_params):
        name = headers.get("x-amz-target", "").rpartition(".")[2]
        parameters = _parameters(body)
        if answer := ADDED.get(name):
            try:
                return _reply(200, await answer(parameters))
            except Refused as refused:
                return _reply(400, {"__type": refused.code, "message": str(refused)})
        return await original(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["cloudtrail"] = handle


def _reply(status: int, content: dict) -> tuple:
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()


def _parameters(body: bytes) -> dict:
    try:
        parameters = json.loads(body or b"{}")
    except ValueError:
        return {}
    return parameters if isinstance(parameters, dict) else {}


async def lookup_events(parameters: dict) -> dict:
    account, region = get_account_id(), get_region()
    # What was answered before this call is in the history: a wait of milliseconds where AWS takes minutes.
    await asyncio.to_thread(the_trail.settle)
    return _lookup.answer(account, region, parameters)


ADDED = {"LookupEvents": lookup_events}


def trail_arn(parameters: dict, operation: str) -> str | None:
    """The trail that a call is about: its ARN in its home Region, from wherever it was named; None for no trail."""
    if operation in ("AddTags", "RemoveTags"):
        return parameters.get("ResourceId")
    name = parameters.get("TrailName") or parameters.get("Name")
    if not isinstance(name, str) or name.startswith("arn:"):
        return name if isinstance(name, str) else None
    _, home, _ = cloudtrail._find_visible_trail(name)
    return f"arn:aws:cloudtrail:{home or get_region()}:{get_account_id()}:trail/{name}"
