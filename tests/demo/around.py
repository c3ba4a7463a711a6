"""Shows what an addendum says happened around the change: logs, audit trail, role activity, traces. Nothing but what is
sealed is read."""

from collections import Counter
from datetime import datetime

from demo import screen
from demo.cases import Addendum
from demo.screen import SEVERITIES

# Widths of columns.
INVOCATION = (12, 7, 4, 10, 13, 19)
TRACE = (35, 10, 8, 21)
CHANGE = (8, 28, 37)
ACTION = (26, 5, 6, 34)


def show(addendum: Addendum) -> None:
    _log(addendum)
    _audit_trail(addendum)
    _role_activity(addendum)
    if addendum.asked("traces"):
        _traces(addendum)
    else:
        _title("What was traced", "not collected by this build; the log above names the traces")
    if addendum.asked("trail-integrity"):
        _integrity(addendum)
    _findings(addendum.findings)


def show_news(addendum: Addendum, before: Addendum) -> None:
    """What a later pass brought that the one before had not."""
    new = {artifact: len(addendum.entries(artifact))
           for artifact in ("execution-logs", "audit-events", "role-activity") if addendum.asked(artifact)}
    if addendum.asked("traces"):
        new["traces"] = len(addendum.traces())
    screen.fact("new", ", ".join(f"{artifact}: {screen.amount(count, 'record')}" for artifact, count in new.items()))
    for record in addendum.entries("role-activity"):
        screen.fact("late", f"{_time(record['eventTime'])} {_action(record)} from {screen.clean(record['sourceIPAddress'])}",
                    "red")
    known = {finding["statement"] for finding in before.findings}
    _findings([finding for finding in addendum.findings if finding["statement"] not in known])


# --- one kind after the other ---------------------------------------------------------------------------------------


def _log(addendum: Addendum) -> None:
    summary = addendum.summary("execution-logs")
    _title("What the function wrote", summary["log_group"])
    screen.fact("lines", f"{summary['lines']} of {screen.amount(summary['invocations'], 'invocation')}; "
                         f"{screen.amount(summary['cold_starts'], 'cold start')}, "
                         f"{screen.amount(summary['errors'], 'error')}")
    _cells(INVOCATION, "started", "version", "cold", "duration", "error", "trace", style="dim")
    for row in sorted(addendum.invocations(), key=lambda row: row["started_at"]):
        _cells(INVOCATION, _time(row["started_at"]), row["version"], "yes" if row["cold_start"] else "",
               f"{row['duration_ms']:.1f} ms", row["error"] or "", f"{row['trace_id'][:18]}…" if row["trace_id"] else "")


def _audit_trail(addendum: Addendum) -> None:
    summary = addendum.summary("audit-events")
    _title("Who changed what", f"{screen.amount(summary['records'], 'record')} that concern it; of these the changes")
    for change in summary["changes"]:
        who = f"{_short(change['principal'])} from {screen.clean(change['address'])}"
        _cells(CHANGE, _time(change["at"]), change["event_name"], who, style="red" if change["at_tampering"] else None)


def _role_activity(addendum: Addendum) -> None:
    summary = addendum.summary("role-activity")
    _title("What its role did", f"{screen.amount(summary['calls'], 'call')}, {summary['failed_calls']} of which failed")
    _cells(ACTION, "action", "calls", "failed", "from", style="dim")
    for action in summary["actions"]:
        places = action["addresses"]["calls_by_value"]
        _cells(ACTION, f"{action['service']}:{action['action']}", f"{action['calls']}", f"{action['failed_calls'] or ''}",
               ", ".join(f"{address} ×{calls}" for address, calls in places.items()))


def _traces(addendum: Addendum) -> None:
    traces = addendum.traces()
    _title("What was traced", screen.amount(len(traces), "trace"))
    rows = {row["trace_id"]: row for row in addendum.invocations() if row["trace_id"]}
    _cells(TRACE, "trace", "duration", "segments", "invocation at", style="dim")
    for trace_id, trace in sorted(traces.items(), key=lambda item: rows.get(item[0], {}).get("started_at", "")):
        duration = trace.get("summary", {}).get("Duration", 0) * 1000
        _cells(TRACE, trace_id, f"{duration:.1f} ms", str(len(trace.get("trace", {}).get("Segments", []))),
               _time(rows[trace_id]["started_at"]) if trace_id in rows else "none that the log has")


def _integrity(addendum: Addendum) -> None:
    report = addendum.summary("trail-integrity", "report") or {"judgement": "nothing proven", "verdict": ""}
    _title("Whether the trail itself is whole", report["judgement"])
    screen.fact("digests", screen.clean(report["verdict"]))


def _findings(findings: list[dict]) -> None:
    counts = Counter(finding["severity"] for finding in findings)
    _title("What stands out", ", ".join(f"{counts[severity]} {severity}" for severity in SEVERITIES if counts[severity])
           or "nothing")
    new = [finding for finding in findings if finding["rule"] == "first-ever"]
    for finding in sorted(findings, key=lambda finding: list(SEVERITIES).index(finding["severity"])):
        if finding not in new:
            technique = f" ({finding['technique']})" if finding["technique"] else ""
            screen.fact(finding["severity"], f"{finding['rule']}: {screen.clean(finding['statement'])}{technique}",
                        SEVERITIES[finding["severity"]])
    if new:
        actions = ", ".join(screen.clean(finding["statement"].partition(" ")[0]) for finding in new)
        screen.fact("each", f"first-ever, in the window before never done: {actions}")


# --- how it looks -----------------------------------------------------------------------------------------------------


def _title(name: str, text: str) -> None:
    screen.line()
    screen.line("   " + screen.paint(name, "yellow") + screen.paint(f"  {screen.clean(text)}", "dim"))


def _cells(widths: tuple[int, ...], *cells: str, style: str | None = None) -> None:
    fitted = (f"{screen.clean(cell)[:width]:<{width}}" for cell, width in zip(cells, widths))
    screen.line("   " + screen.paint("  ".join(fitted).rstrip(), style))


def _time(time: str) -> str:
    """E.g. `06:39:04.120`; without the thousandths where there are none."""
    at = datetime.fromisoformat(time)
    return f"{at:%H:%M:%S}" + (f".{at.microsecond // 1000:03}" if at.microsecond else "")


def _short(principal: str) -> str:
    """The last name of an ARN."""
    return screen.clean(principal).rpartition("/")[2]


def _action(record: dict) -> str:
    return screen.clean(f"{record['eventSource'].partition('.')[0]}:{record['eventName']}")
