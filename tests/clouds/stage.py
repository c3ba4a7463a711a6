"""Scenes with coldcase in them, played side by side: a respond waits most of its time, as it keeps half a second between requests."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from clouds.cloudflare import ACCOUNT_ID, SCRIPT, start
from clouds.cloudflare.owner import Owner
from clouds.cloudflare.server import StandIn
from clouds.cloudflare.state import Account
from clouds.desk import Desk, Said
from demo.cases import Case, read_all

TARGET = f"cloudflare://{ACCOUNT_ID}/{SCRIPT}"

SCENES: dict[str, Callable] = {}


def scene(play: Callable):
    """A function that is given a `Stage`, or a folder if it makes its own. A test that takes its name is given what came of it; it is
    played once, and only if some test that runs takes it."""
    SCENES[play.__name__] = play

    @pytest.fixture(scope="module", name=play.__name__)
    def played(plays: dict[str, Future]):
        return plays[play.__name__].result()

    return played


@contextmanager
def playing(wanted: set[str], folder: Callable[[str], Path]):
    """Begins with all of them at once."""
    with ThreadPoolExecutor(len(wanted) or 1) as pool:
        yield {name: pool.submit(_play, SCENES[name], folder(name)) for name in SCENES if name in wanted}


def _play(play: Callable, folder: Path):
    if "folder" in play.__annotations__:
        return play(folder)
    with on_stage(folder) as stage:
        return play(stage)


class Timed(list):
    """Requests of a stand-in, each with when it came."""

    def append(self, seen: dict) -> None:
        # What becomes of it is put into the same entry later.
        seen["at"] = time.monotonic()
        super().append(seen)


@dataclass
class Stage:
    """A stand-in with the Worker that it starts with, its owner, and somebody's desk."""

    stand_in: StandIn
    owner: Owner
    desk: Desk

    @property
    def state(self) -> Account:
        return self.stand_in.account

    @property
    def worker(self):
        return self.state.workers[SCRIPT]

    def respond(self, *words: str, **changes: str | None) -> Said:
        return self.coldcase("respond", TARGET, *words, **changes)

    def coldcase(self, *words: str, **changes: str | None) -> Said:
        return self.desk.coldcase(*words, "--vault", "evidence", "--json", **changes)

    def verified(self) -> str:
        """`good` or `bad`: every case of the vault."""
        return self.coldcase("verify").json["result"]

    def until(self, happened: Callable[[], bool], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)


@contextmanager
def on_stage(folder: Path):
    state, token = start.account()
    with StandIn(state) as stand_in:
        start.inhabit(stand_in.endpoint, token, stand_in)
        stand_in.requests = Timed()
        yield Stage(stand_in, Owner(stand_in.endpoint, token, state.id), Desk(folder, stand_in.endpoint, token))


def outcomes(said: Said) -> dict[str, tuple[str, str]]:
    """What came of each artifact of the only case, and why if it is not all there: those of one version by `function-code VERSION`."""
    [case] = said.json["cases"]
    return {" ".join(filter(None, (told["artifact"], told["selector"]))): (told["outcome"], told.get("why", ""))
            for told in case["acquisitions"]}


def cases(desk: Desk) -> list[Case]:
    return read_all(desk.vault)
