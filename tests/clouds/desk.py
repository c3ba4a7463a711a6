"""coldcase as somebody types it who has a token of another cloud, a folder for evidence, and nothing of AWS."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import termios
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("COLDCASE", ROOT / "target/release/coldcase"))
# No command of the tests takes nearly as long; whatever does is stuck.
SECONDS_AT_MOST = 300
COLUMNS, LINES = 80, 50

# The permission groups that a token of Cloudflare has to have to preserve a Worker, and the one that tracing takes besides.
READING = ["Workers Scripts Read", "Workers Routes Read", "Zone Read", "Workers Tail Read", "Workers Observability Read",
           "Account Settings Read"]
TRACING = "Workers Scripts Write"


@dataclass(frozen=True)
class Said:
    """What a command came to."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def both(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Desk:
    """A person's folder: home, evidence, and what their terminal knows of Cloudflare."""

    folder: Path
    endpoint: str
    token: str

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def vault(self) -> Path:
        return self.folder / "evidence"

    @property
    def signing_key(self) -> Path:
        """Made by the first case that is sealed."""
        return self.home / ".config/coldcase/signing-key.pem"

    def environment(self, changes: dict[str, str | None]) -> dict[str, str]:
        """Nothing is handed down but where programs are: no AWS configuration, no variable that tells the SDK to leave the
        instance metadata service alone."""
        known = {"PATH": os.environ["PATH"], "HOME": str(self.home), "COLUMNS": str(COLUMNS), "LC_ALL": "C.UTF-8", "TZ": "UTC",
                 "CLOUDFLARE_API_TOKEN": self.token, "CLOUDFLARE_BASE_URL": self.endpoint} | changes
        return {name: value for name, value in known.items() if value is not None}

    def start(self, *words: str, **changes: str | None) -> subprocess.Popen:
        """A command that is not waited for; the vault's name is relative to the folder."""
        self.home.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen([PROGRAM, *words], cwd=self.folder, env=self.environment(changes), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def coldcase(self, *words: str, **changes: str | None) -> Said:
        """A command to its end, with variables of the environment changed, or taken away where they are None."""
        began = time.monotonic()
        process = self.start(*words, **changes)
        try:
            out, err = process.communicate(timeout=SECONDS_AT_MOST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        return Said(words, process.returncode, out.decode(), err.decode(), time.monotonic() - began)

    def on_terminal(self, *words: str, **changes: str | None) -> str:
        """What a command prints for somebody who sits before a terminal of 80 columns; progress and remarks left out."""
        self.home.mkdir(parents=True, exist_ok=True)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        process = subprocess.Popen([PROGRAM, *words], cwd=self.folder, env=self.environment({"TERM": "xterm-256color"} | changes),
                                   stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.DEVNULL)
        os.close(theirs)
        printed = b""
        try:
            while piece := os.read(ours, 65536):
                printed += piece
        except OSError:
            pass  # nobody has the other end any more
        finally:
            os.close(ours)
            process.wait(SECONDS_AT_MOST)
        return printed.decode().replace("\r\n", "\n")
