"""Under which names a Worker answers: zones and their routes, domains, the account's subdomain; and the queues that feed it."""

from clouds.cloudflare import OWNER_EMAIL
from clouds.cloudflare.operations import Call, operation
from clouds.cloudflare.replies import Refused, no_such, no_such_script, page_of, result, unreadable
from clouds.cloudflare.scripts import in_json
from clouds.cloudflare.state import Account, Zone, identifier

ROUTES = "/zones/{zone_id}/workers/routes"


@operation("GET /zones", "Zone Read")
def zones(account: Account, call: Call):
    """Only those that the token may see."""
    if call.query.get("account.id", [account.id])[-1] != account.id:
        return result([], {"page": 1, "per_page": 20, "count": 0, "total_count": 0, "total_pages": 0})
    found = [zone for zone in sorted(account.zones.values(), key=lambda zone: zone.name)
             if call.token.sees(zone.id) and call.query.get("name", [zone.name])[-1] == zone.name]
    page, info = page_of([_zone(account, zone) for zone in found], call.query, usual=20, longest=50)
    return result(page, info)


@operation(f"GET {ROUTES}", "Workers Routes Read")
def routes(account: Account, call: Call):
    return _zone_of(account, call).routes


@operation(f"POST {ROUTES}", "Workers Routes Write", writes="route")
def create_route(account: Account, call: Call):
    zone, wished = _zone_of(account, call), in_json(call)
    call.request = wished
    script = wished.get("script")
    if script and script not in account.workers:
        raise no_such_script()
    if any(route["pattern"] == wished["pattern"] for route in zone.routes):
        raise Refused(409, 10020, "A route with the same pattern already exists.")
    route = {"id": identifier(), "pattern": wished["pattern"], **({"script": script} if script else {})}
    zone.routes.append(route)
    call.resource = route["id"]
    return route


@operation(f"DELETE {ROUTES}/{{route_id}}", "Workers Routes Write", writes="route")
def delete_route(account: Account, call: Call):
    zone, call.resource = _zone_of(account, call), call.path["route_id"]
    if call.resource not in {route["id"] for route in zone.routes}:
        raise no_such("route")
    zone.routes = [route for route in zone.routes if route["id"] != call.resource]
    return {"id": call.resource}


@operation("GET /accounts/{account_id}/workers/domains", "Workers Scripts Read")
def domains(account: Account, call: Call):
    wanted = {name: call.query[name][-1] for name in ("service", "hostname", "environment", "zone_id", "zone_name")
              if name in call.query}
    return [domain for domain in account.domains if all(domain[name] == value for name, value in wanted.items())]


@operation("PUT /accounts/{account_id}/workers/domains", "Workers Scripts Write", writes="domain")
def put_domain(account: Account, call: Call):
    wished = in_json(call)
    call.request = wished
    if wished.get("service") not in account.workers:
        raise no_such_script()
    zone = next((zone for zone in account.zones.values() if zone.id == wished.get("zone_id")
                 or wished["hostname"] == zone.name or wished["hostname"].endswith(f".{zone.name}")), None)
    if zone is None:
        raise unreadable("no zone of this account has that host name")
    domain = {"id": identifier(), "cert_id": identifier(), "environment": "production", "hostname": wished["hostname"],
              "service": wished["service"], "zone_id": zone.id, "zone_name": zone.name}
    account.domains = [other for other in account.domains if other["hostname"] != domain["hostname"]] + [domain]
    call.resource = domain["id"]
    return domain


@operation("GET /accounts/{account_id}/workers/subdomain", "Workers Scripts Read")
def account_subdomain(account: Account, call: Call):
    if account.subdomain is None:
        raise Refused(404, 10007, "You do not have a workers.dev subdomain.")
    return {"subdomain": account.subdomain}


@operation("GET /accounts/{account_id}/queues", "Queues Read")
def queues(account: Account, call: Call):
    page, info = page_of(account.queues, call.query, usual=20, longest=100)
    return result(page, info)


def _zone_of(account: Account, call: Call) -> Zone:
    zone = account.zones.get(call.path["zone_id"])
    if zone is None:
        raise Refused(404, 7003, f"Could not route to /zones/{call.path['zone_id']}, perhaps your object identifier is invalid?")
    if not call.token.sees(zone.id):
        raise Refused(403, 9109, "Unauthorized to access requested resource")
    return zone


def _zone(account: Account, zone: Zone) -> dict:
    return {"id": zone.id, "name": zone.name, "status": "active", "paused": False, "type": "full", "development_mode": 0,
            "name_servers": ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"], "original_name_servers": None,
            "original_registrar": None, "original_dnshost": None, "modified_on": zone.created_on,
            "created_on": zone.created_on, "activated_on": zone.created_on,
            "meta": {"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 3, "phishing_detected": False},
            "owner": {"id": None, "type": "user", "email": OWNER_EMAIL}, "account": {"id": account.id, "name": account.name},
            "permissions": ["#zone:read"], "plan": {"id": "0feeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "name": "Free Website", "price": 0,
                                                     "currency": "USD", "frequency": "", "is_subscribed": False,
                                                     "can_subscribe": False, "legacy_id": "free", "legacy_discount": False,
                                                     "externally_managed": False}}
