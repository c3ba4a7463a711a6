"""A client for whoever owns an account, or acts as if: uploads, secrets, routes, deployments, with urllib and nothing else."""

import json
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass, field


class Refusal(Exception):
    """The API said no: status, and the codes of its errors."""

    def __init__(self, status: int, body: bytes):
        try:
            self.codes = [error["code"] for error in json.loads(body)["errors"]]
        except (ValueError, KeyError, TypeError):
            self.codes = []
        super().__init__(f"{status} {self.codes} {body[:300]!r}")
        self.status, self.body = status, body


@dataclass
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def result(self):
        return self.json["result"]


@dataclass
class Owner:
    endpoint: str
    token: str
    account: str
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 20  # after which an answer is not waited for any longer

    def script(self, name: str) -> str:
        return f"/accounts/{self.account}/workers/scripts/{name}"

    def call(self, method: str, path: str, body=None, **headers: str) -> Answer:
        """A request with `body` as JSON, or as it is if it is bytes. Raises `Refusal` for anything but success."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        kind = {} if body is None else {"content-type": "application/json"}
        request = urllib.request.Request(self.endpoint + path, content, {
            "authorization": f"Bearer {self.token}", "user-agent": "owner/1", **kind, **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()}}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.seconds) as reply:
                return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read())
        except urllib.error.HTTPError as refused:
            raise Refusal(refused.code, refused.read()) from None

    def upload(self, script: str, modules: dict[str, tuple[str, bytes]], metadata: dict, version_only: bool = False):
        """Modules by name as (media type, content). Live at once, unless it is to become a version only."""
        boundary = secrets.token_hex(16)
        body = part(boundary, "metadata", "application/json", json.dumps(metadata).encode())
        for name, (kind, content) in modules.items():
            body += part(boundary, name, kind, content, file=name)
        body += f"--{boundary}--\r\n".encode()
        method, path = ("POST", self.script(script) + "/versions") if version_only else ("PUT", self.script(script))
        return self.call(method, path, body, content_type=f"multipart/form-data; boundary={boundary}").result

    def change_settings(self, script: str, settings: dict):
        boundary = secrets.token_hex(16)
        body = part(boundary, "settings", "application/json", json.dumps(settings).encode()) + f"--{boundary}--\r\n".encode()
        return self.call("PATCH", f"{self.script(script)}/settings", body,
                         content_type=f"multipart/form-data; boundary={boundary}").result

    def put_secret(self, script: str, name: str, text: str):
        return self.call("PUT", f"{self.script(script)}/secrets", {"name": name, "text": text, "type": "secret_text"}).result

    def deploy(self, script: str, shares: dict[str, float]):
        """Versions with their percentages."""
        return self.call("POST", f"{self.script(script)}/deployments", {"strategy": "percentage", "versions": [
            {"version_id": version, "percentage": share} for version, share in shares.items()]}).result

    def page(self, method: str, name: str, wish=None):
        """One of the stand-in's own pages."""
        origin = self.endpoint[:self.endpoint.index("/", len("http://"))]
        return Owner(f"{origin}/stand-in", "", self.account).call(method, f"/{name}", wish).json


def part(boundary: str, name: str, kind: str, content: bytes, file: str | None = None) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"' + (f'; filename="{file}"' if file else "")
    return f"{head}\r\nContent-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"
