"""The sealed cases, read from a folder that the vault was downloaded into."""

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from demo import Unexpected

# What changes from one answer to the next although nothing was done to the function.
RESTLESS = {"received_at", "RevisionId", "LastModified", "LastUpdateStatus", "LastUpdateStatusReason",
            "LastUpdateStatusReasonCode", "State", "StateReason", "StateReasonCode"}


@dataclass(frozen=True)
class Case:
    """One folder under cases/: the case and its addenda."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @cached_property
    def manifests(self) -> list[dict]:
        """The case, then its addenda: those that an envelope seals."""
        return [json.loads((self.folder / envelope.name.replace(".dsse", "")).read_bytes())["predicate"]
                for envelope in sorted(self.folder.glob("manifest-*.dsse.json"))]

    @property
    def trigger(self) -> dict:
        return self.manifests[0]["trigger"]

    @property
    def target(self) -> dict:
        return self.manifests[0]["target"]

    @property
    def event(self) -> str:
        """What was called, without its API date."""
        return without_date(self.trigger["event_name"])

    @property
    def acquisitions(self) -> list[dict]:
        return self.manifests[0]["acquisitions"]

    @property
    def findings(self) -> list[dict]:
        return [finding for manifest in self.manifests for finding in manifest["findings"]]

    @property
    def custody(self) -> list[dict]:
        return [entry for manifest in self.manifests for entry in manifest["custody"]]

    @property
    def exhibits(self) -> list[dict]:
        return [exhibit for acquisition in self.acquisitions for exhibit in acquisition["exhibits"]]

    @property
    def key_id(self) -> str:
        envelope = json.loads((self.folder / "manifest-0000.dsse.json").read_bytes())
        return envelope["signatures"][0]["keyid"]

    def path(self, exhibit: dict) -> Path:
        return self.folder.parent.parent / exhibit["key"]

    def substance(self, acquisition: dict) -> str:
        """What an acquisition brought, without times and numbers of requests: equal where nothing was changed."""
        parts = [acquisition["result"]]
        if acquisition["request"]["artifact"] == "function-code":
            # The answer around it repeats the configuration, which is an exhibit of its own.
            return json.dumps(parts + [exhibit["sha256"] for exhibit in acquisition["exhibits"]
                                       if exhibit["key"].startswith("content/")])
        for exhibit in acquisition["exhibits"]:
            if exhibit["key"].startswith("content/"):
                parts.append(exhibit["sha256"])
            else:
                parts.append(_at_rest(json.loads(self.path(exhibit).read_bytes())))
        return json.dumps(parts, sort_keys=True)


@dataclass(frozen=True)
class Addendum:
    """What one pass of an investigation brought, sealed as one manifest of its case."""

    case: Case
    manifest: dict

    @property
    def window(self) -> tuple[str, str]:
        [collected] = [entry for entry in self.manifest["custody"] if entry["action"] == "window-collected"]
        return collected["since"], collected["until"]

    @property
    def findings(self) -> list[dict]:
        return self.manifest["findings"]

    def asked(self, artifact: str) -> bool:
        return any(acquisition["request"]["artifact"] == artifact for acquisition in self.manifest["acquisitions"])

    def entries(self, artifact: str) -> list[dict]:
        """The records as their providers gave them."""
        return self._lines(artifact, r"\d{4}")

    def invocations(self) -> list[dict]:
        """The invocations that the log tells of."""
        return self._lines("execution-logs", r"invocations-\d{4}")

    def summary(self, artifact: str, name: str = "summary") -> dict | None:
        found = self._exhibits(artifact, name)
        return json.loads(self.case.path(found[0]).read_bytes()) if found else None

    def traces(self) -> dict[str, dict]:
        """By id: the `summary` and the `trace` with its segments."""
        traces: dict[str, dict] = {}
        for entry in self.entries("traces"):
            for what, item in entry.items():
                traces.setdefault(item.get("Id", ""), {})[what] = item
        return traces

    def marks(self, rule: str) -> list[dict]:
        """What of the role's activity this rule marked."""
        return [mark for mark in (self.summary("role-activity") or {"marks": []})["marks"] if mark["rule"] == rule]

    def _lines(self, artifact: str, ending: str) -> list[dict]:
        return [json.loads(line) for exhibit in self._exhibits(artifact, ending)
                for line in gzip.decompress(self.case.path(exhibit).read_bytes()).splitlines()]

    def _exhibits(self, artifact: str, ending: str) -> list[dict]:
        return [exhibit for acquisition in self.manifest["acquisitions"] if acquisition["request"]["artifact"] == artifact
                for exhibit in acquisition["exhibits"] if re.search(rf"-(first|second)-{ending}$", exhibit["name"])]


