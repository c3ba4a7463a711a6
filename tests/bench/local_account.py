"""The local account of one run: started, asked for its invocations, rid of its functions' processes, ended."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import boto3
from botocore.config import Config

TESTS = Path(__file__).resolve().parents[1]


class Failed(Exception):
    """The run cannot say anything: something did not work."""


class LocalAccount:
    def __init__(self, folder: Path, seconds_limit: int):
        self.log = folder / "account.log"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "account", "up", "--log", str(self.log), "--seconds-limit", str(seconds_limit)],
            cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self._process.stdout.readline()
        if not line:
            raise Failed(f"the local account did not start:\n{self.log.read_text()[-2000:]}")
        self.where = json.loads(line)
        self._clients = {}

    def client(self, service: str, region: str):
        """The administrator's client."""
        if (service, region) not in self._clients:
            self._clients[service, region] = boto3.client(
                service, endpoint_url=self.where["endpoint"], region_name=region,
                aws_access_key_id=self.where["access_key_id"], aws_secret_access_key=self.where["secret_access_key"],
                config=Config(retries={"total_max_attempts": 1}, read_timeout=300))
        return self._clients[service, region]

    def deploy(self, template: Path, stack: str, region: str, **parameters: str) -> dict:
        """Deploys a SAM template; the stack's outputs."""
        run = subprocess.run(
            [sys.executable, "-m", "account", "deploy", "--endpoint", self.where["endpoint"], "--template", str(template),
             "--stack", stack, "--region", region,
             *[word for name, value in parameters.items() for word in ("--parameter", f"{name}={value}")]],
            cwd=TESTS, capture_output=True, text=True)
        if run.returncode:
            raise Failed(f"the stack {stack} could not be deployed:\n{run.stderr[-3000:]}")
        return json.loads(run.stdout)

    def invocations(self, function: str) -> list[dict]:
        """What a function's invocations took so far, oldest first."""
        with urllib.request.urlopen(f"{self.where['endpoint']}/_account/invocations") as reply:
            lines = [json.loads(line) for line in reply.read().splitlines()]
        return [line for line in lines if line["function"] == function]

    def make_cold(self, function: str) -> None:
        """Ends the function's idle processes, so that the next invocation starts a fresh one."""
        for pid in {line["pid"] for line in self.invocations(function) if line["pid"]}:
            # Only a child of this account is a function of it: numbers are given again.
            if _parent(pid) == self._process.pid:
                os.kill(pid, signal.SIGKILL)
                until(lambda pid=pid: _state(pid) in ("Z", ""), 5, "a function's process did not end")
                # While a thread of the account is still collecting the dead process, the account
                # takes it for alive and hands it the next invocation.
                deadline = time.monotonic() + 1
                while _state(pid) and time.monotonic() < deadline:
                    time.sleep(0.01)

    def end(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def processor_seconds(pid: int) -> float:
    """What a process has used of the processors so far."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["", "0"]


def _state(pid: int) -> str:
    return _stat(pid)[0]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def until(condition, seconds: float, otherwise: str, every: float = 0.05):
    """What `condition` answers, once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failed(otherwise)
        time.sleep(every)
    return found
