"""The local account of this run: started on a free loopback port, ended with everything in it."""

import json
import os
import signal
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config

from demo import ACCOUNT_COMMAND, Unexpected

ROOT = Path(__file__).resolve().parents[2]
STACK = "coldcase"


@dataclass(frozen=True)
class Person:
    """Somebody with credentials, and where they are used from: the owner's machine and boto3 if not said."""

    name: str
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None
    address: str | None = None
    agent: str | None = None


class LocalAccount:
    """`with LocalAccount(folder) as account:`; its log lies in that folder."""

    def __init__(self, folder: Path):
        self.log = folder / "account.log"
        self._clients = {}

    def __enter__(self):
        # A session of its own: Ctrl-C reaches the demo alone, which then ends the account in good order. Should the
        # demo be killed, the account's standard input ends and the account with it.
        self._process = subprocess.Popen(
            [*ACCOUNT_COMMAND, "up", "--log", str(self.log)], cwd=ROOT / "tests", text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self._process.stdout.readline()
        if not line:
            self.__exit__()
            raise Unexpected("the local account did not start:\n" + self.log.read_text()[-2000:])
        where = json.loads(line)
        self.endpoint, self.id, self.region = where["endpoint"], where["account"], where["region"]
        self.owner = Person("administrator", where["access_key_id"], where["secret_access_key"])
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def deploy(self, parameters: dict[str, str]) -> dict:
        """Deploys template.yaml as it is, with `sam deploy`, and answers the stack's outputs."""
        command = [*ACCOUNT_COMMAND, "deploy", "--endpoint", self.endpoint, "--template", str(ROOT / "template.yaml"),
                   "--stack", STACK, "--region", self.region]
        for name, value in parameters.items():
            command += ["--parameter", f"{name}={value}"]
        with subprocess.Popen(command, cwd=ROOT / "tests", text=True, start_new_session=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "AWS_ACCESS_KEY_ID": self.owner.access_key_id,
                                   "AWS_SECRET_ACCESS_KEY": self.owner.secret_access_key}) as process:
            try:
                outputs, errors = process.communicate()
            except BaseException:
                # sam and what it started as well.
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode:
            raise Unexpected("the template could not be deployed:\n" + errors[-4000:])
        return json.loads(outputs)

    def client(self, service: str, person: Person | None = None):
        """Somebody's client of a service; the owner's unless said otherwise."""
        person = person or self.owner
        if (service, person) not in self._clients:
            client = boto3.client(
                service, endpoint_url=self.endpoint, region_name=self.region,
                aws_access_key_id=person.access_key_id, aws_secret_access_key=person.secret_access_key,
                aws_session_token=person.session_token,
                config=Config(retries={"total_max_attempts": 1}, user_agent=person.agent))
            if person.address:
                # Everybody is on loopback; this header tells the account where a call is to have come from.
                client.meta.events.register("before-send", lambda request, **_: request.headers.__setitem__(
                    "x-account-source-address", person.address))
            self._clients[service, person] = client
        return self._clients[service, person]

    def trail(self) -> list[dict]:
        """Every CloudTrail record so far, those of all finished calls included."""
        return self._page("trail")

    def append_to_trail(self, records: list[dict], deliver: bool) -> None:
        """Puts records into the event history that no call made; and, if asked, into the trail's next files."""
        lines = "\n".join(json.dumps(record, separators=(",", ":")) for record in records)
        self._page("trail?deliver=1" if deliver else "trail", lines)

    def deliver_trail(self) -> dict:
        """Has the trail write its log files and their digests now."""
        [done] = self._page("trail/deliver?digest=1", "")
        return done

    def invocations(self, function: str) -> list[dict]:
        """Every invocation of a function so far, as the account measured it."""
        return [line for line in self._page("invocations") if line["function"] == function]

    def _page(self, name: str, body: str | None = None) -> list[dict]:
        request = urllib.request.Request(f"{self.endpoint}/_account/{name}", None if body is None else body.encode())
        with urllib.request.urlopen(request) as reply:
            return [json.loads(line) for line in reply.read().splitlines()]