@dataclass(frozen=True)
class Examination:
    """What examining a case came to, sealed as one manifest of it."""

    case: Case
    manifest: dict

    @property
    def findings(self) -> list[dict]:
        return self.manifest["findings"]

    @property
    def verdict(self) -> dict:
        return self.manifest["verdict"]

    def difference(self) -> list[str]:
        """The lines of the difference from the last known good, as Markdown."""
        [text] = [self.case.path(exhibit).read_text() for acquisition in self.manifest["acquisitions"]
                  for exhibit in acquisition["exhibits"] if re.fullmatch(r"difference-[a-z]+", exhibit["name"])] or [""]
        return text.splitlines()


def examination(folder: Path, case_id: str, which: str) -> Examination | None:
    """That of a case as `sealed`, or after the `first` or the `second` pass, from a folder that it was downloaded into."""
    case = Case(folder / "cases" / case_id)
    for manifest in case.manifests:
        if any(entry["action"] == "examined" and entry["pass"] == which for entry in manifest["custody"]):
            return Examination(case, manifest)
    return None


def addendum(folder: Path, case_id: str, which: str) -> Addendum:
    """That of the `first` or the `second` pass over a case, from a folder that the case was downloaded into."""
    case = Case(folder / "cases" / case_id)
    for manifest in case.manifests:
        if any(entry["action"] == "window-collected" and entry["pass"] == which for entry in manifest["custody"]):
            return Addendum(case, manifest)
    raise Unexpected(f"{case_id} has no addendum of a {which} pass")


def read_all(folder: Path) -> list[Case]:
    """Every case, in the order of what happened."""
    cases = [Case(path) for path in (folder / "cases").iterdir() if (path / "manifest-0000.dsse.json").exists()]
    return sorted(cases, key=lambda case: (case.trigger["occurred_at"], case.manifests[0]["opened_at"]))


def of_event(cases: list[Case], event: str) -> Case:
    """The first case that this call opened."""
    found = next((case for case in cases if case.event == event), None)
    if found is None:
        raise Unexpected(f"no sealed case was opened by {event}")
    return found


def without_date(event_name: str) -> str:
    return re.sub(r"20\d{6}(v\d)?$", "", event_name)


def outcomes(acquisitions: list[dict]) -> str:
    """E.g. `20 acquired, 3 absent`."""
    counts = Counter(acquisition["result"]["outcome"] for acquisition in acquisitions)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in
                     ("acquired", "partial", "absent", "denied", "failed") if counts[outcome])


def name_of(request: dict) -> str:
    """What was asked for, short: a selector that is an ARN or a path by its last words."""
    selector = request["selector"] or ""
    if request["artifact"] in ("execution-role", "log-group"):
        return request["artifact"]
    if selector.startswith("arn:"):
        selector = ":".join(selector.split(":")[6:])
    return f"{request['artifact']} {selector}".strip()


def _at_rest(value):
    if isinstance(value, dict):
        return {name: _at_rest(item) for name, item in value.items() if name not in RESTLESS}
    if isinstance(value, list):
        return [_at_rest(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"<RequestId>.*?</RequestId>", "", value)
    return value
