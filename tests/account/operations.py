"""Reads HTTP requests and replies as AWS operations, with the service models that botocore ships."""

import io
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qs, unquote

import botocore.loaders
import botocore.model
import botocore.parsers
from botocore.awsrequest import HeadersDict

# Signing names that differ from the name of botocore's model.
MODELS = {"monitoring": "cloudwatch", "states": "stepfunctions", "email": "ses"}


@dataclass
class Operation:
    """One call of one operation, as its caller wrote it."""

    service: str  # signing name: lambda, iam, logs, …
    name: str  # as in the service model: UpdateFunctionCode
    parameters: dict = field(default_factory=dict)  # by member name of the input shape
    model: botocore.model.OperationModel | None = None
    protocol: str = ""


@lru_cache(maxsize=None)
def service_model(service: str) -> botocore.model.ServiceModel | None:
    name = MODELS.get(service, service)
    try:
        return botocore.model.ServiceModel(_loader().load_service_model(name, "service-2"), name)
    except Exception:
        return None


@lru_cache(maxsize=1)
def _loader() -> botocore.loaders.Loader:
    return botocore.loaders.Loader()


def signing_scope(headers: dict, query: dict) -> tuple[str, str]:
    """The Region and service that a request was signed for; empty for an unsigned one."""
    credential = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request", headers.get("authorization", ""))
    if credential:
        return credential.group(1), credential.group(2)
    parts = (query.get("X-Amz-Credential") or [""])[0].split("/")
    return (parts[2], parts[3]) if len(parts) == 5 else ("", "")


def read_request(service: str, method: str, path: str, headers: dict, query: dict, body: bytes) -> Operation | None:
    """The operation of a request, or None when it is none that the model knows."""
    model = service_model(service)
    if model is None:
        return None
    content_type = headers.get("content-type", "")
    if headers.get("smithy-protocol") == "rpc-v2-cbor":
        operation = _named(model, service, path.rpartition("/operation/")[2], "smithy-rpc-v2-cbor")
        if operation:
            operation.parameters = _from_cbor(body)
        return operation
    target = headers.get("x-amz-target", "")
    if "." in target:
        operation = _named(model, service, target.rpartition(".")[2], "json")
        if operation:
            operation.parameters = _from_json(body)
        return operation
    form = parse_qs(body.decode(errors="replace"), keep_blank_values=True) if "form" in content_type else {}
    action = (form.get("Action") or query.get("Action") or [""])[0]
    if action:
        operation = _named(model, service, action, "query")
        if operation and operation.model.input_shape:
            flat = {name: values[0] for name, values in {**query, **form}.items()}
            operation.parameters = _from_query(operation.model.input_shape, flat, "")
        return operation
    return _read_rest(model, service, method, path, headers, query, body)


def _named(model, service: str, name: str, protocol: str) -> Operation | None:
    if name not in model.operation_names:
        return None
    return Operation(service, name, {}, model.operation_model(name), protocol)


# --- REST ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=None)
def _routes(service: str) -> list:
    """(HTTP method, compiled path, required query, operation) of every operation, the most specific first."""
    model, routes = service_model(service), []
    for name in model.operation_names:
        http = model.operation_model(name).http
        uri, _, query = http.get("requestUri", "/").partition("?")
        pattern = ""
        for piece in re.split(r"(\{[^}]+\})", uri.rstrip("/") or "/"):
            if piece.startswith("{"):
                label = piece.strip("{}")
                pattern += f"(?P<{_group(label)}>.+)" if label.endswith("+") else f"(?P<{_group(label)}>[^/]+)"
            else:
                pattern += re.escape(piece)
        required = {}
        for pair in filter(None, query.split("&")):
            key, _, value = pair.partition("=")
            required[key] = value
        literal = len(re.sub(r"\{[^}]+\}", "", uri))
        routes.append((http.get("method"), re.compile(f"{pattern}/?"), required, name, literal + 100 * len(required)))
    return sorted(routes, key=lambda route: -route[4])


def _group(label: str) -> str:
    return re.sub(r"\W", "_", label.rstrip("+"))


