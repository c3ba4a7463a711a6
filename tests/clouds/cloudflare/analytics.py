"""Analytics Engine's SQL, as far as it takes to read the rows of a dataset between two moments."""

import re

from clouds.cloudflare.operations import Call, operation
from clouds.cloudflare.replies import Refused, Reply, in_json
from clouds.cloudflare.state import Account

# SELECT * FROM name [WHERE timestamp >= toDateTime(seconds) [AND timestamp < toDateTime(seconds)]] [ORDER BY timestamp] [LIMIT n [OFFSET n]] [FORMAT JSON]
QUESTION = re.compile(
    r"\s*SELECT\s+\*\s+FROM\s+(?P<dataset>[A-Za-z_]\w*)"
    r"(?:\s+WHERE\s+timestamp\s*>=\s*toDateTime\((?P<since>\d+)\)(?:\s+AND\s+timestamp\s*<\s*toDateTime\((?P<until>\d+)\))?)?"
    r"(?:\s+ORDER\s+BY\s+timestamp(?:\s+ASC)?)?(?:\s+LIMIT\s+(?P<limit>\d+)(?:\s+OFFSET\s+(?P<offset>\d+))?)?"
    r"(?:\s+FORMAT\s+JSON)?\s*;?\s*", re.IGNORECASE)
LONGEST = 10_000


@operation("POST /accounts/{account_id}/analytics_engine/sql", "Account Analytics Read")
def sql(account: Account, call: Call) -> Reply:
    """Nobody but this file says what a reply looks like: neither the SDK nor a specification has this operation."""
    asked = QUESTION.fullmatch(call.body.decode())
    if not asked:
        raise Refused(422, 10021, "the stand-in reads no such SQL")
    if asked["dataset"] not in account.datasets:
        raise Refused(422, 10021, f"unable to find type of column: dataset {asked['dataset']} does not exist")
    since, until = int(asked["since"] or 0), int(asked["until"] or 1 << 40)
    rows = sorted((row for row in account.datasets[asked["dataset"]] if since <= row["timestamp"] < until),
                  key=lambda row: row["timestamp"])
    start = int(asked["offset"] or 0)
    page = rows[start:start + min(int(asked["limit"] or LONGEST), LONGEST)]
    return in_json(200, {"meta": [{"name": name, "type": "String"} for name in (page[0] if page else {})], "data": page,
                         "rows": len(page), "rows_before_limit_at_least": len(rows)})
