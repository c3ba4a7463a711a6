"""The operations by their method and path template: who may call them, and whether the audit log tells."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from clouds.cloudflare.state import Account, Token

SCRIPT = "/accounts/{account_id}/workers/scripts/{script_name}"


@dataclass
class Call:
    op: "Operation"
    token: Token
    path: dict[str, str]  # the values of {…}, decoded
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in lower case
    body: bytes
    # What a handler says about a change for the audit log.
    resource: str = ""
    request: object = None


@dataclass(frozen=True)
class Operation:
    """`op` is the constant by which everything else names it: faults, recordings, specification, coldcase itself."""

    op: str
    needs: str | None  # permission group; None if any valid token will do
    writes: str | None  # type of the resource that the audit log names; None if it does not tell
    answer: Callable[[Account, Call], object]

    @property
    def method(self) -> str:
        return self.op.split(" ", 1)[0]

    @property
    def template(self) -> str:
        return self.op.split(" ", 1)[1]


OPERATIONS: list[Operation] = []


def operation(op: str, needs: str | None, writes: str | None = None):
    """Puts a handler into the table. It answers a `Reply`, or a value that goes into the envelope."""
    def put(answer):
        OPERATIONS.append(Operation(op, needs, writes, answer))
        return answer
    return put


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a path (still encoded, without the base) belongs to; the more literal template wins."""
    segments = path.split("/")
    found = []
    for candidate in OPERATIONS:
        template = candidate.template.split("/")
        if candidate.method != method or len(template) != len(segments):
            continue
        values = {}
        for expected, given in zip(template, segments):
            if name := re.fullmatch(r"\{(\w+)\}", expected):
                values[name[1]] = unquote(given)
            elif expected != given:
                break
        else:
            if all(values.values()):
                found.append((len(values), candidate, values))
    return min(found, key=lambda entry: entry[0])[1:] if found else None
