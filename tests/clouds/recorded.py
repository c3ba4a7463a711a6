"""Requests as they were sent: of anybody whose traffic passes a recorder, and of the vendor's SDK, to compare them."""

import http.client
import json
import re
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from clouds.cloudflare import ACCOUNT_ID, BASE, SCRIPT
# The operations are in the table once these are imported.
from clouds.cloudflare import server  # noqa: F401
from clouds.cloudflare.operations import SCRIPT as S, find
from clouds.cloudflare.server import PIECE, read_body

# What belongs to one connection and not to the message.
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection", "host")


@dataclass
class Request:
    method: str
    path: str  # still encoded, without the base
    query: list[tuple[str, str]]  # decoded, in the order sent
    body: object  # JSON if it is that, else text; None without one
    headers: list[str] = field(default_factory=list)  # names in lower case, sorted: values would be credentials
    op: str | None = None  # the operation it belongs to; None if there is none
    status: int | None = None  # of the answer

    @classmethod
    def of(cls, method: str, target: str, headers: Iterable[str], body: bytes) -> "Request":
        split = urlsplit(target)
        path = split.path.removeprefix(BASE)
        found = find(method, path)
        return cls(method, path, parse_qsl(split.query, keep_blank_values=True), _decoded(body),
                   sorted({name.lower() for name in headers}), found and found[0].op)


def _decoded(body: bytes):
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "backslashreplace")


