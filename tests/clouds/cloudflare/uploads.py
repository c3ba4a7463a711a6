"""Uploads of code: each makes a version, and all but one kind of them makes it live at once."""

import json
import re

from clouds.cloudflare import multipart
from clouds.cloudflare.operations import SCRIPT, Call, operation
from clouds.cloudflare.replies import Refused, no_such_script, unreadable
from clouds.cloudflare.state import Account, Deployment, Module, Version, Worker, identifier, new_uuid, now

# Bindings of these types have a value that never comes back.
SECRET_TYPES = ("secret_text", "secret_key")
# What every type of binding must have besides `name` and `type`, as the SDK's types have it.
BINDINGS = {
    "plain_text": ("text",), "json": ("json",), "secret_text": ("text",), "service": ("service",),
    "kv_namespace": ("namespace_id",), "r2_bucket": ("bucket_name",), "d1": ("id",), "queue": ("queue_name",),
    "analytics_engine": ("dataset",), "durable_object_namespace": (), "version_metadata": (), "ai": (), "browser": (),
    "hyperdrive": ("id",), "send_email": (), "dispatch_namespace": ("namespace",), "inherit": (),
    "secrets_store_secret": ("secret_name", "store_id"), "vectorize": ("index_name",), "workflow": ("workflow_name",),
}
# Settings of a script that an upload's metadata may set as well, and that no version keeps.
SCRIPT_SETTINGS = ("logpush", "observability", "tags", "tail_consumers")


def worker_of(account: Account, call: Call) -> Worker:
    worker = account.worker(call.path["script_name"])
    if worker is None:
        raise no_such_script()
    call.resource = worker.name
    return worker


@operation(f"PUT {SCRIPT}", "Workers Scripts Write", writes="script")
def upload(account: Account, call: Call):
    name = call.path["script_name"]
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,62}", name):
        raise Refused(400, 10016, "invalid Worker name")
    metadata, modules = _read(call)
    worker, call.resource = account.worker(name) or Worker(name, identifier(), now()), name
    version = _add_version(worker, call, metadata, modules)
    account.workers[name] = worker
    deploy(worker, call, [{"version_id": version.id, "percentage": 100}], "upload")
    for setting in SCRIPT_SETTINGS:
        if setting in metadata:
            setattr(worker, setting, metadata[setting])
    return script(worker) | {"startup_time_ms": 4}


@operation(f"POST {SCRIPT}/versions", "Workers Scripts Write", writes="script.version")
def upload_version(account: Account, call: Call):
    """A version that is live only once a deployment names it."""
    worker = worker_of(account, call)
    version = _add_version(worker, call, *_read(call))
    from clouds.cloudflare.versions import detail
    return detail(version) | {"startup_time_ms": 4}


def next_version(worker: Worker, call: Call, triggered_by: str, **changes) -> Version:
    """The newest version once more with something changed, live at once: what a secret or a setting does."""
    newest = worker.latest
    made = Version(**(vars(newest) | {"id": new_uuid(), "number": newest.number + 1, "created_on": now(),
                                      "author_email": call.token.email, "author_id": author(call),
                                      "source": client(call), "annotations": {"workers/triggered_by": triggered_by},
                                      **changes}))
    worker.versions.append(made)
    deploy(worker, call, [{"version_id": made.id, "percentage": 100}], triggered_by)
    return made


def deploy(worker: Worker, call: Call, versions: list[dict], triggered_by: str, annotations: dict | None = None) -> Deployment:
    made = Deployment(new_uuid(), now(), call.token.email, client(call),
                      {**(annotations or {}), "workers/triggered_by": triggered_by}, versions)
    worker.deployments.insert(0, made)
    return made


def client(call: Call) -> str:
    return "wrangler" if "wrangler" in call.headers.get("user-agent", "") else "api"


def author(call: Call) -> str:
    return identifier_of(call.token.email)


def identifier_of(email: str) -> str:
    """A user's ID: the same for the same address."""
    import hashlib
    return hashlib.sha256(email.encode()).hexdigest()[:32]


