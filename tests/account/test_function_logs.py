"""What an invocation leaves behind: its log in both formats and its trace."""

import json
import re
import time
import uuid

import pytest

from account.conftest import package
from account.test_processes import invoke

START = re.compile(r"START RequestId: ([0-9a-f-]{36}) Version: \$LATEST\n")
REPORT = re.compile(
    r"REPORT RequestId: ([0-9a-f-]{36})\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\t"
    r"Max Memory Used: (\d+) MB\t(?:Init Duration: ([\d.]+) ms\t)?(?:Status: (\w+)\t)?(?:Error Type: ([\w.]+)\t)?\n"
    r"(?:XRAY TraceId: (1-[0-9a-f]{8}-[0-9a-f]{24})\tSegmentId: ([0-9a-f]{16})\tSampled: true\t\n)?")


def victim(account, **settings):
    return account.function(package("step"), Runtime="python3.12", Handler="index.handler", Timeout=10, **settings)


def log(account, group):
    page = account.client("logs").filter_log_events(logGroupName=group)
    assert "nextToken" not in page
    return page["events"]


def test_a_log_in_text_is_lambdas(account):
    name = victim(account, MemorySize=256)
    for _ in range(2):
        assert invoke(account, name)[1] is None
    events = log(account, f"/aws/lambda/{name}")
    assert len({event["logStreamName"] for event in events}) == 1, "one environment, one stream"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", events[0]["logStreamName"])
    messages = [event["message"] for event in events]
    assert re.fullmatch(r"INIT_START Runtime Version: python:3.12.v1\tRuntime Version ARN: "
                        r"arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}\n", messages[0])
    assert [message.split(" ")[0] for message in messages] == ["INIT_START", "START", "END", "REPORT", "START", "END", "REPORT"]
    first, second = REPORT.fullmatch(messages[3]), REPORT.fullmatch(messages[6])
    assert first and second, messages
    measured = [line for line in account.lines("invocations") if line["function"] == name]
    assert [first.group(1), second.group(1)] == [line["request_id"] for line in measured]
    assert START.fullmatch(messages[1]).group(1) == first.group(1)
    assert float(first.group(2)) == round(measured[0]["duration_ms"], 2) and float(first.group(6)) == round(measured[0]["init_ms"], 2)
    assert int(first.group(3)) >= float(first.group(2)) and first.group(4) == "256" and int(first.group(5)) > 5
    assert second.group(6) is None and second.group(7) is None and second.group(9) is None


def test_output_is_an_event_a_line_and_a_python_error_one_event(account):
    name = victim(account)
    answer, error = invoke(account, name, fail_at=1)
    assert error and answer["errorType"] == "ValueError" and answer["errorMessage"] == "told to"
    assert answer["stackTrace"] and answer["requestId"]
    [event] = [event for event in log(account, f"/aws/lambda/{name}") if event["message"].startswith("[ERROR]")]
    assert re.match(r"\[ERROR\] ValueError: told to\nTraceback \(most recent call last\):\n", event["message"])
    talker = account.function(package("talker"), Runtime="python3.12", Handler="index.handler")
    invoke(account, talker, lines=["one", "two \t three", '{"level": "INFO"}', "END RequestId: forged"])
    messages = [event["message"] for event in log(account, f"/aws/lambda/{talker}")]
    assert messages[2:6] == ["one\n", "two \t three\n", '{"level": "INFO"}\n', "END RequestId: forged\n"]


def test_what_ended_badly_says_how(account):
    slow = account.function(package("step"), Runtime="python3.12", Handler="index.handler", Timeout=1)
    invoke(account, slow, sleep=3)
    messages = [event["message"] for event in log(account, f"/aws/lambda/{slow}")]
    assert re.search(r"^\S+Z [0-9a-f-]{36} Task timed out after 1.00 seconds\n\n$", messages[-3])
    assert REPORT.fullmatch(messages[-1]).group(7) == "timeout"
    crashing = account.function()
    invoke(account, crashing, crash=True)
    messages = [event["message"] for event in log(account, f"/aws/lambda/{crashing}")]
    assert re.search(r"^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: .*\nRuntime.ExitError\n$", messages[-3])
    report = REPORT.fullmatch(messages[-1])
    assert (report.group(7), report.group(8)) == ("error", "Runtime.ExitError")