def read(file: Path) -> list[Request]:
    """What a recorder wrote."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [Request(**line | {"query": [tuple(pair) for pair in line["query"]]}) for line in lines]


# --- the recorder ---------------------------------------------------------------------------------------------------


class Recorder:
    """A proxy on loopback that passes everything on as it is, and keeps each request, in `requests` and as a line of JSON."""

    def __init__(self, upstream: str, file: Path | None = None, port: int = 0):
        self.upstream, self.file, self.requests = upstream, file, []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Passing", (Passing,), {"recorder": self}))
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.endpoint = self.origin + BASE
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def where(self, request: Request, target: str) -> str:
        """The URL that a request is passed on to."""
        return self.upstream.removesuffix(BASE) + target

    def own(self, request: Request, target: str) -> tuple[int, object] | None:
        """What the recorder answers by itself, as JSON, instead of passing the request on."""
        return None

    def seen(self, request: Request, answer: http.client.HTTPResponse) -> bytes | None:
        """Looks at an answer before it is passed on. May read the body, and answers it if it did."""
        return None

    def keep(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            if self.file:
                with self.file.open("a") as lines:
                    lines.write(json.dumps(asdict(request)) + "\n")


class Passing(BaseHTTPRequestHandler):
    recorder: Recorder
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _pass(self) -> None:
        body = read_body(self)
        request = Request.of(self.command, self.path, self.headers.keys(), body)
        if own := self.recorder.own(request, self.path):
            return self._send_json(*own)
        if self.path.startswith("/stand-in/"):
            return self._forward(request, body, watched=False)
        self._forward(request, body, watched=True)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    def _forward(self, request: Request, body: bytes, watched: bool) -> None:
        url = urlsplit(self.recorder.where(request, self.path))
        upstream = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP + ("content-length",)}
            upstream.request(self.command, url.path + (f"?{url.query}" if url.query else ""), body or None, headers)
            answer = upstream.getresponse()
            request.status = answer.status
            already = self.recorder.seen(request, answer) if watched else None
            if watched:
                self.recorder.keep(request)
            self._send(answer, already)
        except (OSError, http.client.HTTPException):
            # Whatever broke off there breaks off here.
            if watched and request.status is None:
                self.recorder.keep(request)
            self.close_connection = True
        finally:
            upstream.close()

    def _send(self, answer: http.client.HTTPResponse, already: bytes | None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP + ("server", "date"):
                self.send_header(name, value)
        chunked = answer.headers.get("content-length") is None
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        pieces = [already] if already is not None else iter(lambda: answer.read1(PIECE), b"")
        sent = 0
        for piece in pieces:
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if chunked else piece)
            sent += len(piece)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")
        elif sent < int(answer.headers["content-length"]):
            self.close_connection = True

    def _send_json(self, status: int, value) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


# --- the vendor's SDK -----------------------------------------------------------------------------------------------

# The function of Cloudflare's Python SDK for each operation, and which value of the path it takes by position.
FUNCTIONS = {
    "GET /user/tokens/verify": ("user.tokens.verify", None),
    "GET /accounts/{account_id}/tokens/verify": ("accounts.tokens.verify", None),
    "GET /accounts/{account_id}/logs/audit": ("accounts.logs.audit.list", None),
    "GET /zones": ("zones.list", None),
    "GET /zones/{zone_id}/workers/routes": ("workers.routes.list", None),
    "POST /zones/{zone_id}/workers/routes": ("workers.routes.create", None),
    "DELETE /zones/{zone_id}/workers/routes/{route_id}": ("workers.routes.delete", "route_id"),
    "GET /accounts/{account_id}/queues": ("queues.list", None),
    "GET /accounts/{account_id}/workers/domains": ("workers.domains.list", None),
    "PUT /accounts/{account_id}/workers/domains": ("workers.domains.update", None),
    "GET /accounts/{account_id}/workers/subdomain": ("workers.subdomains.get", None),
    "POST /accounts/{account_id}/workers/observability/telemetry/query": ("workers.observability.telemetry.query", None),
    "GET /accounts/{account_id}/workers/workers/{worker_id}/versions/{version_id}": ("workers.beta.workers.versions.get", "version_id"),
    "GET /accounts/{account_id}/workers/scripts": ("workers.scripts.list", None),
    f"DELETE {S}": ("workers.scripts.delete", "script_name"),
    f"GET {S}/content/v2": ("workers.scripts.content.get", "script_name"),
    f"GET {S}/settings": ("workers.scripts.script_and_version_settings.get", "script_name"),
    f"GET {S}/script-settings": ("workers.scripts.settings.get", "script_name"),
    f"PATCH {S}/script-settings": ("workers.scripts.settings.edit", "script_name"),
    f"GET {S}/secrets": ("workers.scripts.secrets.list", "script_name"),
    f"PUT {S}/secrets": ("workers.scripts.secrets.update", "script_name"),
    f"DELETE {S}/secrets/{{secret_name}}": ("workers.scripts.secrets.delete", "secret_name"),
    f"GET {S}/versions": ("workers.scripts.versions.list", "script_name"),
    f"GET {S}/versions/{{version_id}}": ("workers.scripts.versions.get", "version_id"),
    f"GET {S}/deployments": ("workers.scripts.deployments.list", "script_name"),
    f"POST {S}/deployments": ("workers.scripts.deployments.create", "script_name"),
    f"GET {S}/subdomain": ("workers.scripts.subdomain.get", "script_name"),
    f"POST {S}/subdomain": ("workers.scripts.subdomain.create", "script_name"),
    f"GET {S}/schedules": ("workers.scripts.schedules.get", "script_name"),
    f"PUT {S}/schedules": ("workers.scripts.schedules.update", "script_name"),
    f"GET {S}/tails": ("workers.scripts.tail.get", "script_name"),
    f"POST {S}/tails": ("workers.scripts.tail.create", "script_name"),
    f"DELETE {S}/tails/{{id}}": ("workers.scripts.tail.delete", "id"),
}
# What another client may send that the SDK cannot: its name in the query, or the whole body, and why it is right all the same.
BEYOND_THE_SDK = {
    f"POST {S}/tails": ("body", "wrangler sends {filters: […]}; the SDK sends nothing"),
    "GET /accounts/{account_id}/queues": ("page", "wrangler asks for page after page; the SDK only for the first"),
}

A, VERSION, ZONE = ACCOUNT_ID, "8c0e7a1e-4f8b-4d43-9f0e-3a6b0c5d7e21", "d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f"
# One request of each operation, as coldcase or whoever owns a Worker would send it.
EXAMPLES = [
    ("GET", "/user/tokens/verify", "", None),
    ("GET", f"/accounts/{A}/tokens/verify", "", None),
    ("GET", f"/accounts/{A}/logs/audit", "since=2026-03-01T00:00:00Z&before=2026-03-02T00:00:00Z&direction=asc&limit=1000&cursor=abc", None),
    ("GET", "/zones", f"account.id={A}&page=2&per_page=50", None),
    ("GET", f"/zones/{ZONE}/workers/routes", "", None),
    ("POST", f"/zones/{ZONE}/workers/routes", "", {"pattern": "example.com/*", "script": SCRIPT}),
    ("DELETE", f"/zones/{ZONE}/workers/routes/{VERSION}", "", None),
    ("GET", f"/accounts/{A}/queues", "", None),
    ("GET", f"/accounts/{A}/workers/domains", f"service={SCRIPT}", None),
    ("PUT", f"/accounts/{A}/workers/domains", "", {"hostname": "pay.example.com", "service": SCRIPT, "zone_id": ZONE}),
    ("GET", f"/accounts/{A}/workers/subdomain", "", None),
    ("POST", f"/accounts/{A}/workers/observability/telemetry/query", "", {
        "queryId": "coldcase", "timeframe": {"from": 1772323200000, "to": 1772409600000}, "view": "events", "limit": 500, "dry": True,
        "offset": "01JNX", "parameters": {"filterCombination": "and", "filters": [
            {"key": "$workers.scriptName", "operation": "eq", "type": "string", "value": SCRIPT}]}}),
    ("GET", f"/accounts/{A}/workers/workers/{SCRIPT}/versions/{VERSION}", "include=modules", None),
    ("GET", f"/accounts/{A}/workers/scripts", "", None),
    *((*wanted[:1], f"/accounts/{A}/workers/scripts/{SCRIPT}{wanted[1]}", *wanted[2:]) for wanted in [
        ("DELETE", "", "", None),
        ("GET", "/content/v2", "", None),
        ("GET", "/settings", "", None),
        ("GET", "/script-settings", "", None),
        ("PATCH", "/script-settings", "", {"observability": {
            "enabled": True, "head_sampling_rate": 1, "logs": {"enabled": True, "invocation_logs": True},
            "traces": {"enabled": True, "head_sampling_rate": 1}}}),
        ("GET", "/secrets", "", None),
        ("PUT", "/secrets", "", {"name": "KEY", "text": "value", "type": "secret_text"}),
        ("DELETE", "/secrets/KEY", "", None),
        ("GET", "/versions", "page=1&per_page=100", None),
        ("GET", f"/versions/{VERSION}", "", None),
        ("GET", "/deployments", "", None),
        ("POST", "/deployments", "", {"strategy": "percentage", "versions": [{"version_id": VERSION, "percentage": 100}]}),
        ("GET", "/subdomain", "", None),
        ("POST", "/subdomain", "", {"enabled": True, "previews_enabled": False}),
        ("GET", "/schedules", "", None),
        ("PUT", "/schedules", "", [{"cron": "*/30 * * * *"}]),
        ("GET", "/tails", "", None),
        ("POST", "/tails", "", None),
        ("DELETE", f"/tails/{VERSION}", "", None),
    ]),
]


def examples() -> list[Request]:
    return [Request.of(method, f"{path}?{query}" if query else path, [], b"" if body is None else json.dumps(body).encode())
            for method, path, query, body in EXAMPLES]


def requests_of_sdk(like: list[Request] | None = None) -> dict[str, Request]:
    """What the vendor's Python SDK sends for each operation, asked for the same as `like`, or as the examples above."""
    with Deaf() as deaf:
        return {request.op: deaf.request_of_sdk(request) for request in like or examples()}


