"""Makes chosen calls of an operation fail as they fail in the field: refused, slow, cut off, endless, sent elsewhere, or answered wrongly."""

import base64
import json
import threading
from dataclasses import asdict, dataclass, field

from clouds.cloudflare.replies import Reply


@dataclass
class Fault:
    """What `PUT /stand-in/faults` lists: which calls of an operation, and what becomes of each."""

    op: str  # "GET /accounts/{account_id}/…"; * is every one
    nth: int = 1  # from so manieth call on, counted from when the list was put …
    times: int = 1  # … so many of them; 0 is all
    match: str = ""  # only calls whose path, query or body holds this text
    # What happens. Without an answer of its own a fault lets the call through, and spoils what comes back.
    status: int = 0  # 200, 302 for a redirect, or the one an error goes with, unless given
    headers: dict = field(default_factory=dict)  # besides, or instead of, the reply's own
    code: int = 0  # an error in the API's envelope, with `message`
    message: str = "A fault was armed for this call."
    body: str | None = None  # or exactly this text
    body_base64: str | None = None  # or exactly these bytes
    set: dict = field(default_factory=dict)  # or the real reply with values put at paths, such as {"result.bindings": 5}
    redirect: str = ""  # or to this URL
    after: bool = False  # the call is carried out all the same: only its answer is another
    hang_up: bool = False  # or no answer: the connection is closed
    # How it is sent.
    seconds: float = 0  # so much later
    truncate: int | None = None  # so many bytes of the body, though Content-Length promised all, and the connection closes
    drip: float = 0  # a byte every so many seconds
    endless: bool = False  # the body, and then blanks without an end, in chunks
    pad: int = 0  # the body, and then so many blanks

    @property
    def answers(self) -> bool:
        return bool(self.code or self.redirect or self.hang_up or self.body is not None or self.body_base64 is not None
                    or (self.status >= 300 and not self.set))


class Faults:
    """Those armed, and a line for each that fired."""

    def __init__(self):
        self._lock = threading.Lock()
        self.armed: list[tuple[Fault, list[int]]] = []  # with the number of calls seen so far
        self.fired: list[dict] = []

    def put(self, wishes: list[dict], ops: set[str]) -> None:
        """Replaces the whole list. ValueError or TypeError for a wish that is none, so that no typing error tests nothing."""
        faults = [Fault(**wish) for wish in wishes]
        if unknown := {fault.op for fault in faults} - ops - {"*"}:
            raise ValueError(f"no such operation: {', '.join(sorted(unknown))}")
        with self._lock:
            self.armed, self.fired = [(fault, [0]) for fault in faults], []

    def fire(self, op: str, text: bytes) -> Fault | None:
        with self._lock:
            hit = None
            for fault, seen in self.armed:
                if fault.op not in ("*", op) or fault.match.encode() not in text:
                    continue
                seen[0] += 1
                if hit is None and seen[0] >= fault.nth and (not fault.times or seen[0] < fault.nth + fault.times):
                    hit = fault
            if hit:
                self.fired.append({name: value for name, value in asdict(hit).items() if value} | {"op": op})
            return hit


def answer(fault: Fault) -> Reply:
    """What a fault answers by itself."""
    if fault.redirect:
        return Reply(fault.status or 302, b"", {"location": fault.redirect, **fault.headers})
    if fault.body_base64 is not None or fault.body is not None:
        body = base64.b64decode(fault.body_base64) if fault.body_base64 is not None else fault.body.encode()
        return Reply(fault.status or 200, body, {"content-type": "application/json", **fault.headers})
    error = {"code": fault.code or 10013, "message": fault.message}
    body = {"result": None, "success": False, "errors": [error], "messages": []}
    return Reply(fault.status or 400, json.dumps(body).encode(), {"content-type": "application/json", **fault.headers})


def spoil(fault: Fault, reply: Reply) -> Reply:
    """The real reply with what the fault puts into it."""
    body = reply.body
    if fault.set:
        document = json.loads(body)
        for path, value in fault.set.items():
            at, names = document, path.split(".")
            for name in names[:-1]:
                at = at[int(name) if isinstance(at, list) else name]
            at[int(names[-1]) if isinstance(at, list) else names[-1]] = value
        body = json.dumps(document).encode()
    headers = {name: value for name, value in {**reply.headers, **fault.headers}.items() if value is not None}
    return Reply(fault.status or reply.status, body + b" " * fault.pad, headers)
