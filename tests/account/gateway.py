"""The account's front door: watches every request for the trail, answers the account's own pages, passes the rest on."""

import asyncio
import contextvars
import json
from urllib.parse import parse_qs

from ministack import app as ministack
from ministack.core.router import extract_access_key_id

from account import caller_address, data_events, downloads, faults, log_events, operations, security_hub, trail_page
from account.processes import the_processes
from account.trail import the_trail

PIECE = 1 << 20

# Whether the request asks to be treated as plain HTTP; see permissions.py.
plain_http: contextvars.ContextVar[bool] = contextvars.ContextVar("account_plain_http", default=False)


async def application(scope, receive, send):
    if scope["type"] != "http":
        return await ministack.app(scope, receive, send)
    method, path = scope["method"], scope["path"]
    if path.startswith("/_account/"):
        return await _answer(method, path, scope, receive, send)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    plain_http.set(headers.get("x-account-plain-http") == "1")
    caller_address.set_for(headers, scope)
    query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
    region, service = operations.signing_scope(headers, query)
    call = _watch(service, region, method, path, headers, query)
    if call is None:
        return await faults.application(scope, receive, send, service, region, headers, query)

    async def receive_and_keep():
        message = await receive()
        if body := message.get("body"):
            call.received += len(body)
            if not call.bulk or data_events.keeps_body(method, query):
                call.body.append(body)
        return message

    async def send_and_keep(message):
        if message["type"] == "http.response.start":
            call.status = message["status"]
            call.reply_headers = {name.decode("latin-1").lower(): value.decode("latin-1")
                                  for name, value in message.get("headers", [])}
        elif body := message.get("body"):
            call.sent += len(body)
            if not call.bulk or call.status >= 300:
                call.reply.append(body)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            # Before the caller has its answer: whoever has it finds its record.
            the_trail.end(call)
        await send(message)

    await faults.application(scope, receive_and_keep, send_and_keep, service, region, headers, query)


def _watch(service: str, region: str, method: str, path: str, headers: dict, query: dict):
    """The call to keep for the trail; None for one that no trail records."""
    if not service or path.startswith("/_"):
        return None
    return the_trail.begin(service, region, method, path, headers, query, extract_access_key_id(headers, query),
                           caller_address.current())


# --- the account's own pages --------------------------------------------------------------------------------------


async def _answer(method: str, path: str, scope, receive, send) -> None:
    name, _, rest = path.removeprefix("/_account/").partition("/")
    if name == "trail" and method == "POST":
        query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
        if rest == "deliver":
            await _send_page(send, 200, await the_trail.delivery.deliver(digest=query.get("digest") == ["1"]))
        else:
            await _send_page(send, *await asyncio.to_thread(trail_page.append, await faults.read(receive), query))
    elif name == "logs":
        query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
        await _send_page(send, *log_events.page(rest, await faults.read(receive), query))
    elif name == "faults":
        await _send_page(send, *faults.page(method, await faults.read(receive)))
    elif name == "trail":
        await asyncio.to_thread(the_trail.settle)
        await _send_lines(send, the_trail.records)
    elif name == "invocations":
        await _send_lines(send, the_processes.invocations)
    elif name == "findings":
        await _send_lines(send, security_hub.findings())
    elif name == "download" and (content := downloads.content(rest)) is not None:
        await _send(send, 200, content, "application/octet-stream")
    elif name == "download":
        await _send(send, 403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
                    "application/xml")
    else:
        await _send(send, 404, b"", "text/plain")


async def _send_page(send, status: int, content) -> None:
    """A list as JSON Lines, anything else as JSON."""
    lines = content if isinstance(content, list) else [content]
    await _send(send, status, "".join(json.dumps(line) + "\n" for line in lines).encode(), "application/x-ndjson")


async def _send_lines(send, values: list) -> None:
    await _send(send, 200, "".join(json.dumps(value) + "\n" for value in list(values)).encode(), "application/x-ndjson")


async def _send(send, status: int, body: bytes, content_type: str) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [
        (b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]})
    content = memoryview(body)
    for start in range(0, len(content), PIECE):
        await send({"type": "http.response.body", "body": bytes(content[start:start + PIECE]), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
