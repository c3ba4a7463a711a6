"""Holds requests and replies to the vendor's own types: whatever passes is what they allow, anything else fails and is remembered."""

import json
import re
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

from clouds.cloudflare import BASE
from clouds.cloudflare.operations import SCRIPT as S
from clouds.recorded import Recorder, Request

HERE = Path(__file__).parent
SPECIFICATION = HERE.parents[1] / "target/specifications/cloudflare.json"
PRISM = HERE / "specification/node_modules/@stoplight/prism-cli/dist/index.js"
SECONDS_TO_START = 60

# Operations that go past Prism. The path is an operation's and the credentials are the stand-in's to look at; nothing else is checked.
UNCHECKED = {
    f"GET {S}/content/v2": "Prism reads the body of every reply as UTF-8 text: modules that are not would come out changed",
    f"PUT {S}": "Prism takes the parts of an upload for form fields and decodes them",
    f"POST {S}/versions": "as the upload",
    f"PATCH {S}/settings": "as the upload",
    "POST /accounts/{account_id}/analytics_engine/sql": "the SDK has no such operation, so there is no type to hold it to",
}


class Violation(Exception):
    """Something was sent that the vendor's types do not allow."""


class Checked(Recorder):
    """A proxy that sends everything through Prism, but what Prism cannot handle, and remembers what was refused."""

    def __init__(self, stand_in: str, prism: str, specification: dict, file: Path | None = None, port: int = 0):
        super().__init__(stand_in, file, port)
        self._prism, self.violations = prism, []
        self._queries = {f"{method.upper()} {path}": {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
                         for path, operations in specification["paths"].items() for method, operation in operations.items()}

    def where(self, request: Request, target: str) -> str:
        if target.startswith("/stand-in/") or request.op in UNCHECKED:
            return super().where(request, target)
        return self._prism + target.removeprefix(BASE)

    def own(self, request: Request, target: str):
        if target == "/stand-in/violations":
            found = list(self.violations)
            if request.method == "DELETE":
                self.violations.clear()
            return 200, found
        if not target.startswith((BASE + "/", "/stand-in/")):
            return self._refuse(request, [f"{target} is outside the API"])
        # Prism looks only for those that it knows.
        unknown = {name for name, _ in request.query} - self._queries.get(request.op, set())
        if unknown and request.op in self._queries:
            return self._refuse(request, [f"no such parameter in the query: {', '.join(sorted(unknown))}"])
        return None

    def _refuse(self, request: Request, why: list[str]):
        request.status = 422
        self.keep(request)
        self.violations.append({"op": request.op, "method": request.method, "path": request.path, "why": why})
        return 422, {"title": "Invalid request", "detail": why}

    def seen(self, request: Request, answer) -> bytes | None:
        if not (answer.headers.get("content-type") or "").startswith("application/problem+json"):
            return None
        body = answer.read()
        problem = json.loads(body)
        # Where, and what is wrong there; of values only Prism's own words.
        why = [f"{'.'.join(map(str, found['location']))}: {found['message']}" for found in problem.get("validation", [])]
        self.violations.append({"op": request.op, "method": request.method, "path": request.path,
                                "why": why or [f"{problem.get('title')}: {problem.get('detail')}"]})
        return body


@contextmanager
def between(stand_in: str, file: Path | None = None, port: int = 0, forgive: bool = False, started=lambda pid: None):
    """A `Checked` proxy in front of a stand-in. Raises `Violation` at its end if there was any, unless told to forgive."""
    specification = json.loads(SPECIFICATION.read_text())
    with _prism(stand_in, started) as prism, Checked(stand_in, prism, specification, file, port) as checked:
        yield checked
        if checked.violations and not forgive:
            raise Violation("\n".join(json.dumps(violation) for violation in checked.violations))


@contextmanager
def _prism(upstream: str, started):
    """Prism in front of the API, on a free port; answers where it is. `started` is told its process, which leads a group."""
    if missing := [path for path in (PRISM, SPECIFICATION) if not path.exists()]:
        raise FileNotFoundError(f"{missing[0]} is not there: `make specifications` makes it")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(["node", PRISM, "proxy", SPECIFICATION, upstream, "--errors", "--host", "127.0.0.1", "--port", "0"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
        started(process.pid)
        late = threading.Timer(SECONDS_TO_START, process.kill)
        late.start()
        try:
            said = []
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"listening on (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                log.seek(0)
                raise RuntimeError(f"Prism did not start:\n{''.join(said)}{log.read()}")
            late.cancel()
            # It goes on talking about every request; nobody must wait for somebody to listen.
            threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
            yield found[1]
        finally:
            late.cancel()
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
