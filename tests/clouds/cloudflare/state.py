"""What the account holds: Workers with versions and deployments, zones with routes, tokens, tails, events, the audit log."""

import datetime
import hashlib
import secrets
import threading
import uuid
from dataclasses import dataclass, field

from clouds.cloudflare import ACCOUNT_ID, ACCOUNT_NAME, SUBDOMAIN

# Permission groups by the names the dashboard gives them. Whoever may write may read.
GROUPS = ("Workers Scripts", "Workers Routes", "Workers Tail", "Workers Observability", "Zone", "Queues",
          "Account Analytics", "Account Settings")


@dataclass(frozen=True)
class Module:
    name: str
    content_type: str
    content: bytes


@dataclass
class Version:
    """An upload, which nothing changes afterwards."""

    id: str
    number: int
    created_on: str
    author_email: str
    author_id: str
    source: str  # the client that uploaded it: api, wrangler, dash, …
    modules: list[Module]
    main_module: str | None  # of a Worker in module syntax
    body_part: str | None  # of a service worker
    bindings: list[dict]
    annotations: dict
    compatibility_date: str | None = None
    compatibility_flags: list[str] = field(default_factory=list)
    usage_model: str = "standard"
    limits: dict | None = None
    placement: dict | None = None

    @property
    def etag(self) -> str:
        lines = sorted(f"{module.name}\0{module.content_type}\0{hashlib.sha256(module.content).hexdigest()}\n"
                       for module in self.modules)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass
class Deployment:
    id: str
    created_on: str
    author_email: str
    source: str
    annotations: dict
    versions: list[dict]  # {"version_id", "percentage"}, together 100


@dataclass
class Tail:
    id: str
    created: datetime.datetime
    expires: datetime.datetime
    filters: list


@dataclass
class Worker:
    name: str
    tag: str  # its immutable ID
    created_on: str
    versions: list[Version] = field(default_factory=list)  # oldest first
    deployments: list[Deployment] = field(default_factory=list)  # the live one first
    # What belongs to the script and to none of its versions.
    logpush: bool = False
    observability: dict | None = None
    tags: list[str] | None = None
    tail_consumers: list[dict] | None = None
    subdomain: dict = field(default_factory=lambda: {"enabled": False, "previews_enabled": False})
    schedules: list[dict] = field(default_factory=list)
    tails: list[Tail] = field(default_factory=list)

    @property
    def latest(self) -> Version:
        return self.versions[-1]

    def version(self, version_id: str) -> Version | None:
        return next((version for version in self.versions if version.id == version_id), None)

    def open_tails(self) -> list[Tail]:
        now = datetime.datetime.now(datetime.timezone.utc)
        return [tail for tail in self.tails if tail.expires > now]


@dataclass
class Zone:
    id: str
    name: str
    created_on: str
    routes: list[dict] = field(default_factory=list)  # {"id", "pattern", "script"}


@dataclass
class Token:
    """A token, or with an email the user's global key, which goes into other headers."""

    id: str
    name: str
    value: str
    groups: set[str] | None  # "Workers Scripts Read", …; None may do everything
    zones: set[str] | None  # IDs; None is every zone
    owner: str = "user"  # or account: then only the account's own verification knows it
    email: str = ""  # of whoever acts with it
    key: bool = False
    status: str = "active"

    def may(self, group: str | None) -> bool:
        if not group or self.groups is None:
            return True
        name, _, access = group.rpartition(" ")
        return f"{name} Write" in self.groups or (access == "Read" and f"{name} Read" in self.groups)

    def sees(self, zone_id: str) -> bool:
        return self.zones is None or zone_id in self.zones


@dataclass
class Behaviour:
    """Where the vendor's own words leave open what the API does: `PUT /stand-in/behaviour` chooses."""

    # Which code content/v2 answers while a deployment is gradual: of the newest upload, or of the live version.
    content: str = "newest"  # | live
    # Where the audit log puts its cursor: where today's SDK reads it, or where older SDKs read it.
    audit_cursor: str = "cursors.after"  # | cursor
    # Whether the tails of a Worker are answered as the one object of the SDK's type, or as a list.
    tails: str = "one"  # | list
    # How many events of a telemetry query are answered at most, whatever the limit asked for.
    events_at_most: int = 2000
    # What every query's statistics say; more than 1 is a sampled answer.
    abr_level: int = 1
    # Seconds that a cursor of the audit log is good for.
    cursor_seconds: float = 3600.0
    # So many requests of one identity in so many seconds; after that nothing for as long.
    requests: int = 1200
    window_seconds: float = 300.0


@dataclass
class Account:
    id: str = ACCOUNT_ID
    name: str = ACCOUNT_NAME
    subdomain: str | None = SUBDOMAIN
    workers: dict[str, Worker] = field(default_factory=dict)
    zones: dict[str, Zone] = field(default_factory=dict)
    domains: list[dict] = field(default_factory=list)
    queues: list[dict] = field(default_factory=list)
    datasets: dict[str, list[dict]] = field(default_factory=dict)  # Analytics Engine: rows by dataset
    tokens: list[Token] = field(default_factory=list)
    audit: list[dict] = field(default_factory=list)
    events: list[dict] = field(default_factory=list)  # stored telemetry, in no order
    behaviour: Behaviour = field(default_factory=Behaviour)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def token(self, name: str, email: str, groups=None, zones=None, owner: str = "user", key: bool = False) -> Token:
        """A new token; tells a wrong permission group from one that was misspelt."""
        known = {f"{group} {access}" for group in GROUPS for access in ("Read", "Write")}
        if groups is not None and (unknown := set(groups) - known):
            raise ValueError(f"no such permission group: {', '.join(sorted(unknown))}")
        made = Token(identifier(), name, secrets.token_urlsafe(30)[:40] if not key else secrets.token_hex(18)[:37],
                     set(groups) if groups is not None else None, set(zones) if zones is not None else None,
                     owner, email, key)
        self.tokens.append(made)
        return made

    def zone(self, name: str) -> Zone:
        made = Zone(identifier(), name, now())
        self.zones[made.id] = made
        return made

    def worker(self, name: str) -> Worker | None:
        return self.workers.get(name)


def identifier() -> str:
    """32 hexadecimal digits, as most things of Cloudflare are called."""
    return secrets.token_hex(16)


def new_uuid() -> str:
    return str(uuid.uuid4())


def now() -> str:
    return stamp(datetime.datetime.now(datetime.timezone.utc))


def stamp(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
