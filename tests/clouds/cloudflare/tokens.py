"""Who calls: credentials of a request, their verification, and what is refused without permission."""

from clouds.cloudflare.operations import Call, Operation, operation
from clouds.cloudflare.replies import Refused, result
from clouds.cloudflare.state import Account, Token

# The permissions whose absence the API tells with another code: those on zones.
ZONE_GROUPS = ("Workers Routes", "Zone")


@operation("GET /user/tokens/verify", None)
def verify(account: Account, call: Call):
    return _verified(call, "user")


@operation("GET /accounts/{account_id}/tokens/verify", None)
def verify_of_account(account: Account, call: Call):
    return _verified(call, "account")


def _verified(call: Call, owner: str):
    if call.token.key or call.token.owner != owner:
        raise Refused(401, 1000, "Invalid API Token")
    return result({"id": call.token.id, "status": call.token.status},
                  messages=[{"code": 10000, "message": "This API Token is valid and active", "type": None}])


def identify(account: Account, headers: dict[str, str], operation: Operation) -> Token:
    """The token or key that a request carries; what it may do is looked at afterwards."""
    if email := headers.get("x-auth-email"):
        for token in account.tokens:
            if token.key and (token.value, token.email) == (headers.get("x-auth-key"), email):
                return token
        raise Refused(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
    if "authorization" not in headers:
        raise Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
    scheme, _, value = headers["authorization"].partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise Refused(400, 6003, "Invalid request headers", error_chain=[
            {"code": 6111, "message": "Invalid format for Authorization header"}])
    for token in account.tokens:
        if not token.key and token.value == value.strip() and token.status == "active":
            return token
    if operation.template.endswith("/tokens/verify"):
        raise Refused(401, 1000, "Invalid API Token")
    raise Refused(403, 9109, "Invalid access token")


def permit(operation: Operation, token: Token, account: Account, path: dict[str, str]) -> None:
    if path.get("account_id", account.id) != account.id:
        raise Refused(403, 10000, "Authentication error")
    if not token.may(operation.needs):
        if operation.needs.rpartition(" ")[0] in ZONE_GROUPS:
            raise Refused(403, 9109, "Unauthorized to access requested resource")
        raise Refused(403, 10000, "Authentication error")
