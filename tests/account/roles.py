"""When and where a role was last used, as GetRole tells."""

import time

from ministack.services import iam


def apply() -> None:
    """Wraps the function that writes a role; only the calls about one role carry its boundary and its last use."""
    original = iam._role_xml

    def role_xml(name, boundary=True):
        used = (iam._roles.get(name) or {}).get("account_last_used") if boundary else None
        last = (f"<RoleLastUsed><LastUsedDate>{used[0]}</LastUsedDate><Region>{used[1]}</Region></RoleLastUsed>" if used
                else "<RoleLastUsed/>" if boundary else "")
        return original(name, boundary) + last

    iam._role_xml = role_xml


def used(identity: dict, region: str) -> None:
    """Notes that a session of a role made a call."""
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    role = iam._roles.get_scoped(identity["accountId"], None, issuer.get("userName", ""))
    if role is not None:
        role["account_last_used"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), region
