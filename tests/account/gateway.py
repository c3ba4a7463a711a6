"""The account's front door: watches every request for the trail, answers the account's own pages, passes the rest on."""

import asyncio
import contextvars
import json
from urllib.parse import parse_qs

from ministack import app as ministack
from ministack.core.router import extract_access_key_id

from account import downloads, log_events, operations
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
    query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
    call = _watch(method, path, headers, query, scope)
    if call is None:
        return await ministack.app(scope, receive, send)

    async def receive_and_keep():
        message = await receive()
        if message.get("body"):
            call.body.append(message["body"])
        return message

    async def send_and_keep(message):
        if message["type"] == "http.response.start":
            call.status = message["status"]
            call.reply_headers = {name.decode("latin-1").lower(): value.decode("latin-1")
                                  for name, value in message.get("headers", [])}
        elif message.get("body"):
            call.reply.append(message["body"])
        await send(message)

    try:
        await ministack.app(scope, receive_and_keep, send_and_keep)
    finally:
        if call.status:
            the_trail.end(call)


def _watch(method: str, path: str, headers: dict, query: dict, scope):
    """The call to keep for the trail; None for bulk data, which is neither recorded nor worth a copy."""
    region, service = operations.signing_scope(headers, query)
    if not service or path.startswith("/_"):
        return None
    if service == "s3" and path.strip("/").count("/"):
        return None
    if service == "lambda" and "invocations" in path:
        return None
    address = (scope.get("client") or ("127.0.0.1",))[0]
    return the_trail.begin(service, region, method, path, headers, query, extract_access_key_id(headers, query), address)


# --- the account's own pages --------------------------------------------------------------------------------------


async def _answer(method: str, path: str, scope, receive, send) -> None:
    name, _, rest = path.removeprefix("/_account/").partition("/")
    if name == "trail":
        await asyncio.to_thread(the_trail.settle)
        await _send_lines(send, the_trail.records)
    elif name == "logs":
        query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
        status, content = log_events.page(rest, await _read(receive), query)
        await _send(send, status, json.dumps(content).encode(), "application/json")
    elif name == "invocations":
        await _send_lines(send, the_processes.invocations)
    elif name == "download" and (content := downloads.content(rest)) is not None:
        await _send(send, 200, content, "application/octet-stream")
    elif name == "download":
        await _send(send, 403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
                    "application/xml")
    else:
        await _send(send, 404, b"", "text/plain")


async def _read(receive) -> bytes:
    """A whole request body."""
    pieces, more = [], True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)


async def _send_lines(send, values: list) -> None:
    await _send(send, 200, "".join(json.dumps(value) + "\n" for value in list(values)).encode(), "application/x-ndjson")


async def _send(send, status: int, body: bytes, content_type: str) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [
        (b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]})
    content = memoryview(body)
    for start in range(0, len(content), PIECE):
        await send({"type": "http.response.body", "body": bytes(content[start:start + PIECE]), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
