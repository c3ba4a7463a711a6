"""A Worker's script: what it is made of, its settings, its secrets' names, when it runs, who listens to it."""

import datetime
import json

from clouds.cloudflare import multipart
from clouds.cloudflare.operations import SCRIPT, Call, operation
from clouds.cloudflare.replies import Refused, Reply, no_such, unreadable
from clouds.cloudflare.state import Account, Tail, Version, Worker, identifier, now, stamp
from clouds.cloudflare.uploads import SCRIPT_SETTINGS, SECRET_TYPES, checked, next_version, script, shown, worker_of

TAIL_HOURS = 6


def in_json(call: Call, kind=dict):
    try:
        body = json.loads(call.body or b"null")
    except ValueError:
        raise unreadable("the body is no JSON") from None
    if not isinstance(body, kind):
        raise unreadable("the body is not of the expected type")
    return body


@operation("GET /accounts/{account_id}/workers/scripts", "Workers Scripts Read")
def scripts(account: Account, call: Call):
    return [script(worker) for worker in account.workers.values()]


@operation(f"DELETE {SCRIPT}", "Workers Scripts Write", writes="script")
def delete(account: Account, call: Call):
    del account.workers[worker_of(account, call).name]
    return None


@operation(f"GET {SCRIPT}/content/v2", "Workers Scripts Read")
def content(account: Account, call: Call):
    worker = worker_of(account, call)
    version = _answered(account, worker)
    if version.main_module is None:
        [module] = version.modules[:1]
        return Reply(200, module.content, {"content-type": "application/javascript", "etag": version.etag})
    content_type, body = multipart.write(version.modules)
    return Reply(200, body, {"content-type": content_type, "cf-entrypoint": version.main_module, "etag": version.etag})


def _answered(account: Account, worker: Worker) -> Version:
    if account.behaviour.content == "newest":
        return worker.latest
    live = max(worker.deployments[0].versions, key=lambda share: share["percentage"])
    return worker.version(live["version_id"])


# --- settings ------------------------------------------------------------------------------------------------------


@operation(f"GET {SCRIPT}/settings", "Workers Scripts Read")
def settings(account: Account, call: Call):
    return _settings(worker_of(account, call))


@operation(f"PATCH {SCRIPT}/settings", "Workers Scripts Write", writes="script.settings")
def change_settings(account: Account, call: Call):
    """Makes a new version, as Cloudflare does; the body is multipart with one part `settings`."""
    worker = worker_of(account, call)
    try:
        [text] = [content for name, _, _, content in multipart.read(call.headers.get("content-type", ""), call.body)
                  if name == "settings"]
        wished = json.loads(text)
    except ValueError as wrong:
        raise unreadable(f"could not read content for part settings: {wrong}") from None
    changes = {name: wished[name] for name in ("compatibility_date", "compatibility_flags", "limits", "placement",
                                               "usage_model") if name in wished}
    if "bindings" in wished:
        changes["bindings"] = checked(wished["bindings"], worker.latest.bindings)
    next_version(worker, call, "settings", **changes)
    _set(worker, wished)
    return _settings(worker)


@operation(f"GET {SCRIPT}/script-settings", "Workers Scripts Read")
def script_settings(account: Account, call: Call):
    return _script_settings(worker_of(account, call))


@operation(f"PATCH {SCRIPT}/script-settings", "Workers Scripts Write", writes="script.settings")
def change_script_settings(account: Account, call: Call):
    """No new version: this is how observability is turned on without touching what runs."""
    worker, wished = worker_of(account, call), in_json(call)
    if unknown := set(wished) - set(SCRIPT_SETTINGS):
        raise unreadable(f"unknown settings: {', '.join(sorted(unknown))}")
    call.request = wished
    _set(worker, wished)
    return _script_settings(worker)


def _set(worker: Worker, wished: dict) -> None:
    for name in SCRIPT_SETTINGS:
        if name in wished:
            setattr(worker, name, wished[name])


def _script_settings(worker: Worker) -> dict:
    return {"logpush": worker.logpush, "observability": worker.observability, "tags": worker.tags,
            "tail_consumers": worker.tail_consumers}


def _settings(worker: Worker) -> dict:
    newest = worker.latest
    return {"bindings": shown(newest.bindings), "compatibility_flags": newest.compatibility_flags,
            "usage_model": newest.usage_model,
            **({"compatibility_date": newest.compatibility_date} if newest.compatibility_date else {}),
            **({"limits": newest.limits} if newest.limits else {}),
            **({"placement": newest.placement} if newest.placement else {}), "logpush": worker.logpush,
            "tags": worker.tags, "tail_consumers": worker.tail_consumers,
            "observability": worker.observability or {"enabled": False}}


