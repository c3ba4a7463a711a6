"""What tests do to the trail behind AWS's back: records that no call made, and deliveries that do not wait."""

import json

from account.trail import the_trail


def append(body: bytes, query: dict) -> tuple[int, dict]:
    """`POST /_account/trail`: JSON Lines, each a record, kept exactly as written; `?region=` shelves them elsewhere.

    They never reach EventBridge: a late or a hostile record is one that somebody looks up, or reads from a file.
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
    region = query.get("region", [None])[0]
    for record, line in records:
        the_trail.append(record, line, region)
    return 200, {"appended": len(records)}
