"""The account's audit log: every change with who made it; what is only read leaves no trace."""

import base64
import datetime
import json
import time

from clouds.cloudflare.operations import Call, operation
from clouds.cloudflare.replies import Refused, Reply, number, result
from clouds.cloudflare.state import Account, identifier, now
from clouds.cloudflare.uploads import identifier_of

KINDS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
# Where in an entry each filter of the SDK looks; all of them come as `NAME.not`.
FILTERS = {
    "id": "id", "audit_log_id": "id", "account_name": "account.name", "action_result": "action.result", "action_type": "action.type",
    "actor_context": "actor.context", "actor_email": "actor.email", "actor_id": "actor.id", "actor_ip_address": "actor.ip_address",
    "actor_token_id": "actor.token_id", "actor_token_name": "actor.token_name", "actor_type": "actor.type",
    "raw_cf_ray_id": "raw.cf_ray_id", "raw_method": "raw.method", "raw_status_code": "raw.status_code", "raw_uri": "raw.uri",
    "resource_id": "resource.id", "resource_product": "resource.product", "resource_scope": "resource.scope",
    "resource_type": "resource.type", "zone_id": "zone.id", "zone_name": "zone.name",
}
USUAL, LONGEST = 100, 1000


def record(account: Account, call: Call, reply: Reply, uri: str, ray: str, address: str) -> None:
    """Keeps what was changed, or that somebody was not let."""
    if call.op.writes is None:
        return
    zone = account.zones.get(call.path.get("zone_id", ""))
    token = call.token
    account.audit.append({
        "id": identifier(),
        "account": {"id": account.id, "name": account.name},
        "action": {"type": KINDS[call.op.method], "time": now(), "result": "success" if reply.status < 400 else "failure",
                   "description": f"{KINDS[call.op.method].capitalize()} {call.op.writes}"},
        "actor": {"id": identifier_of(token.email), "type": token.owner, "email": token.email,
                  "context": "api_key" if token.key else "api_token", "ip_address": address,
                  **({} if token.key else {"token_id": token.id, "token_name": token.name})},
        "raw": {"method": call.op.method, "uri": uri, "status_code": reply.status, "cf_ray_id": ray,
                "user_agent": call.headers.get("user-agent", "")},
        "resource": {"id": call.resource or call.path.get("script_name", ""), "product": "workers", "type": call.op.writes,
                     "scope": "zones" if zone else "accounts",
                     **({"request": call.request} if call.request is not None else {})},
        **({"zone": {"id": zone.id, "name": zone.name}} if zone else {}),
    })


@operation("GET /accounts/{account_id}/logs/audit", "Account Settings Read")
def entries(account: Account, call: Call):
    since, before = _moment(call, "since"), _moment(call, "before")
    direction, limit = call.query.get("direction", ["desc"])[-1], number(call.query, "limit", USUAL)
    if direction not in ("asc", "desc") or not 1 <= limit <= LONGEST:
        raise Refused(400, 10021, f"direction is asc or desc, limit between 1 and {LONGEST}")
    without = {}
    for name, values in call.query.items():
        if name in ("since", "before", "direction", "limit", "cursor"):
            continue
        if name.removesuffix(".not") not in FILTERS or not name.endswith(".not"):
            raise Refused(400, 10021, f"the stand-in knows no filter {name}")
        without[FILTERS[name.removesuffix(".not")]] = values
    found = [entry for entry in account.audit if since <= moment(entry["action"]["time"]) < before
             and not any(str(_at(entry, path)) in values for path, values in without.items())]
    found.sort(key=lambda entry: (moment(entry["action"]["time"]), entry["id"]), reverse=direction == "desc")
    if "cursor" in call.query:
        after = _read_cursor(account, call.query["cursor"][-1])
        past = [number for number, entry in enumerate(found) if entry["id"] == after]
        found = found[past[0] + 1:] if past else found
    page = found[:limit]
    cursor = _cursor(page[-1]["id"]) if len(found) > limit else ""
    where = {"cursor": cursor} if account.behaviour.audit_cursor == "cursor" else {"cursors": {"after": cursor}}
    return result(page, {"count": len(page), **(where if cursor else {})})


def moment(text: str) -> datetime.datetime:
    """A day or a moment, in UTC unless it says otherwise."""
    read = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return read if read.tzinfo else read.replace(tzinfo=datetime.timezone.utc)


def _moment(call: Call, name: str) -> datetime.datetime:
    try:
        return moment(call.query[name][-1])
    except KeyError:
        raise Refused(400, 10021, f"{name} is required") from None
    except ValueError:
        raise Refused(400, 10021, f"{name} is neither a date nor a moment of RFC 3339") from None


def _at(entry: dict, path: str):
    for name in path.split("."):
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry


def _cursor(last: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([last, time.time()]).encode()).decode().rstrip("=")


def _read_cursor(account: Account, text: str) -> str:
    try:
        last, made = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        raise Refused(400, 10021, "the cursor is not one of ours") from None
    if time.time() - made > account.behaviour.cursor_seconds:
        raise Refused(400, 10021, "the cursor has expired")
    return last
