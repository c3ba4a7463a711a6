"""What tests do to the trail behind its back: records that no call made."""

import json

from account.trail import the_trail


def append(body: bytes, query: dict) -> tuple[int, dict]:
    """`POST /_account/trail`: JSON Lines, each a record, kept exactly as written; `?region=` shelves them elsewhere.

    With `?deliver=1` they are in the next log files as well. They never reach EventBridge: a late or a hostile record is one that somebody looks up, or reads from a file.
    """
    lines = [line for line in body.decode(errors="replace").splitlines() if line.strip()]
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as wrong:
            return 400, {"error": f"line {number}: {wrong}"}
        if not isinstance(record, dict):
            return 400, {"error": f"line {number} is no object"}
        records.append((record, line))
    region, deliver = query.get("region", [None])[0], query.get("deliver") == ["1"]
    for record, line in records:
        the_trail.append(record, line, region, deliver)
    return 200, {"appended": len(records)}
