"""The API on a loopback port: reads a request, asks who calls, lets the faults have their say, and sends what is answered."""

import secrets
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# Each of these puts its operations into the table.
from clouds.cloudflare import addresses, analytics, audit, pages, scripts, telemetry, tokens, uploads, versions  # noqa: F401
from clouds.cloudflare import BASE, faults
from clouds.cloudflare.operations import Call, find
from clouds.cloudflare.replies import Refused, Reply, in_json, no_route, refusal, result
from clouds.cloudflare.state import Account

PIECE = 64 * 1024


class StandIn:
    """A stand-in that serves until it is closed."""

    def __init__(self, account: Account, port: int = 0):
        self.account, self.faults, self.requests = account, faults.Faults(), []
        self.rates = Rates()
        self._server = Server(("127.0.0.1", port), type("Handler", (Handler,), {"stand_in": self}))
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

    def reply(self, call: Call) -> Reply:
        """What the operation answers, as the API would send it."""
        try:
            with self.account.lock:
                answered = call.op.answer(self.account, call)
        except Refused as refused:
            return refusal(refused)
        except (KeyError, TypeError, AttributeError) as wrong:
            # A body that is JSON and yet not what the operation reads.
            return refusal(Refused(400, 10021, f"the request lacks or misuses something: {type(wrong).__name__} {wrong}"))
        return answered if isinstance(answered, Reply) else result(answered)


class Rates:
    """How many requests each identity may still make; whoever goes too far waits for a whole window."""

    def __init__(self):
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def spend(self, who: str, behaviour) -> tuple[dict[str, str], bool]:
        """(headers of the reply, whether the request is let through)."""
        with self._lock:
            began, spent = self._windows.get(who, (time.monotonic(), 0))
            if time.monotonic() - began >= behaviour.window_seconds:
                began, spent = time.monotonic(), 0
            spent += 1
            if spent == behaviour.requests + 1:
                began = time.monotonic()
            self._windows[who] = (began, spent)
        left = max(behaviour.requests - spent, 0)
        wait = max(1, round(began + behaviour.window_seconds - time.monotonic()))
        headers = {"ratelimit": f'"default";r={left};t={wait}',
                   "ratelimit-policy": f'"default";q={behaviour.requests};w={round(behaviour.window_seconds)}'}
        return headers | ({} if spent <= behaviour.requests else {"retry-after": str(wait)}), spent <= behaviour.requests


def read_body(request: BaseHTTPRequestHandler) -> bytes:
    """The body of a request, whether it says how long it is or comes in chunks."""
    if "chunked" not in request.headers.get("transfer-encoding", "").lower():
        return request.rfile.read(int(request.headers.get("content-length") or 0))
    body = b""
    while size := int(request.rfile.readline().split(b";")[0], 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    while request.rfile.readline().strip():
        pass  # trailers
    return body


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"
    # Headers and body leave together, and no reply waits for an acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def _handle(self) -> None:
        split = urlsplit(self.path)
        try:
            body = read_body(self)
        except ValueError:
            return self._send(in_json(400, "the body cannot be read"))
        if split.path.startswith("/stand-in/"):
            return self._page(split.path.removeprefix("/stand-in/"), body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = parse_qs(split.query, keep_blank_values=True)
        self._call(split.path, split.query, query, headers, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _call(self, path: str, query_text: str, query: dict, headers: dict, body: bytes) -> None:
        ray = f"{secrets.token_hex(8)}-FRA"
        seen = {"method": self.command, "path": path, "query": query_text, "headers": sorted(headers), "op": None}
        self.stand_in.requests.append(seen)
        inside = path.removeprefix(BASE)
        found = find(self.command, inside) if path.startswith(BASE + "/") else None
        fault = None
        try:
            if found is None:
                raise no_route(self.command, inside)
            operation, values = found
            seen["op"] = operation.op
            fault = self.stand_in.faults.fire(operation.op, f"{path}\n{query_text}\n".encode() + body)
            if fault and fault.answers and not fault.after:
                reply = faults.answer(fault)
            else:
                reply = self._answer(Call(operation, tokens.identify(self.stand_in.account, headers, operation), values,
                                          query, headers, body), inside, ray)
                if fault:
                    reply = faults.answer(fault) if fault.answers else faults.spoil(fault, reply)
        except Refused as refused:
            reply = refusal(refused)
        seen["status"] = reply.status
        reply.headers.setdefault("cf-ray", ray)
        self._send(reply, fault)

    def _answer(self, call: Call, uri: str, ray: str) -> Reply:
        account = self.stand_in.account
        rate, let = self.stand_in.rates.spend(call.token.id, account.behaviour)
        try:
            if not let:
                raise Refused(429, 10429, "Please wait and consider throttling your request speed")  # [K] the code
            tokens.permit(call.op, call.token, account, call.path)
            reply = self.stand_in.reply(call)
        except Refused as refused:
            reply = refusal(refused)
        if let:
            with account.lock:
                # On loopback everybody comes from the same address, so whoever plays somebody from elsewhere says from where.
                address = call.headers.get("cf-connecting-ip", self.client_address[0])
                audit.record(account, call, reply, uri, ray.partition("-")[0], address)
        reply.headers.update(rate)
        return reply

    def _page(self, name: str, body: bytes) -> None:
        stand_in = self.stand_in
        try:
            with stand_in.account.lock:
                answered = pages.answer(stand_in.account, stand_in.faults, stand_in.requests, self.command, name, pages.read(body))
        except pages.Unknown as unknown:
            return self._send(in_json(404, f"no such page: {unknown}"))
        except (ValueError, TypeError, KeyError, AttributeError) as wrong:
            return self._send(in_json(400, f"no such wish: {wrong}"))
        self._send(in_json(200, answered))

    def _send(self, reply: Reply, fault: faults.Fault | None = None) -> None:
        try:
            if fault and fault.seconds:
                time.sleep(fault.seconds)
            if fault and fault.hang_up:
                return self._hang_up()
            endless = fault is not None and fault.endless
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if endless:
                self.send_header("transfer-encoding", "chunked")
            elif "content-length" not in {name.lower() for name in reply.headers}:
                self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if endless:
                self._send_endlessly(reply.body)
            elif fault and fault.drip:
                for byte in reply.body[:fault.truncate]:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(fault.drip)
            else:
                self.wfile.write(reply.body[:fault.truncate if fault else None])
            self.wfile.flush()
            if fault and fault.truncate is not None:
                self._hang_up()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send_endlessly(self, body: bytes) -> None:
        """Until the client has had enough."""
        if body:
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
        chunk = f"{PIECE:x}\r\n".encode() + b" " * PIECE + b"\r\n"
        while True:
            self.wfile.write(chunk)
            self.wfile.flush()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
