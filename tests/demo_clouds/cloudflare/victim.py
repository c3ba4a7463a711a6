"""The Worker that will be tampered with: a small billing API with a secret, two values, a namespace, a route and stored logs."""

import secrets
from dataclasses import dataclass

from clouds.cloudflare import ZONE_NAME
from clouds.cloudflare.owner import Owner
from clouds.cloudflare.start import METADATA, MODULES

SECRET, VALUE, DOCUMENT = "API_PASSWORD", "WEBHOOK_KEY", "CUSTOMERS"


@dataclass(frozen=True)
class Victim:
    """What was made, and the values that nobody but its owner has any business with."""

    version: str  # that answers every request
    secret: str  # which Cloudflare never tells again
    values: tuple[str, ...]  # which it does tell: of bindings of text and of JSON


def create(owner: Owner, name: str) -> Victim:
    """The owner's last release. The stand-in has a Worker of that name already, with its secret, its route and its schedule."""
    secret, value, document = (f"marked-{what}-{secrets.token_hex(8)}" for what in ("secret", "value", "document"))
    bindings = [*METADATA["bindings"], {"type": "inherit", "name": SECRET}, {"type": "plain_text", "name": VALUE, "text": value},
                {"type": "json", "name": DOCUMENT, "json": {"first": document}}]
    observability = {"enabled": True, "head_sampling_rate": 1, "logs": {"enabled": True, "invocation_logs": True},
                     "traces": {"enabled": False}}
    owner.upload(name, MODULES, METADATA | {"bindings": bindings, "observability": observability})
    owner.put_secret(name, SECRET, secret)
    live = owner.call("GET", f"{owner.script(name)}/deployments").result["deployments"][0]
    [share] = live["versions"]
    return Victim(share["version_id"], secret, (value, document))


def zone(owner: Owner) -> str:
    """The id of the zone whose name the Worker answers under."""
    zones = owner.call("GET", f"/zones?account.id={owner.account}").result
    return next(zone["id"] for zone in zones if zone["name"] == ZONE_NAME)
