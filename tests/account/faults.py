"""Makes the next calls of an operation fail as they fail on AWS: throttled, refused, broken, slow, cut off, or their answer lost."""

import asyncio
import base64
import datetime
import json
import threading
import time
from dataclasses import asdict, dataclass, field

from ministack import app as ministack

from account import operations

# boto3's name of a service whose requests are signed with another one.
SIGNING_NAMES = {model: signing for signing, model in operations.MODELS.items()}


@dataclass
class Fault:
    """What `POST /_account/faults` arms: which calls, how many of them, and what becomes of each."""

    service: str  # as boto3 names it, or as its requests are signed
    operation: str  # as in the service model; * is every one
    times: int = 1  # so many calls …
    skip: int = 0  # … after so many that pass unharmed
    match: str = ""  # only calls whose path or body holds this text
    region: str = ""  # only calls to this Region
    # What happens. Without `code`, `body` and `hang_up` the call is carried out, later or with short pages.
    code: str = ""  # the error, in the form of the operation's protocol
    message: str = ""
    status: int = 0  # 400, or 500 for an error whose name says so, unless given
    body: str | None = None  # or exactly this text, with `status` (200) and `headers`
    body_base64: str | None = None  # or exactly these bytes
    headers: dict = field(default_factory=dict)
    hang_up: bool = False  # or no answer: the connection is closed
    after: bool = False  # the call is carried out all the same: only its answer is lost
    seconds: float = 0  # and all this only after so long
    page_size: int | None = None  # a list answers at most so many items, 0 for an empty page with a token

    def __post_init__(self):
        self.service = SIGNING_NAMES.get(self.service, self.service)

    @property
    def answers(self) -> bool:
        return bool(self.code or self.hang_up or self.body is not None or self.body_base64 is not None)


class Faults:
    """Those armed, oldest first, and a line for each that fired."""

    def __init__(self):
        self.armed: list[Fault] = []
        self.fired: list[dict] = []
        self._lock = threading.Lock()

    def arm(self, wishes: list[dict]) -> None:
        faults = [Fault(**wish) for wish in wishes]
        with self._lock:
            self.armed += faults

    def clear(self) -> None:
        with self._lock:
            self.armed, self.fired = [], []

    def fire(self, service: str, operation: str, region: str, text: bytes, pages: bool) -> Fault | None:
        """The first fault armed for such a call, one time less; those on pages are asked for by the service itself."""
        with self._lock:
            for fault in self.armed:
                if (fault.service != service or fault.operation not in ("*", operation)
                        or (fault.page_size is not None) != pages or (fault.region and fault.region != region)
                        or (fault.match and fault.match.encode() not in text)):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self.armed.remove(fault)
                self.fired.append({"service": service, "operation": operation, "region": region, "at": _now(),
                                   **{name: value for name, value in asdict(fault).items()
                                      if value and name not in ("service", "operation", "region", "times", "skip")}})
                return fault
        return None


the_faults = Faults()


def page_size(service: str, operation: str, region: str = "") -> int | None:
    """How many items a list may answer at most this time, when a fault says so."""
    fault = the_faults.fire(service, operation, region, b"", pages=True) if the_faults.armed else None
    return fault.page_size if fault else None


async def application(scope, receive, send, service: str, region: str, headers: dict, query: dict) -> None:
    """MiniStack behind the faults: does nothing of its own while none is armed for the service."""
    if not any(fault.service == service and fault.page_size is None for fault in list(the_faults.armed)):
        return await ministack.app(scope, receive, send)
    body = await read(receive)
    called = operations.read_request(service, scope["method"], scope["path"], headers, query, body)
    fault = called and the_faults.fire(service, called.name, region, scope["path"].encode() + b"\n" + body, pages=False)
    if fault and fault.seconds:
        await asyncio.sleep(fault.seconds)
    if not fault or not fault.answers:
        return await ministack.app(scope, _replay(body, receive), send)
    if fault.after:
        await ministack.app(scope, _replay(body, receive), _discard)
    if fault.hang_up:
        # The server closes the connection of an answer that breaks off.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        raise ConnectionAbortedError("a fault hangs up")
    status, reply_headers, content = _answer(fault, called, headers)
    await send({"type": "http.response.start", "status": status, "headers": [
        (name.lower().encode(), str(value).encode()) for name, value in {
            "content-length": len(content), "x-amzn-requestid": "fault-" + str(time.time_ns()), **reply_headers}.items()]})
    await send({"type": "http.response.body", "body": content, "more_body": False})


async def read(receive) -> bytes:
    """A whole request body."""
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


def _replay(body: bytes, receive):
    sent = False

    async def again():
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}
    return again


async def _discard(message) -> None:
    pass


def _answer(fault: Fault, called: operations.Operation, headers: dict) -> tuple[int, dict, bytes]:
    if fault.body_base64 is not None:
        return fault.status or 200, fault.headers, base64.b64decode(fault.body_base64)
    if fault.body is not None:
        return fault.status or 200, fault.headers, fault.body.encode()
    broken = any(word in fault.code for word in ("InternalError", "InternalFailure", "InternalServer", "ServiceException"))
    unavailable = fault.code in ("SlowDown", "ServiceUnavailable", "ServiceUnavailableException")
    status = fault.status or (503 if unavailable else 500 if broken else 400)
    message = fault.message or {"ThrottlingException": "Rate exceeded", "SlowDown": "Please reduce your request rate."}.get(
        fault.code, "A fault was armed for this call.")
    content_type, content = _in_protocol(called.protocol, fault.code, message)
    return status, {"content-type": content_type, "x-amzn-errortype": fault.code,
                    "x-amzn-query-error": f"{fault.code};{'Receiver' if status >= 500 else 'Sender'}",
                    **({"smithy-protocol": "rpc-v2-cbor"} if "cbor" in called.protocol else {}), **fault.headers}, content


def _in_protocol(protocol: str, code: str, message: str) -> tuple[str, bytes]:
    if "cbor" in protocol:
        text = lambda value: b"\x79" + len(value.encode()).to_bytes(2, "big") + value.encode()
        return "application/cbor", b"\xa2" + text("__type") + text(code) + text("message") + text(message)
    if protocol in ("query", "ec2", "rest-xml"):
        from xml.sax.saxutils import escape
        error = f"<Error><Type>Sender</Type><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
        return "text/xml", (error if protocol == "rest-xml" else f"<ErrorResponse>{error}</ErrorResponse>").encode()
    return "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message, "Message": message}).encode()


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def page(method: str, body: bytes) -> tuple[int, list | str]:
    """`/_account/faults`: POST arms (an object, a list, or a line each), GET lists what fired, DELETE forgets all."""
    if method == "GET":
        return 200, the_faults.fired
    if method == "DELETE":
        the_faults.clear()
        return 200, []
    try:
        wishes = json.loads(body) if body.lstrip()[:1] in (b"[", b"{") and b"\n{" not in body.strip() else [
            json.loads(line) for line in body.splitlines() if line.strip()]
        the_faults.arm(wishes if isinstance(wishes, list) else [wishes])
    except (ValueError, TypeError) as wrong:
        return 400, f"no fault: {wrong}"
    return 200, [asdict(fault) for fault in the_faults.armed]