def differences(requests: list[Request]) -> list[str]:
    """Where requests are other than those that the SDK sends when it is asked for the same; a sentence each."""
    found = []
    with Deaf() as deaf:
        for request in requests:
            if request.op is None:
                found.append(f"{request.method} {request.path} is no operation")
            elif request.op not in FUNCTIONS:
                found.append(f"{request.op} is not in the SDK")
            else:
                found += [f"{request.op}: {difference}" for difference in _differences(request, deaf)]
    return found


def _differences(request: Request, deaf: "Deaf") -> list[str]:
    beyond, _ = BEYOND_THE_SDK.get(request.op, ("", ""))
    known = Request(**vars(request) | {"query": [pair for pair in request.query if pair[0] != beyond],
                                       "body": None if beyond == "body" else request.body})
    try:
        of_sdk = deaf.request_of_sdk(known)
    except TypeError as unknown:
        return [f"the SDK cannot send this: {unknown}"]
    found = []
    for name in ("method", "path", "body"):
        ours, theirs = getattr(known, name), getattr(of_sdk, name)
        if ours != theirs:
            found.append(f"{name} is {ours!r}, and {theirs!r} from the SDK")
    if sorted(known.query) != sorted(of_sdk.query):
        found.append(f"the query is {sorted(known.query)}, and {sorted(of_sdk.query)} from the SDK")
    return found


class Deaf(Recorder):
    """Keeps what it is asked for and answers nothing of use."""

    def __init__(self):
        super().__init__("")

    def __enter__(self):
        from cloudflare import Cloudflare
        self._client = Cloudflare(api_token="token", base_url=self.endpoint, max_retries=0)
        return super().__enter__()

    def __exit__(self, *_):
        self._client.close()
        super().__exit__()

    def own(self, request: Request, target: str):
        self.keep(request)
        return 200, {"result": None, "success": True, "errors": [], "messages": []}

    def request_of_sdk(self, like: Request) -> Request:
        """TypeError if the SDK's function has no such parameter."""
        call_sdk(self._client, like)
        return self.requests[-1]


def call_sdk(client, like: Request):
    """Calls the SDK's function with the values of a request; answers its reply as it came."""
    name, position = FUNCTIONS[like.op]
    _, values = find(like.method, like.path)
    given = [values.pop(position)] if position else []
    named = dict(values)
    for key, value in like.query:
        outer, _, inner = key.partition(".")
        named |= {outer: named.get(outer, {}) | {inner: value}} if inner else {key: value}
    if isinstance(like.body, list):
        named["body"] = like.body
    elif like.body is not None:
        named |= {_snake(key): _in_snake(value) for key, value in like.body.items()}
    *folders, function = name.split(".")
    resource = client
    for folder in folders:
        resource = getattr(resource, folder)
    return getattr(resource.with_raw_response, function)(*given, **named)


def _in_snake(value):
    """With the names of Python's side: the SDK itself knows what they are called on the wire, of those that it knows."""
    if isinstance(value, dict):
        return {_snake(key): _in_snake(inner) for key, inner in value.items()}
    return [_in_snake(inner) for inner in value] if isinstance(value, list) else value


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z]+)", lambda letters: f"_{letters[1].lower()}", name)
