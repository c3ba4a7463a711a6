"""One artifact being asked for: the calls made, their replies as an exhibit, what came of it, what to ask for next."""

import hashlib
import json
import re
import time
from datetime import datetime, timezone

from botocore.exceptions import BotoCoreError, ClientError

import vault


def now() -> str:
    return datetime.now(timezone.utc).isoformat()


def as_json(value) -> str:
    return json.dumps(value, default=str)


class Inquiry:
    def __init__(self, case_id: str, target: dict, artifact: str, selector: str | None):
        self.case_id, self.target, self.artifact, self.selector = case_id, target, artifact, selector
        self.replies, self.calls, self.exhibits = [], [], []
        self.refusals, self.findings, self.next = [], [], []

    @property
    def name(self) -> str:
        if self.selector is None:
            return self.artifact
        readable = re.sub(r"[^\w.-]", "-", self.selector)[-40:].strip("-.")
        return f"{self.artifact}-{readable}-{hashlib.sha256(self.selector.encode()).hexdigest()[:12]}"

    def ask(self, api: str, about: str, call, **parameters):
        """Makes a call and keeps its reply; None when it was refused, which is noted."""
        started_at, began, refused = now(), time.perf_counter(), None
        try:
            reply = call(**parameters)
            reply.pop("ResponseMetadata", None)
            self.replies.append({"call": api, "about": about, "received_at": now(), "reply": reply})
            return reply
        except ClientError as error:
            refused = vault.code(error)
            denied = "AccessDenied" in refused or refused.startswith("Unauthorized") or refused == "403"
            absent = "NotFound" in refused or refused.startswith("NoSuch") or refused == "404"
            self.refusals.append(("denied" if denied else "absent" if absent else "failed", f"{api} {about}: {refused}"))
        except BotoCoreError as error:
            refused = type(error).__name__
            self.refusals.append(("failed", f"{api} {about}: {refused}"))
        finally:
            self._note_call(api, about, started_at, began, refused)
        return None

    def pages(self, api: str, about: str, call, items: str, token="Marker", next_token="NextMarker", **parameters) -> list:
        """Every page of a list."""
        found = []
        while (reply := self.ask(api, about, call, **parameters)) is not None:
            found += reply.get(items, [])
            if not reply.get(next_token):
                break
            parameters[token] = reply[next_token]
        return found

    def keep_content(self, api: str, about: str, name: str, open_source, announced: str | None):
        """Streams content into the vault as an exhibit; its SHA-256, or None."""
        started_at, began, refused = now(), time.perf_counter(), None
        try:
            key, digest, size = vault.put_content(open_source, announced, "application/zip")
        except Exception as error:  # A connection that breaks, a refusal, a source that changes: each is an outcome.
            refused = vault.code(error) if isinstance(error, ClientError) else type(error).__name__
            self.refusals.append(("failed", f"{api} {about}: {refused}"))
            return None
        finally:
            self._note_call(api, about, started_at, began, refused)
        self.exhibits.append({"name": name, "key": key, "sha256": digest, "size_bytes": size,
                              "media_type": "application/zip", "source": f"{api} {about}", "acquired_at": now()})
        return digest

    def note(self, name: str, value) -> None:
        self.replies.append({"note": name, "value": value})

    def withhold(self, *path: str) -> None:
        """Blanks a value of the last reply: signed URLs are bearer secrets, variables belong to one exhibit."""
        place = self.replies[-1]["reply"]
        for step in path[:-1]:
            place = place.get(step) or {}
        if path[-1] in place:
            place[path[-1]] = "withheld"

    def then(self, artifact: str, selector: str | None) -> None:
        if selector:
            self.next.append((artifact, selector))

    def compare(self, rule: str, what: str, announced: str | None, found: str | None) -> None:
        if announced and found and announced != found:
            self.findings.append({"rule": rule, "severity": "high", "statement": f"{what} hashes to {found}, announced was {announced}"})

    def finish(self) -> dict:
        """Keeps the replies and says what came of it all."""
        if self.replies:
            document = as_json({"artifact": self.artifact, "selector": self.selector, "target": self.target["arn"],
                                "replies": self.replies}).encode()
            key = f"cases/{self.case_id}/exhibits/{self.name}.{hashlib.sha256(document).hexdigest()[:12]}.json"
            digest = vault.put_once(key, document)
            self.exhibits.insert(0, {
                "name": self.name, "key": key, "sha256": digest, "size_bytes": len(document),
                "media_type": "application/json", "acquired_at": now(),
                "source": ", ".join(dict.fromkeys(call["api"] for call in self.calls)) or "the trigger"})
        return {"request": {"artifact": self.artifact, "selector": self.selector}, "target": self.target,
                "result": self._outcome(), "calls": self.calls, "exhibits": self.exhibits}

    def _outcome(self) -> dict:
        for kind in ("denied", "failed", "absent"):
            whys = "; ".join(why for refused, why in self.refusals if refused == kind)
            if whys and kind == "failed" and self.exhibits:
                kind = "partial"
            if whys and not (kind == "absent" and self.exhibits):
                return {"outcome": kind, "why": whys}
        return {"outcome": "acquired"}

    def _note_call(self, api, about, started_at, began, refused) -> None:
        self.calls.append({"api": api, "about": about, "started_at": started_at, "error": refused,
                           "duration_ms": round((time.perf_counter() - began) * 1000)})