# --- secrets -------------------------------------------------------------------------------------------------------


@operation(f"GET {SCRIPT}/secrets", "Workers Scripts Read")
def secrets(account: Account, call: Call):
    return [{"name": binding["name"], "type": binding["type"]}
            for binding in worker_of(account, call).latest.bindings if binding["type"] in SECRET_TYPES]


@operation(f"PUT {SCRIPT}/secrets", "Workers Scripts Write", writes="script.secret")
def put_secret(account: Account, call: Call):
    worker, secret = worker_of(account, call), in_json(call)
    if secret.get("type") != "secret_text" or not isinstance(secret.get("text"), str):
        raise unreadable("a secret has a name, a type secret_text and a text")
    named = {"name": secret["name"], "type": secret["type"]}
    call.request = named
    next_version(worker, call, "secret", bindings=[
        binding for binding in worker.latest.bindings if binding["name"] != secret["name"]] + [secret])
    return named


@operation(f"DELETE {SCRIPT}/secrets/{{secret_name}}", "Workers Scripts Write", writes="script.secret")
def delete_secret(account: Account, call: Call):
    worker, name = worker_of(account, call), call.path["secret_name"]
    kept = [binding for binding in worker.latest.bindings
            if binding["name"] != name or binding["type"] not in SECRET_TYPES]
    if len(kept) == len(worker.latest.bindings):
        raise no_such("secret")
    next_version(worker, call, "secret", bindings=kept)
    return None


# --- where and when it runs ----------------------------------------------------------------------------------------


@operation(f"GET {SCRIPT}/subdomain", "Workers Scripts Read")
def subdomain(account: Account, call: Call):
    return worker_of(account, call).subdomain


@operation(f"POST {SCRIPT}/subdomain", "Workers Scripts Write", writes="script.subdomain")
def put_subdomain(account: Account, call: Call):
    worker, wished = worker_of(account, call), in_json(call)
    call.request = wished
    worker.subdomain = {"enabled": bool(wished["enabled"]),
                        "previews_enabled": bool(wished.get("previews_enabled", wished["enabled"]))}
    return worker.subdomain


@operation(f"GET {SCRIPT}/schedules", "Workers Scripts Read")
def schedules(account: Account, call: Call):
    return {"schedules": worker_of(account, call).schedules}


@operation(f"PUT {SCRIPT}/schedules", "Workers Scripts Write", writes="script.schedules")
def put_schedules(account: Account, call: Call):
    worker, wished = worker_of(account, call), in_json(call, list)
    call.request = wished
    before = {schedule["cron"]: schedule for schedule in worker.schedules}
    worker.schedules = [before.get(schedule["cron"]) or
                        {"cron": schedule["cron"], "created_on": now(), "modified_on": now()} for schedule in wished]
    return {"schedules": worker.schedules}


# --- tails ---------------------------------------------------------------------------------------------------------


@operation(f"GET {SCRIPT}/tails", "Workers Tail Read")
def tails(account: Account, call: Call):
    found = [_tail(tail) for tail in worker_of(account, call).open_tails()]
    if account.behaviour.tails == "list":
        return found
    return found[-1] if found else None


@operation(f"POST {SCRIPT}/tails", "Workers Tail Read", writes="script.tail")
def open_tail(account: Account, call: Call):
    worker, wished = worker_of(account, call), in_json(call, (dict, type(None))) or {}
    created = datetime.datetime.now(datetime.timezone.utc)
    worker.tails.append(Tail(identifier(), created, created + datetime.timedelta(hours=TAIL_HOURS), wished.get("filters", [])))
    return _tail(worker.tails[-1])


@operation(f"DELETE {SCRIPT}/tails/{{id}}", "Workers Tail Read", writes="script.tail")
def close_tail(account: Account, call: Call):
    worker = worker_of(account, call)
    if call.path["id"] not in {tail.id for tail in worker.tails}:
        raise Refused(404, 10057, "This tail does not exist.")  # [K]
    worker.tails = [tail for tail in worker.tails if tail.id != call.path["id"]]
    return None


def _tail(tail: Tail) -> dict:
    return {"id": tail.id, "url": f"wss://tail.developers.workers.dev/{tail.id}", "expires_at": stamp(tail.expires)}
