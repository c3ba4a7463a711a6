"""Whether two outputs are the same records: by event ID, and by everything that each record holds."""

import hashlib
import json
from pathlib import Path

from bench.process import Failed


class Records:
    """Records one a line, by event ID; order, spacing and the order of fields play no part."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.lines_digest = lines_digest(path)
        self.by_id: dict[str, str] = {}
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    record = json.loads(line)
                    event = record["eventID"]
                except (ValueError, KeyError, TypeError) as wrong:
                    raise Failed(f"{name}: line {number} is no record: {wrong!r}") from None
                if event in self.by_id:
                    raise Failed(f"{name}: the record {event} is there twice")
                self.by_id[event] = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()

    def must_equal(self, other: "Records") -> None:
        missing, more = other.by_id.keys() - self.by_id.keys(), self.by_id.keys() - other.by_id.keys()
        changed = {event for event in self.by_id.keys() & other.by_id.keys() if self.by_id[event] != other.by_id[event]}
        if missing or more or changed:
            raise Failed(f"{self.name} and {other.name} do not give the same records: " + ", ".join(
                f"{len(events)} {what} ({sorted(events)[0]} …)" for what, events in
                ((f"only by {other.name}", missing), (f"only by {self.name}", more), ("with other content", changed)) if events))


def lines_digest(path: Path) -> str:
    """A digest of the lines in whatever order they stand."""
    return hashlib.sha256(b"".join(sorted(path.read_bytes().splitlines(keepends=True)))).hexdigest()
