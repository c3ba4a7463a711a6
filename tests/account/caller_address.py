"""Where a call came from, as records and `aws:SourceIp` tell it.

Everybody is on loopback. What functions call arrives on a port of its own and shows FUNCTIONS; a request with the
header `x-account-source-address` shows that address, as of somebody outside; all others show 127.0.0.1.
"""

import contextvars
import ipaddress

FUNCTIONS = "198.51.100.10"  # of a block that is reserved for documentation (RFC 5737)
HEADER = "x-account-source-address"

functions_port = 0  # set once at start

_address: contextvars.ContextVar[str] = contextvars.ContextVar("account_caller_address", default="127.0.0.1")


def set_for(headers: dict, scope) -> None:
    _address.set(_of(headers.get(HEADER, ""), scope))


def _of(named: str, scope) -> str:
    try:
        return str(ipaddress.ip_address(named))
    except ValueError:
        pass
    if functions_port and (scope.get("server") or (None, None))[1] == functions_port:
        return FUNCTIONS
    return (scope.get("client") or ("127.0.0.1",))[0]


def current() -> str:
    return _address.get()
