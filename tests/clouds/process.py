"""The stand-in in a process of its own, started as the command line starts it."""

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clouds.cloudflare.owner import Owner

SECONDS_TO_END = 20


@dataclass
class Up:
    """What it said when it was ready; at its end also how it ended and what it said about that."""

    owner: Owner
    script: str
    code: int | None = None
    said: str = ""


@contextmanager
def up(*options: str):
    """`python -m clouds cloudflare up` with these options; it ends with the block."""
    # A session of its own: Ctrl-C reaches whoever started it, and they end it in good order.
    process = subprocess.Popen([sys.executable, "-m", "clouds", "cloudflare", "up", *options], cwd=Path(__file__).parents[1],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        ready = process.stdout.readline()
        if not ready:
            raise RuntimeError(f"the stand-in did not start: {process.communicate()[1]}")
        line = json.loads(ready)
        running = Up(Owner(line["endpoint"], line["token"], line["account"]), line["script"])
        yield running
        _, running.said = process.communicate(timeout=SECONDS_TO_END)
        running.code = process.returncode
    finally:
        # Its guardian ends Prism even if it has no time to.
        process.kill()
        process.wait()