def test_a_log_in_json_has_platform_events_in_the_group_it_was_given(account):
    group = f"/custom/{uuid.uuid4().hex[:8]}"
    name = victim(account, LoggingConfig={"LogFormat": "JSON", "LogGroup": group}, TracingConfig={"Mode": "Active"})
    invoke(account, name)
    start, begun, report = [json.loads(event["message"]) for event in log(account, group)]
    assert [start["type"], begun["type"], report["type"]] == ["platform.initStart", "platform.start", "platform.report"]
    assert start["record"]["functionName"] == name and start["record"]["initializationType"] == "on-demand"
    assert begun["record"]["version"] == "$LATEST" and begun["record"]["requestId"] == report["record"]["requestId"]
    metrics = report["record"]["metrics"]
    assert set(metrics) == {"durationMs", "billedDurationMs", "memorySizeMB", "maxMemoryUsedMB", "initDurationMs"}
    assert report["record"]["status"] == "success" and metrics["memorySizeMB"] == 128
    tracing = report["record"]["tracing"]
    assert tracing["type"] == "X-Amzn-Trace-Id"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=1", tracing["value"])
    assert not account.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"]


@pytest.mark.parametrize("level, fails, types", [
    ("WARN", False, []),
    ("WARN", True, ["platform.runtimeDone", "platform.report"]),
    ("DEBUG", False, ["platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.start",
                      "platform.runtimeDone", "platform.report"]),
])
def test_the_system_log_level_decides_what_is_written(account, level, fails, types):
    name = account.function(package("talker"), Runtime="python3.12", Handler="index.handler", LoggingConfig={
        "LogFormat": "JSON", "SystemLogLevel": level, "ApplicationLogLevel": "INFO"})
    invoke(account, name, lines=["said"], fail=fails)
    messages = [event["message"] for event in log(account, f"/aws/lambda/{name}")]
    assert "said\n" in messages
    assert [json.loads(message)["type"] for message in messages if message.startswith('{"time"')] == types


def test_a_traced_invocation_has_two_segments(account):
    name, xray, began = victim(account, TracingConfig={"Mode": "Active"}), account.client("xray"), time.time()
    for event in ({}, {"fail_at": 1}):
        invoke(account, name, **event)
    summaries = xray.get_trace_summaries(
        StartTime=began - 60, EndTime=time.time() + 1, Sampling=False,
        FilterExpression=f'service(id(name: "{name}", type: "AWS::Lambda::Function"))')["TraceSummaries"]
    assert sorted(summary["HasFault"] for summary in summaries) == [False, True]
    ids = [summary["Id"] for summary in summaries]
    requests = {line["request_id"] for line in account.lines("invocations") if line["function"] == name}
    traces = xray.batch_get_traces(TraceIds=ids)["Traces"]
    for trace in traces:
        segments = {document["origin"]: document
                    for document in (json.loads(segment["Document"]) for segment in trace["Segments"])}
        service, function = segments["AWS::Lambda"], segments["AWS::Lambda::Function"]
        assert service["aws"]["request_id"] in requests and service["http"]["response"]["status"] == 200
        assert function["parent_id"] == service["id"] and began <= function["start_time"] <= function["end_time"]
        assert function["subsegments"][-1]["name"] == "Invocation"
    reports = [REPORT.fullmatch(event["message"]) for event in log(account, f"/aws/lambda/{name}")
               if event["message"].startswith("REPORT")]
    assert sorted(ids) == sorted(report.group(9) for report in reports)
    plain = victim(account)
    invoke(account, plain)
    assert not xray.get_trace_summaries(StartTime=began, EndTime=time.time() + 1,
                                        FilterExpression=f'service("{plain}")')["TraceSummaries"]
