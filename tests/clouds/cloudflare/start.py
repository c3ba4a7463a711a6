"""Starts the stand-in with an account that has something in it, says where it is, and ends when nobody is there any more."""

import json
import os
import signal
import sys
import tempfile
import threading
from contextlib import ExitStack

from account.guardian import Guardian
from clouds import prism, recorded
from clouds.cloudflare import OWNER_EMAIL, SCRIPT, ZONE_NAME
from clouds.cloudflare.owner import Owner
from clouds.cloudflare.server import StandIn
from clouds.cloudflare.state import Account

MODULES = {
    "index.js": ("application/javascript+module", b"""\
import { withTax } from "./money.js";

export default {
  async fetch(request, env) {
    if (request.headers.get("authorization") !== `Bearer ${env.API_PASSWORD}`) return new Response("no", { status: 401 });
    const invoice = new URL(request.url).searchParams.get("invoice");
    const cents = await env.INVOICES.get(invoice);
    return Response.json({ invoice, total: withTax(Number(cents), Number(env.TAX_PERCENT)) });
  },
};
"""),
    "money.js": ("application/javascript+module", b"""\
export const withTax = (cents, percent) => `${((cents * (100 + percent)) / 10000).toFixed(2)} EUR`;
"""),
}
METADATA = {
    "main_module": "index.js", "compatibility_date": "2026-01-15", "compatibility_flags": ["nodejs_compat"],
    "tags": ["billing"], "observability": {"enabled": False},
    "bindings": [
        {"type": "plain_text", "name": "TAX_PERCENT", "text": "19"},
        {"type": "json", "name": "COUNTRIES", "json": ["DE", "AT"]},
        {"type": "kv_namespace", "name": "INVOICES", "namespace_id": "5f0f0a1c2b3d4e5f60718293a4b5c6d7"},
    ],
}


def account() -> tuple[Account, str]:
    """An account with a zone, and the token of its owner, who may do everything."""
    made = Account()
    made.zone(ZONE_NAME)
    return made, made.token("owner", OWNER_EMAIL).value


def inhabit(endpoint: str, token: str, stand_in: StandIn) -> None:
    """As the owner would, through the API: a Worker with a secret, a route and a schedule."""
    owner = Owner(endpoint, token, stand_in.account.id)
    owner.upload(SCRIPT, MODULES, METADATA)
    owner.put_secret(SCRIPT, "API_PASSWORD", "not-a-real-password")
    [zone] = stand_in.account.zones
    owner.call("POST", f"/zones/{zone}/workers/routes", {"pattern": f"billing.{ZONE_NAME}/*", "script": SCRIPT})
    owner.call("PUT", f"{owner.script(SCRIPT)}/schedules", [{"cron": "*/30 * * * *"}])


def up(options) -> int:
    end = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: end.set())
    # Forked before there are threads: it ends Prism even when this process is killed.
    guardian = Guardian(tempfile.mkdtemp(prefix="clouds-")) if options.checked else None
    if not options.ignore_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(end,), daemon=True).start()
    state, token = account()
    with ExitStack() as opened:
        stand_in = opened.enter_context(StandIn(state, 0 if options.checked or options.record else options.port))
        inhabit(stand_in.endpoint, token, stand_in)
        front = stand_in
        if options.checked:
            front = opened.enter_context(prism.between(stand_in.endpoint, options.record, options.port, forgive=True,
                                                       started=guardian.started))
        elif options.record:
            front = opened.enter_context(recorded.Recorder(stand_in.endpoint, options.record, options.port))
        line = {"endpoint": front.endpoint, "account": state.id, "token": token, "script": SCRIPT}
        print(json.dumps(line), flush=True)
        end.wait(options.seconds_limit)
    violations = getattr(front, "violations", [])
    for violation in violations:
        print(json.dumps(violation), file=sys.stderr)
    return 1 if violations else 0


def _wait_for_end_of_stdin(end: threading.Event) -> None:
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    end.set()
