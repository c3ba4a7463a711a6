"""A stand-in of Cloudflare for each test, with the account that `python -m clouds cloudflare up` starts with."""

from dataclasses import dataclass

import pytest

from clouds import prism
from clouds.cloudflare import SCRIPT, start
from clouds.cloudflare.owner import Answer, Owner
from clouds.cloudflare.server import StandIn
from clouds.cloudflare.state import Account


@dataclass
class Cloudflare(Owner):
    """The stand-in's address, its state, and the owner's token."""

    state: Account | None = None
    name: str = SCRIPT

    @property
    def zone(self) -> str:
        return next(iter(self.state.zones))

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def of_script(self, rest: str) -> Answer:
        return self.get(f"{self.script(SCRIPT)}/{rest}")

    def somebody(self, *groups: str, **wish) -> Owner:
        """Another client, whose token is restricted to permission groups."""
        made = self.page("POST", "tokens", {"name": "restricted", "groups": list(groups), **wish})
        return Owner(self.endpoint, made["token"], self.account)

    def fault(self, op: str, **what) -> None:
        self.page("PUT", "faults", [{"op": op, **what}])

    def audit(self, query: str = "") -> list[dict]:
        return self.get(f"/accounts/{self.account}/logs/audit?since=2020-01-01&before=2100-01-01&direction=asc{query}").result


@pytest.fixture
def cloudflare():
    state, token = start.account()
    with StandIn(state) as stand_in:
        start.inhabit(stand_in.endpoint, token, stand_in)
        yield Cloudflare(stand_in.endpoint, token, state.id, state=state)


@dataclass
class Between(Cloudflare):
    """The same with Prism in between, which lives as long as the module's tests."""

    checked: prism.Checked | None = None

    @property
    def violations(self) -> list[dict]:
        return self.checked.violations


@pytest.fixture(scope="module")
def behind_prism():
    state, token = start.account()
    with StandIn(state) as stand_in:
        start.inhabit(stand_in.endpoint, token, stand_in)
        with prism.between(stand_in.endpoint, forgive=True) as checked:
            yield Between(checked.endpoint, token, state.id, state=state, checked=checked)


@pytest.fixture
def between(behind_prism):
    """Behind Prism, without a fault or a violation of the test before."""
    behind_prism.page("PUT", "faults", [])
    behind_prism.violations.clear()
    return behind_prism


@pytest.fixture
def sdk(cloudflare):
    """The vendor's own client."""
    from cloudflare import Cloudflare as Client
    with Client(api_token=cloudflare.token, base_url=cloudflare.endpoint, max_retries=0) as client:
        yield client