def shown(bindings: list[dict]) -> list[dict]:
    """Bindings as they are answered: the values of secrets never are."""
    return [{name: value for name, value in binding.items() if binding["type"] not in SECRET_TYPES or name in ("name", "type")}
            for binding in bindings]


def checked(bindings, earlier: list[dict], keep: list[str] = ()) -> list[dict]:
    """The bindings that come out of those that were sent: inherited ones, and the types that are kept, from before."""
    if not isinstance(bindings, list):
        raise unreadable("bindings must be a list")
    made = {}
    for binding in bindings:
        kind, name = binding.get("type"), binding.get("name")
        if kind not in BINDINGS or not name or (missing := [key for key in BINDINGS[kind] if key not in binding]):
            raise unreadable(f"binding {name!r} of type {kind!r} is not valid" + (f": no {missing[0]}" if name and kind in BINDINGS else ""))
        if kind == "inherit":
            [binding] = [old for old in earlier if old["name"] == binding.get("old_name", name)] or [None]
            if binding is None:
                raise unreadable(f"binding {name!r} has nothing to inherit")
            binding = binding | {"name": name}
        made[name] = binding
    for old in earlier:
        if old["type"] in keep:
            made.setdefault(old["name"], old)
    return list(made.values())


def script(worker: Worker) -> dict:
    """The Worker as lists and uploads answer it."""
    newest = worker.latest
    return {"id": worker.name, "tag": worker.tag, "etag": newest.etag, "handlers": ["fetch"], "has_assets": False,
            "has_modules": newest.main_module is not None, "created_on": worker.created_on,
            "modified_on": newest.created_on, "last_deployed_from": newest.source, "usage_model": newest.usage_model,
            "compatibility_flags": newest.compatibility_flags,
            **({"compatibility_date": newest.compatibility_date} if newest.compatibility_date else {}),
            "logpush": worker.logpush, "tags": worker.tags, "tail_consumers": worker.tail_consumers,
            **({"observability": worker.observability} if worker.observability else {}),
            **({"entry_point": newest.main_module} if newest.main_module else {})}


def _read(call: Call) -> tuple[dict, list[Module]]:
    """Metadata and modules of an upload; a bare script is a service worker."""
    content_type = call.headers.get("content-type", "")
    if content_type.split(";")[0].strip() in ("application/javascript", "text/javascript"):
        return {"body_part": "script"}, [Module("script", "application/javascript", call.body)]
    try:
        parts = multipart.read(content_type, call.body)
    except ValueError as wrong:
        raise unreadable(f"could not read the upload: {wrong}") from None
    metadata = next((content for name, _, _, content in parts if name == "metadata"), None)
    try:
        metadata = json.loads(metadata or b"")
    except ValueError:
        raise unreadable("could not read content for part metadata") from None
    # A module goes by its file's name; the SDK calls every part `files[]`.
    modules = [Module(file or name, kind, content) for name, file, kind, content in parts if name != "metadata"]
    main = metadata.get("main_module") or metadata.get("body_part")
    if main not in {module.name for module in modules}:
        raise unreadable(f"No such module {main!r}: main_module or body_part must name an uploaded part.")
    if len({module.name for module in modules}) < len(modules):
        raise unreadable("Two modules have the same name.")
    return metadata, modules


def _add_version(worker: Worker, call: Call, metadata: dict, modules: list[Module]) -> Version:
    earlier = worker.latest.bindings if worker.versions else []
    made = Version(
        id=new_uuid(), number=len(worker.versions) + 1, created_on=now(), author_email=call.token.email,
        author_id=author(call), source=client(call), modules=modules, main_module=metadata.get("main_module"),
        body_part=metadata.get("body_part"),
        bindings=checked(metadata.get("bindings", []), earlier, metadata.get("keep_bindings", [])),
        annotations={"workers/triggered_by": "upload", **metadata.get("annotations", {})},
        compatibility_date=metadata.get("compatibility_date"), compatibility_flags=metadata.get("compatibility_flags", []),
        usage_model=metadata.get("usage_model", "standard"), limits=metadata.get("limits"),
        placement=metadata.get("placement"))
    worker.versions.append(made)
    return made
