"""What the demo promises of an investigation, each checked against what the account itself knows."""

import json

from demo import screen, stolen, trail, victim
from demo.attacker import ADDRESS, USER
from demo.cases import Addendum
from demo.local_account import Person

Promise = tuple[bool, str]


def the_logs_are_whole(account, addendum: Addendum) -> Promise:
    """The lines by their ids in CloudWatch Logs, the invocations by what the account measured."""
    until = addendum.window[1]
    pages = account.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{victim.NAME}")
    written = sorted(event["eventId"] for page in pages for event in page["events"])
    kept = sorted(event["eventId"] for event in addendum.entries("execution-logs"))
    rows = {row["request_id"]: (row["cold_start"], row["status"] == "success") for row in addendum.invocations()}
    measured = {one["request_id"]: (one["cold"], one["outcome"] == "ok") for one in account.invocations(victim.NAME)
                if one["started"][:19] <= until[:19]}
    versions = {row["version"] for row in addendum.invocations()}
    return (bool(kept) and kept == written and rows == measured and versions == {"1", "$LATEST"}
            and {ok for _, ok in rows.values()} == {True, False},
            f"All {len(kept)} lines of the function's log are in the addendum, and all {len(rows)} invocations, before the "
            "tampering and after, with cold starts and the error.")


def the_trail_names_who(account, addendum: Addendum, trigger: dict) -> Promise:
    """The change that opened the case, and every other one that the account has of the function."""
    changes = {change["event_id"]: change for change in addendum.summary("audit-events")["changes"]}
    change = changes.get(trigger["event_id"], {})
    since, until = (time[:19] for time in addendum.window)
    made = {record["eventID"] for record in account.trail() if since <= record["eventTime"][:19] <= until
            and record["eventSource"] == "lambda.amazonaws.com" and not record["readOnly"]
            and (record["requestParameters"] or {}).get("functionName", "").endswith(victim.NAME)}
    return (made <= changes.keys() and change.get("at_tampering") is True
            and change["principal"].endswith(f":user/{USER}") and change["address"] == ADDRESS,
            f"The audit trail in it says who changed what: all {len(made)} changes of the function, and that {USER} "
            f"overwrote its code from {ADDRESS}.")


def the_role_is_followed(account, addendum: Addendum) -> Promise:
    since, until = (time[:19] for time in addendum.window)
    made = sorted(record["eventID"] for record in trail.of_the_role(account) if since <= record["eventTime"][:19] <= until)
    kept = sorted(record["eventID"] for record in addendum.entries("role-activity") if record["managementEvent"])
    return (bool(kept) and kept == made,
            f"All {len(made)} management calls made with the role's credentials are in it, each once.")


def the_theft_is_marked(addendum: Addendum, role: Person, uses: list[stolen.Use]) -> Promise:
    seen = [use for use in uses if not use.is_on_data] + [
        record for record in addendum.entries("role-activity") if not record["managementEvent"]
        and record["sourceIPAddress"] == ADDRESS]
    marks = addendum.marks("stolen-credentials")
    mark = marks[0] if len(marks) == 1 else {"severity": "", "confidence": "", "statement": "", "calls": 0}
    finding = any(finding["rule"] == "stolen-credentials" and finding["severity"] == "critical"
                  for finding in addendum.findings)
    return (finding and (mark["severity"], mark["confidence"]) == ("critical", "high") and mark["calls"] == len(seen)
            and role.access_key_id in mark["statement"] and ADDRESS in mark["statement"],
            f"The stolen credentials are marked, critical: key {role.access_key_id}, in Lambda and outside of it, with all "
            f"{mark['calls']} calls from {ADDRESS}.")


def what_was_tried_is_marked(addendum: Addendum, uses: list[stolen.Use]) -> Promise:
    refused = [use.name for use in uses if not use.allowed]
    burst = next(iter(addendum.marks("denied-burst")), {"calls": 0})
    power = [mark for mark in addendum.marks("privilege-or-persistence") if mark["statement"].startswith("iam:CreateUser ")]
    new = {mark["statement"].partition(" ")[0] for mark in addendum.marks("first-ever")}
    return (burst["calls"] == len(refused) and len(power) == 1 and {"iam:CreateUser", "sts:GetCallerIdentity"} <= new
            and "ssm:GetParameter" not in new,
            f"So are the burst of {burst['calls']} refused calls, the try to make a user that stays, and what the role had "
            "never done in the day before.")


def the_owner_was_told(notices: list[str]) -> Promise:
    return (any("critical finding" in notice for notice in notices),
            "The owner was alerted to the theft as soon as the first pass was sealed.")


def the_late_record_came_once(first: Addendum, second: Addendum, late: dict) -> Promise:
    before, after = ([record["eventID"] for record in one.entries("role-activity")] for one in (first, second))
    return (late["eventID"] not in before and after.count(late["eventID"]) == 1 and not set(before) & set(after)
            and first.window[0] <= late["eventTime"] <= first.window[1],
            "The record that came late is in the second addendum, once, and nothing of the first one is there again.")


def the_traces_are_there(addendum: Addendum) -> Promise:
    """Every trace that the log names, and no other; each with its segments, which name the function."""
    named = {row["trace_id"] for row in addendum.invocations() if row["trace_id"]}
    traces = addendum.traces()
    segments = {trace_id: json.dumps(trace.get("trace", {}).get("Segments", [])) for trace_id, trace in traces.items()}
    return (bool(named) and named == traces.keys() and all("summary" in trace for trace in traces.values())
            and all(trace_id in text and victim.NAME in text for trace_id, text in segments.items()),
            f"The {screen.amount(len(named), 'trace')} that the log names are in it: tracing was on from the first seal.")


def the_files_say_more(addendum: Addendum, uses: list[stolen.Use]) -> Promise:
    reads = [record for record in addendum.entries("role-activity") if not record["managementEvent"]
             and record["sourceIPAddress"] == ADDRESS]
    named = sorted(f"s3:{record['eventName']}" for record in reads)
    return (named == sorted(use.name for use in uses if use.is_on_data),
            f"From the trail's own files come the {len(reads)} reads of data with the stolen credentials, which CloudTrail's "
            "event history does not tell.")


def the_trail_is_whole(addendum: Addendum) -> Promise:
    report = addendum.summary("trail-integrity", "report") or {"judgement": "", "deviation_count": 0, "log_files_intact": 0,
                                                              "log_files_listed": 0}
    intact = report["log_files_intact"]
    return (report["judgement"] == "holds" and 0 < intact == report["log_files_listed"] and not report["deviation_count"],
            f"The trail itself was not altered, as far as its digests reach: they are CloudTrail's, and all {intact} log files "
            "that they list are as delivered.")
