"""Functions as processes: parallel, timed out, out of memory, measured, and ended with the account."""

import concurrent.futures
import json
import math
import os
import signal
import time
import uuid

import pytest

from account.conftest import Account, package, start_account, until


def invoke(account, name, **event):
    reply = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode())
    return json.load(reply["Payload"]), reply.get("FunctionError")


def invocations(account, name):
    return [line for line in account.lines("invocations") if line["function"] == name]


def test_a_native_function_runs_and_is_measured(account):
    name = account.function(MemorySize=256)
    for _ in range(2):
        answer, error = invoke(account, name, seconds=0.1)
        assert error is None and answer["key"].startswith("ASIA")
    cold, warm = invocations(account, name)
    assert cold["cold"] and 1 < cold["init_ms"] < 5000 and cold["pid"] == warm["pid"]
    assert not warm["cold"] and warm["init_ms"] is None
    assert 100 <= warm["duration_ms"] < 140 and warm["outcome"] == "ok"
    assert 5_000 < warm["peak_rss_kb"] < 60_000 and warm["memory_mb"] == 256


def test_the_log_reports_the_measured_peak(account):
    name = account.function(MemorySize=256)
    invoke(account, name, megabytes=100)
    [peak] = [line["peak_rss_kb"] for line in invocations(account, name)]
    logs, group = account.client("logs"), f"/aws/lambda/{name}"
    [stream] = logs.describe_log_streams(logGroupName=group)["logStreams"]
    events = logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    assert f"Memory Size: 256 MB\tMax Memory Used: {math.ceil(peak / 1024)} MB\t" in events[-1]["message"]


def test_the_peak_is_that_of_the_invocation(account):
    name = account.function(MemorySize=256)
    invoke(account, name)
    invoke(account, name, megabytes=100)
    invoke(account, name)
    before, large, after = (line["peak_rss_kb"] for line in invocations(account, name))
    assert large - before > 100_000 and after < before + 20_000


def test_more_memory_than_allowed_kills(account):
    name = account.function(MemorySize=128)
    answer, error = invoke(account, name, megabytes=300, seconds=1)
    assert error and answer["errorType"] == "Runtime.ExitError" and "signal: killed" in answer["errorMessage"]
    [line] = invocations(account, name)
    assert line["outcome"] == "out of memory" and line["peak_rss_kb"] > 128 * 1024
    assert invoke(account, name)[1] is None, "the next invocation has a new environment"


def test_a_timeout_ends_the_invocation(account):
    name = account.function(Timeout=1)
    answer, error = invoke(account, name, seconds=3)
    assert error and "Task timed out after 1.00 seconds" in answer["errorMessage"]
    assert invocations(account, name)[0]["outcome"].startswith("Task timed out")


def test_a_crash_is_an_exit_error(account):
    answer, error = invoke(account, account.function(), crash=True)
    assert error and answer["errorType"] == "Runtime.ExitError"


def test_one_function_runs_five_times_at_once(account):
    name = account.function(Timeout=10)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        started = time.monotonic()
        pids = {answer["pid"] for answer, _ in pool.map(lambda _: invoke(account, name, seconds=0.5), range(5))}
    assert len(pids) == 5 and time.monotonic() - started < 2


@pytest.mark.parametrize("runtime", ["python3.11", "python3.12"])
def test_a_python_function_runs_under_its_role_and_is_measured(account, runtime):
    name = account.function(package("victim"), Runtime=runtime, Handler="index.handler", Timeout=10,
                            Environment={"Variables": {"SECRET": "x"}})
    answer, error = invoke(account, name)
    assert error is None, answer
    assert answer["who"].endswith(f"/{name}")
    [line] = invocations(account, name)
    assert line["init_ms"] > 1 and line["peak_rss_kb"] > 10_000


def test_a_queue_delivers_again_what_failed_and_then_gives_it_up(account):
    sqs, client = account.client("sqs"), account.client("lambda")
    dead = sqs.create_queue(QueueName=f"dead-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    dead_arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    queue = sqs.create_queue(QueueName=f"queue-{uuid.uuid4().hex[:8]}", Attributes={
        "VisibilityTimeout": "1", "RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = account.function(Timeout=1)
    client.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=5,
                                       FunctionResponseTypes=["ReportBatchItemFailures"])
    sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "good", "MessageBody": "{}"}, {"Id": "bad", "MessageBody": '{"fail": true}'}])
    messages = until(lambda: sqs.receive_message(QueueUrl=dead).get("Messages"), 15)
    assert [message["Body"] for message in messages] == ['{"fail": true}']
    left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == left["ApproximateNumberOfMessagesNotVisible"] == "0"


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGKILL"])
def test_nothing_outlives_the_account(end):
    process, where = start_account("--log", os.devnull)
    account = Account(where)
    answer, _ = invoke(account, account.function())
    if end == "stdin":
        process.stdin.close()
    else:
        process.send_signal(getattr(signal, end))
    process.wait(5)
    until(lambda: gone(answer["pid"]), 3)
