"""What README.md shows of a terminal: its commands run as written, and what it prints compared with what they print.

A block that is to be run is marked by a comment before it:

    <!-- runs: NAME -->
    ```console
    $ coldcase cases
    …
    ```

All blocks of one NAME are one recording: they run in order, in one folder and one account.
"""

import difflib
import re
import subprocess
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(r"<!-- runs: (?P<name>[a-z-]+) -->\n```console\n(?P<text>.*?)```\n", re.DOTALL)
# What a command takes at most, on two busy cores.
SECONDS_AT_MOST = 300

# What differs from run to run, and what stands for it when two runs are compared.
VARIES = [
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d(:\d\d(\.\d+)?)?Z?\b"), "TIME"),
    (re.compile(r"\b\d{8}T\d{6}Z?"), "TIME"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    # No word of ours has seven letters from a to f only. One that is too long for a line is broken at its edge.
    (re.compile(r"\b[0-9a-f]{7,64}\b( [0-9a-f]{1,57}(?=[./]))?…?"), "HEX"),
    (re.compile(r"127\.0\.0\.1:\d+"), "HOST"),
    (re.compile(r"\d+(\.\d+)?"), "N"),
]
LANDED = re.compile(r"\s+(acquired|partial|absent|denied|failed|too-large) ")


@dataclass(frozen=True)
class Step:
    """One command of a block, and what it is to print."""

    command: str
    prints: str


def blocks(name: str) -> list[list[Step]]:
    """The blocks of a recording."""
    return [_steps(found["text"]) for found in BLOCK.finditer(README.read_text()) if found["name"] == name]


def _steps(text: str) -> list[Step]:
    steps = []
    for line in text.splitlines():
        if line.startswith("$ "):
            steps.append(([line[2:]], []))
        elif line.startswith("> ") and not steps[-1][1]:
            steps[-1][0].append(line[2:])
        else:
            steps[-1][1].append(line)
    return [Step("\n".join(command), "\n".join(prints).rstrip()) for command, prints in steps]


def run(step: Step, folder: Path, environment: dict[str, str]) -> tuple[str, int]:
    """What a command prints to a terminal, standard error included, and its exit code."""
    done = subprocess.run(["bash", "-c", step.command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS_AT_MOST)
    text = done.stdout.decode()
    assert "\x1b" not in text, f"{step.command}: an escape reached the terminal"
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip(), done.returncode


def same(shown: str, printed: str) -> str | None:
    """None if a run printed what is shown, apart from times, digests, figures and where lines are broken; else the
    difference."""
    one, other = _in_order(shown), _in_order(printed)
    if _plain(" ".join(one)) == _plain(" ".join(other)):
        return None
    return "\n".join(difflib.unified_diff(*([_plain(line) for line in lines] for lines in (one, other)), "README.md", "now", lineterm=""))


def _in_order(text: str) -> list[str]:
    """The lines; artifacts, which are fetched side by side and told as they land, sorted by what does not vary."""
    runs = groupby(text.splitlines(), lambda line: bool(LANDED.match(line)))
    return [line for landed, run in runs for line in (sorted(run, key=_plain) if landed else run)]


def _plain(text: str) -> str:
    text = " ".join(text.split())
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text


def write(name: str, recorded: list[list[Step]]) -> None:
    """Puts a new recording in the place of the old one."""
    left = iter(recorded)

    def renewed(found: re.Match) -> str:
        if found["name"] != name:
            return found[0]
        lines = []
        for step in next(left):
            first, *more = step.command.splitlines()
            lines += [f"$ {first}", *(f"> {line}" for line in more), *step.prints.splitlines()]
        return f"<!-- runs: {name} -->\n```console\n" + "\n".join(lines) + "\n```\n"

    README.write_text(BLOCK.sub(renewed, README.read_text()))
