"""CloudWatch Logs Insights: fields, filter, sort and limit over one or more groups, done when asked for the second time."""

import base64
import bisect
import json
import re
import time
import uuid

from ministack.core.responses import error_response_json, get_account_id, json_response
from ministack.services import cloudwatch_logs

from account import log_events

ROWS = 10_000
COMMANDS = ("fields", "display", "filter", "sort", "limit")

# How often GetQueryResults says that the query is still running, with part of the rows.
POLLS_UNTIL_COMPLETE = 1


def apply() -> None:
    """Replaces MiniStack's functions on queries by name."""
    cloudwatch_logs._start_query = start
    cloudwatch_logs._get_query_results = results
    cloudwatch_logs._stop_query = stop
    cloudwatch_logs._get_log_record = record_of_pointer


def start(parameters: dict) -> tuple:
    names = cloudwatch_logs._resolve_query_log_groups(parameters)
    if not names:
        return error_response_json("InvalidParameterException", "Either logGroupName, logGroupNames or "
                                   "logGroupIdentifiers must be specified", 400)
    if any(name not in cloudwatch_logs._log_groups for name in names):
        return error_response_json("ResourceNotFoundException", "Log group does not exist.", 400)
    text, started, ended = parameters.get("queryString") or "", parameters.get("startTime"), parameters.get("endTime")
    if not isinstance(started, int) or not isinstance(ended, int) or started > ended:
        return error_response_json("InvalidParameterException", "Start time must be earlier than end time", 400)
    if problem := _problem_of(text):
        return error_response_json("MalformedQueryException", problem, 400)
    groups = [cloudwatch_logs._log_groups[name] for name in names]
    if all(ended < max(group["creationTime"], log_events.retained_from(group)) // 1000 for group in groups):
        return error_response_json("MalformedQueryException", "end date and time is either before the log groups creation "
                                   "time or exceeds the log groups log retention settings", 400)
    query_id = str(uuid.uuid4())
    rows, statistics = _run(names, text, started * 1000, ended * 1000, parameters.get("limit"))
    cloudwatch_logs._queries[query_id] = {
        "queryId": query_id, "queryString": text, "logGroupName": names[0], "createTime": int(time.time() * 1000),
        "status": "Scheduled", "rows": rows, "statistics": statistics, "polls": 0, "logGroupNames": names}
    return json_response({"queryId": query_id})


def _problem_of(text: str) -> str | None:
    stages = cloudwatch_logs._split_insights_pipes(text)
    if not stages:
        return "unexpected symbol found at line 1 and position 0"
    for stage in stages:
        command = (re.match(r"\w*", stage.strip()) or [""])[0].lower()
        if command not in COMMANDS:
            return f"unexpected symbol found {stage.split(maxsplit=1)[0]} (the local account knows {', '.join(COMMANDS)})"
        if command == "filter" and cloudwatch_logs._compile_insights_filter(stage) is None:
            return f"this filter is not in the local account: {stage}"
    return None


def _run(names: list[str], text: str, first: int, last: int, api_limit) -> tuple[list, dict]:
    entries = []
    for name in names:
        known, group = log_events.of_group(name).ordered(), cloudwatch_logs._log_groups[name]
        low = bisect.bisect_left(known, (max(first, log_events.retained_from(group)),))
        high = bisect.bisect_left(known, (last + 1,))
        entries += [(entry, name) for entry in known[low:high]]
    if len(names) > 1:
        entries.sort()
    scanned = len(entries)
    bytes_scanned = sum(log_events.size(entry) for entry, _ in entries)
    if predicates := cloudwatch_logs._insights_filter_predicates(text):
        entries = [(entry, name) for entry, name in entries
                   if all(matches(_record(entry, name)) for matches in predicates)]
    field, ascending = cloudwatch_logs._parse_insights_sort(text) or ("@timestamp", False)
    if field != "@timestamp":
        entries.sort(key=lambda pair: str(_record(*pair).get(field, "")), reverse=not ascending)
    elif not ascending:
        entries.reverse()
    limit = cloudwatch_logs._parse_insights_limit(text, api_limit)
    fields = cloudwatch_logs._parse_insights_fields(text)
    rows = []
    for entry, name in entries[:limit]:
        record = _record(entry, name)
        rows.append([{"field": field, "value": str(record[field])} for field in fields if field in record])
    return rows, {"recordsMatched": float(len(entries)), "recordsScanned": float(scanned),
                  "estimatedRecordsSkipped": 0.0, "bytesScanned": float(bytes_scanned), "estimatedBytesSkipped": 0.0,
                  "logGroupsScanned": float(len(names))}


def _record(entry: tuple, group: str) -> dict:
    pointer = json.dumps([group, entry[log_events.TIMESTAMP], entry[log_events.SEQUENCE]])
    return {"@timestamp": cloudwatch_logs._format_insights_timestamp(entry[log_events.TIMESTAMP]),
            "@message": entry[log_events.MESSAGE], "@logStream": entry[log_events.STREAM],
            "@log": f"{get_account_id()}:{group}",
            "@ingestionTime": cloudwatch_logs._format_insights_timestamp(entry[log_events.INGESTED]),
            "@ptr": base64.b64encode(pointer.encode()).decode(), "_timestamp_ms": entry[log_events.TIMESTAMP]}


def results(parameters: dict) -> tuple:
    query = cloudwatch_logs._queries.get(parameters.get("queryId"))
    if query is None:
        return error_response_json("ResourceNotFoundException", "The specified query does not exist.", 400)
    if query["status"] in ("Scheduled", "Running"):
        query["polls"] += 1
        query["status"] = "Running" if query["polls"] <= POLLS_UNTIL_COMPLETE else "Complete"
    rows, begin = query["rows"], 0
    if query["status"] != "Complete":
        rows = rows[:len(rows) // 2]
    if token := parameters.get("nextToken"):
        if not token.isdigit():
            return error_response_json("InvalidParameterException", "The specified nextToken is invalid.", 400)
        begin = int(token)
    end = begin + min(parameters.get("maxItems") or ROWS, ROWS)
    answer = {"queryLanguage": "CWLI", "results": rows[begin:end], "statistics": query["statistics"],
              "status": query["status"]}
    if query["status"] == "Complete" and end < len(rows):
        answer["nextToken"] = str(end)
    return json_response(answer)


def stop(parameters: dict) -> tuple:
    query = cloudwatch_logs._queries.get(parameters.get("queryId"))
    if query is None:
        return error_response_json("ResourceNotFoundException", "The specified query does not exist.", 400)
    if query["status"] not in ("Scheduled", "Running"):
        return error_response_json("InvalidParameterException", "The specified query is not running.", 400)
    query["status"] = "Cancelled"
    return json_response({"success": True})


def describe(parameters: dict) -> tuple:
    found = [{name: query[name] for name in ("queryId", "queryString", "status", "createTime", "logGroupName")}
             for query in cloudwatch_logs._queries.values()
             if parameters.get("logGroupName") in (None, *query["logGroupNames"])
             and parameters.get("status") in (None, query["status"])]
    return json_response({"queries": sorted(found, key=lambda query: -query["createTime"])[:parameters.get("maxResults", 1000)]})


def record_of_pointer(parameters: dict) -> tuple:
    """GetLogRecord: the whole event behind a row's @ptr."""
    try:
        group, timestamp, sequence = json.loads(base64.b64decode(parameters.get("logRecordPointer") or ""))
        entries = log_events.of_group(group).ordered()
        entry = entries[bisect.bisect_left(entries, (timestamp, sequence))]
    except (ValueError, KeyError, IndexError, TypeError):
        return error_response_json("InvalidParameterException", "Invalid logRecordPointer provided", 400)
    record = _record(entry, group)
    record |= {"@timestamp": str(entry[log_events.TIMESTAMP]), "@ingestionTime": str(entry[log_events.INGESTED])}
    return json_response({"logRecord": cloudwatch_logs._public_log_record(record)})
