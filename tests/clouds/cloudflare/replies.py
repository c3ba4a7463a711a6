"""How the API answers: the envelope around every result, its errors with their codes, pages, and bodies that are not JSON."""

import json
from dataclasses import dataclass, field


@dataclass
class Reply:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """An error of the API. Codes marked [K] below are believed, not seen in the vendor's own words."""

    def __init__(self, status: int, code: int, message: str, **more):
        super().__init__(message)
        self.status, self.error = status, {"code": code, "message": message, **more}


def no_such_script() -> Refused:
    return Refused(404, 10007, "This Worker does not exist on your account.")


def no_such(what: str) -> Refused:
    # [K] 10090 is what wrangler takes for a service that is not there; used here for whatever is inside a Worker.
    return Refused(404, 10090, f"This {what} does not exist on your account.")


def unreadable(message: str) -> Refused:
    return Refused(400, 10021, message)


def no_route(method: str, path: str) -> Refused:
    return Refused(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?",
                   error_chain=[{"code": 7000, "message": f"No route for that URI: {method} {path}"}])


def result(value, info: dict | None = None, messages: list | None = None, status: int = 200) -> Reply:
    envelope = {"result": value, "success": True, "errors": [], "messages": messages or []}
    return in_json(status, envelope | ({"result_info": info} if info else {}))


def refusal(refused: Refused) -> Reply:
    return in_json(refused.status, {"result": None, "success": False, "errors": [refused.error], "messages": []})


def in_json(status: int, value) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"content-type": "application/json"})


def page_of(values: list, query: dict[str, list[str]], usual: int, longest: int) -> tuple[list, dict]:
    """The page that was asked for, and `result_info`."""
    page, per_page = number(query, "page", 1), number(query, "per_page", usual)
    if page < 1 or not 1 <= per_page <= longest:
        raise Refused(400, 10021, f"page must be at least 1 and per_page between 1 and {longest}")
    shown = values[(page - 1) * per_page:page * per_page]
    return shown, {"page": page, "per_page": per_page, "count": len(shown), "total_count": len(values),
                   "total_pages": -(-len(values) // per_page)}


def number(query: dict[str, list[str]], name: str, usual: int) -> int:
    try:
        return int(query.get(name, [str(usual)])[-1])
    except ValueError:
        raise Refused(400, 10021, f"{name} must be a number") from None