def _read_rest(model, service, method, path, headers, query, body) -> Operation | None:
    for route_method, pattern, required, name, _ in _routes(service):
        if route_method != method or not (found := pattern.fullmatch(path)):
            continue
        if any(key not in query or (value and query[key][0] != value) for key, value in required.items()):
            continue
        operation = Operation(service, name, {}, model.operation_model(name), model.metadata["protocol"])
        if not _has_headers(operation.model.input_shape, headers):
            continue
        operation.parameters = _rest_parameters(operation, found.groupdict(), headers, query, body)
        return operation
    return None


def _has_headers(shape, headers: dict) -> bool:
    """Whether the headers that an operation cannot do without are there: all that tells CopyObject from PutObject."""
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    return all(place.get("name", "").lower() in headers for place in required if place.get("location") == "header")


def _rest_parameters(operation: Operation, labels: dict, headers: dict, query: dict, body: bytes) -> dict:
    shape = operation.model.input_shape
    if shape is None:
        return {}
    parameters, in_body = {}, {}
    for name, member in shape.members.items():
        place, wire = member.serialization.get("location"), member.serialization.get("name", name)
        if place == "uri" and _group(wire) in labels:
            parameters[name] = unquote(labels[_group(wire)])
        elif place == "querystring" and wire in query:
            parameters[name] = query[wire] if member.type_name == "list" else _scalar(member, query[wire][0])
        elif place == "header" and wire.lower() in headers:
            parameters[name] = _scalar(member, headers[wire.lower()])
        elif place is None:
            in_body[wire] = name
    payload = shape.serialization.get("payload")
    if operation.protocol == "rest-json" and body:
        content = _from_json(body)
        if payload:
            parameters[payload] = content
        else:
            parameters.update({in_body.get(wire, wire): value for wire, value in content.items()})
    elif payload and operation.protocol == "rest-xml" and body:
        parameters[payload] = body
    return parameters


def _scalar(shape, text: str):
    if shape.type_name == "boolean":
        return text.lower() == "true"
    if shape.type_name in ("integer", "long"):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    return text


# --- the other protocols ------------------------------------------------------------------------------------------


def _from_json(body: bytes) -> dict:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _from_cbor(body: bytes) -> dict:
    parser = botocore.parsers.create_parser("smithy-rpc-v2-cbor")
    content = parser.parse_data_item(io.BufferedReader(io.BytesIO(body))) if body else {}
    return content if isinstance(content, dict) else {}


def _from_query(shape, flat: dict, prefix: str):
    """The value that a form encodes for a shape, or None when nothing of it is there."""
    if shape.type_name == "structure":
        value = {}
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            if member.serialization.get("flattened") and member.type_name == "list":
                wire = member.member.serialization.get("name", wire)
            found = _from_query(member, flat, f"{prefix}.{wire}" if prefix else wire)
            if found is not None:
                value[name] = found
        return value if value or not prefix else None
    if shape.type_name == "list":
        item = "" if shape.serialization.get("flattened") else "." + shape.member.serialization.get("name", "member")
        values = []
        while (found := _from_query(shape.member, flat, f"{prefix}{item}.{len(values) + 1}")) is not None:
            values.append(found)
        return values or None
    if shape.type_name == "map":
        entry = "" if shape.serialization.get("flattened") else ".entry"
        key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        found, number = {}, 1
        while (name := flat.get(f"{prefix}{entry}.{number}.{key}")) is not None:
            found[name] = _from_query(shape.value, flat, f"{prefix}{entry}.{number}.{value}")
            number += 1
        return found or None
    text = flat.get(prefix)
    return None if text is None else _scalar(shape, text)


# --- replies ------------------------------------------------------------------------------------------------------


def read_reply(operation: Operation, status: int, headers: dict, body: bytes) -> dict:
    """The reply by member name of the output shape; `Error` holds code and message of a refused call."""
    parser = botocore.parsers.create_parser(operation.protocol)
    reply = {"status_code": status, "headers": HeadersDict(headers), "body": body}
    parsed = parser.parse(reply, operation.model.output_shape)
    parsed.pop("ResponseMetadata", None)
    return parsed
