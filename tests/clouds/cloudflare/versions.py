"""Versions of a Worker and the deployments that send them their share of the traffic."""

import base64

from clouds.cloudflare.operations import SCRIPT, Call, operation
from clouds.cloudflare.replies import no_such, no_such_script, page_of, result, unreadable
from clouds.cloudflare.scripts import in_json
from clouds.cloudflare.state import Account, Deployment, Version, Worker
from clouds.cloudflare.uploads import deploy, shown, worker_of


@operation(f"GET {SCRIPT}/versions", "Workers Scripts Read")
def versions(account: Account, call: Call):
    newest_first = [_entry(version) for version in reversed(worker_of(account, call).versions)]
    items, info = page_of(newest_first, call.query, usual=10, longest=100)
    return result({"items": items}, info)


@operation(f"GET {SCRIPT}/versions/{{version_id}}", "Workers Scripts Read")
def version(account: Account, call: Call):
    return detail(_version(worker_of(account, call), call.path["version_id"]))


@operation("GET /accounts/{account_id}/workers/workers/{worker_id}/versions/{version_id}", "Workers Scripts Read")
def version_with_modules(account: Account, call: Call):
    """The only operation that answers the code of a version that is not the newest. The Worker's name or its ID will do."""
    wanted = call.path["worker_id"]
    worker = next((worker for worker in account.workers.values() if wanted in (worker.name, worker.tag)), None)
    if worker is None:
        raise no_such_script()
    found = _version(worker, call.path["version_id"])
    include = call.query.get("include", [])
    if include not in ([], ["modules"]):
        raise unreadable("include may only be modules")
    return {
        "id": found.id, "number": found.number, "created_on": found.created_on, "urls": [], "source": found.source,
        "author_email": found.author_email, "author_id": found.author_id, "annotations": found.annotations,
        "bindings": shown(found.bindings), "compatibility_flags": found.compatibility_flags,
        "usage_model": found.usage_model, "startup_time_ms": 4,
        **({"compatibility_date": found.compatibility_date} if found.compatibility_date else {}),
        **({"limits": found.limits} if found.limits else {}), **({"placement": found.placement} if found.placement else {}),
        **({"main_module": found.main_module} if found.main_module else {}),
        **({"modules": [{"name": module.name, "content_type": module.content_type,
                         "content_base64": base64.b64encode(module.content).decode()} for module in found.modules]}
           if include else {})}


@operation(f"GET {SCRIPT}/deployments", "Workers Scripts Read")
def deployments(account: Account, call: Call):
    """The first is the live one."""
    return {"deployments": [_deployment(deployment) for deployment in worker_of(account, call).deployments]}


@operation(f"POST {SCRIPT}/deployments", "Workers Scripts Write", writes="script.deployment")
def create_deployment(account: Account, call: Call):
    worker, wished = worker_of(account, call), in_json(call)
    call.request = wished
    shares = wished.get("versions") or []
    if wished.get("strategy") != "percentage" or not 1 <= len(shares) <= 2:
        raise unreadable("a deployment has the strategy percentage and one or two versions")
    for share in shares:
        _version(worker, share["version_id"])
    if abs(sum(share["percentage"] for share in shares) - 100) > 0.001:
        raise unreadable("the percentages must come to 100")
    return _deployment(deploy(worker, call, shares, "deployment", wished.get("annotations")))


def _version(worker: Worker, version_id: str) -> Version:
    found = worker.version(version_id)
    if found is None:
        raise no_such("version")
    return found


def _entry(version: Version) -> dict:
    return {"id": version.id, "number": version.number, "annotations": version.annotations, "metadata": {
        "created_on": version.created_on, "modified_on": version.created_on, "source": version.source,
        "author_id": version.author_id, "author_email": version.author_email, "hasPreview": False}}


def detail(version: Version) -> dict:
    return _entry(version) | {"resources": {
        "bindings": shown(version.bindings),
        "script": {"etag": version.etag, "handlers": ["fetch"], "last_deployed_from": version.source},
        "script_runtime": {"usage_model": version.usage_model,
                           "compatibility_flags": version.compatibility_flags,
                           **({"compatibility_date": version.compatibility_date} if version.compatibility_date else {}),
                           **({"limits": version.limits} if version.limits else {})}}}


def _deployment(deployment: Deployment) -> dict:
    return {"id": deployment.id, "source": deployment.source, "strategy": "percentage",
            "author_email": deployment.author_email, "created_on": deployment.created_on,
            "annotations": deployment.annotations, "versions": deployment.versions}
