"""CloudTrail's own calls where MiniStack falls short of them: the event history, and what a trail says of itself."""

import asyncio
import json
import time

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
        named = _named(parameters)
        status, reply_headers, content = await original(method, path, headers, body, query_params)
        if status == 404:
            status = 400  # AWS's JSON services know no other
        if status == 200 and (complete := COMPLETED.get(name)):
            changed = complete(parameters, named or _named(parameters), json.loads(content))
            content = content if changed is None else json.dumps(changed).encode()
        return status, reply_headers, content

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


async def list_public_keys(parameters: dict) -> dict:
    region = get_region()
    return await asyncio.to_thread(the_trail.digests.public_keys, region, parameters)


ADDED = {"LookupEvents": lookup_events, "ListPublicKeys": list_public_keys}


# --- trails -------------------------------------------------------------------------------------------------------


def _named(parameters: dict) -> tuple | None:
    """(account, home Region, name) of the trail that a call names; None when there is none."""
    name = parameters.get("TrailName") or parameters.get("Name")
    if not isinstance(name, str):
        return None
    try:
        name, home, trail = cloudtrail._find_visible_trail(name)
    except ValueError:
        return None
    return (get_account_id(), home, name) if trail is not None else None


def _created(parameters: dict, key: tuple, reply: dict) -> dict:
    """Keeps and answers what MiniStack drops of a new trail."""
    trail = cloudtrail._trails.get_scoped(*key)
    kept = {name: parameters[name] for name in ("CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn") if parameters.get(name)}
    if parameters.get("SnsTopicName"):
        topic = parameters["SnsTopicName"]
        kept |= {"SnsTopicName": topic.rpartition(":")[2], "SnsTopicARN": topic if topic.startswith("arn:") else
                 f"arn:aws:sns:{get_region()}:{get_account_id()}:{topic}"}
    trail.update(kept)
    the_trail.digests.enable(key)
    return {name: value for name, value in {**reply, **kept}.items() if value != ""}


def _updated(parameters: dict, key: tuple, reply: dict) -> dict:
    validation = parameters.get("EnableLogFileValidation")
    if validation is False:
        the_trail.digests.end(key)
    elif validation:
        the_trail.digests.enable(key)
    return {name: value for name, value in reply.items() if value != ""}


def _stopped(parameters: dict, key: tuple, reply: dict) -> None:
    the_trail.digests.end(key)


def _status(parameters: dict, key: tuple, reply: dict) -> dict:
    found, digested = the_trail.delivery.status.get(key, {}), the_trail.digests.written_at.get(key)
    text = lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else ""
    reply |= {"LatestDeliveryTime": found.get("delivered"), "LatestDeliveryError": found.get("error"),
              "LatestDigestDeliveryTime": digested,
              "LatestDeliveryAttemptTime": text(found.get("attempted")),
              "LatestDeliveryAttemptSucceeded": text(found.get("delivered"))}
    return {name: value for name, value in reply.items() if value is not None}


COMPLETED = {"CreateTrail": _created, "UpdateTrail": _updated, "StopLogging": _stopped, "DeleteTrail": _stopped,
             "GetTrailStatus": _status}


def trail_arn(parameters: dict, operation: str) -> str | None:
    """The trail that a call is about: its ARN in its home Region, from wherever it was named; None for no trail."""
    if operation in ("AddTags", "RemoveTags"):
        return parameters.get("ResourceId")
    name = parameters.get("TrailName") or parameters.get("Name")
    if not isinstance(name, str) or name.startswith("arn:"):
        return name if isinstance(name, str) else None
    _, home, _ = cloudtrail._find_visible_trail(name)
    return f"arn:aws:cloudtrail:{home or get_region()}:{get_account_id()}:trail/{name}"
