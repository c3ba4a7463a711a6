"""CloudWatch Logs: pages, tokens, empty pages, classes, and a million events."""

import json
import time
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import Account, start_account

HOUR = 3_600_000


def now():
    return int(time.time() * 1000)


def group(account, *streams, **settings):
    logs, name = account.client("logs"), f"/group/{uuid.uuid4().hex[:8]}"
    logs.create_log_group(logGroupName=name, **settings)
    for stream in streams:
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
    return name


def put(account, group, stream, *events):
    return account.client("logs").put_log_events(logGroupName=group, logStreamName=stream, logEvents=[
        {"timestamp": timestamp, "message": message} for timestamp, message in events])


def load(account, group, stream, events, **settings):
    """Through the account's own page: events of any age."""
    query = "&".join(f"{name}={value}" for name, value in {"group": group, "stream": stream, **settings}.items())
    body = "".join(json.dumps(event) + "\n" for event in events).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{account.endpoint}/_account/logs?{query}", body)) as reply:
        return json.loads(reply.read())


def pages(account, group, **parameters):
    found, token = [], {}
    while True:
        page = account.client("logs").filter_log_events(logGroupName=group, **parameters, **token)
        found.append(page)
        if "nextToken" not in page:
            return found
        token = {"nextToken": page["nextToken"]}


def messages(pages):
    return [event["message"] for page in pages for event in page["events"]]


def test_events_of_all_streams_come_in_order_with_both_ends_included(account):
    name, at = group(account, "b", "a"), now()
    put(account, name, "b", (at, "2"), (at + 2, "4"), (at + 3, "5"))
    put(account, name, "a", (at - 1, "1"), (at + 1, "3"))
    assert messages(pages(account, name)) == ["1", "2", "3", "4", "5"]
    assert messages(pages(account, name, startTime=at, endTime=at + 2)) == ["2", "3", "4"]
    [page] = pages(account, name, startTime=at, endTime=at)
    [event] = page["events"]
    assert (event["logStreamName"], event["timestamp"], event["message"]) == ("b", at, "2")
    assert abs(event["ingestionTime"] - now()) < 60_000 and event["eventId"].isdigit() and len(event["eventId"]) == 56
    ids = [event["eventId"] for page in pages(account, name) for event in page["events"]]
    assert len(set(ids)) == 5 and ids == sorted(ids)
    assert ids == [event["eventId"] for page in pages(account, name, limit=2) for event in page["events"]]
    assert messages(pages(account, name, logStreamNames=["a"])) == ["1", "3"]
    assert messages(pages(account, name, logStreamNamePrefix="b")) == ["2", "4", "5"]
    assert messages(pages(account, name, startTime=at - 1, endTime=at + 3, startFromHead=False, limit=2)) == [
        "5", "4", "3", "2", "1"]
    identifier = f"arn:aws:logs:us-east-1:111122223333:log-group:{name}"
    assert len(account.client("logs").filter_log_events(logGroupIdentifier=identifier)["events"]) == 5


def test_a_page_has_a_limit_in_events_and_in_bytes(account):
    name, at = group(account, "s"), now()
    load(account, name, "s", [{"timestamp": at, "message": str(number)} for number in range(10_001)])
    assert [len(page["events"]) for page in pages(account, name)] == [10_000, 1]
    assert messages(pages(account, name)) == [str(number) for number in range(10_001)]
    name = group(account, "s")
    load(account, name, "s", [{"timestamp": at, "message": "ä" * 100_000}] * 11)
    assert [len(page["events"]) for page in pages(account, name)] == [5, 5, 1]


def test_a_token_serves_the_request_it_was_given_for(account):
    logs, name, at = account.client("logs"), group(account, "s"), now()
    put(account, name, "s", (at, "1"), (at, "2"), (at, "3"))
    token = logs.filter_log_events(logGroupName=name, startTime=at, limit=1)["nextToken"]
    again = [logs.filter_log_events(logGroupName=name, startTime=at, nextToken=token)["events"] for _ in range(2)]
    assert again[0] == again[1] and [event["message"] for event in again[0]] == ["2", "3"]
    for wrong in ({"startTime": at - 1, "nextToken": token}, {"startTime": at, "nextToken": "nothing"}):
        with pytest.raises(logs.exceptions.InvalidParameterException, match="nextToken is invalid"):
            logs.filter_log_events(logGroupName=name, **wrong)


def test_nothing_for_an_hour_ends_a_page(account):
    name, end = group(account, "s"), now()
    start = end - 24 * HOUR
    load(account, name, "s", [{"timestamp": start + 5 * HOUR, "message": "1"}, {"timestamp": start + 5 * HOUR, "message": "2"},
                              {"timestamp": start + 10 * HOUR, "message": "3"}])
    found = pages(account, name, startTime=start, endTime=end)
    assert [len(page["events"]) for page in found] == [0, 2, 1, 0]
    assert [len(page["events"]) for page in pages(account, name, startTime=start, endTime=end)] == [0, 2, 1, 0]
    assert [len(page["events"]) for page in pages(account, name)] == [2, 1], "without bounds nothing is far from them"
    account.lines("logs/settings?empty_page_after_seconds=0")
    assert [len(page["events"]) for page in pages(account, name, startTime=start, endTime=end)] == [3]
    account.lines("logs/settings?empty_page_after_seconds=3600")


def test_what_is_not_there_and_what_cannot_be(account):
    logs, name = account.client("logs"), group(account, "s")
    for call in (lambda: logs.filter_log_events(logGroupName="none"), lambda: logs.get_log_events(
            logGroupName="none", logStreamName="s"), lambda: logs.filter_log_events(logGroupName=name, logStreamNames=["t"]),
            lambda: logs.get_log_events(logGroupName=name, logStreamName="t"),
            lambda: logs.start_query(logGroupName="none", startTime=0, endTime=1, queryString="fields @message")):
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            call()
    for wrong in ({"logStreamNames": ["s"], "logStreamNamePrefix": "s"}, {"limit": 10_001}, {"startFromHead": False}):
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.filter_log_events(logGroupName=name, **wrong)


def test_a_group_deleted_half_way_is_gone_for_the_next_page(account):
    logs, name, at = account.client("logs"), group(account, "s"), now()
    put(account, name, "s", (at, "1"), (at, "2"))
    token = logs.filter_log_events(logGroupName=name, limit=1)["nextToken"]
    logs.delete_log_group(logGroupName=name)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.filter_log_events(logGroupName=name, nextToken=token)


def test_a_deleted_stream_takes_its_events_along(account):
    name, at = group(account, "a", "b"), now()
    put(account, name, "a", (at, "1"))
    put(account, name, "b", (at, "2"))
    account.client("logs").delete_log_stream(logGroupName=name, logStreamName="a")
    assert messages(pages(account, name)) == ["2"]


def test_a_batch_is_refused_or_partly_rejected(account):
    logs, name, at = account.client("logs"), group(account, "s"), now()
    rejected = put(account, name, "s", (at, "now"), (at + 3 * HOUR, "too new"))["rejectedLogEventsInfo"]
    assert rejected == {"tooNewLogEventStartIndex": 1}
    assert put(account, name, "s", (at - 15 * 24 * HOUR, "too old"))["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert messages(pages(account, name)) == ["now"]
    for batch in ([(at, "b"), (at - 1, "a")], [(at - 25 * HOUR, "a"), (at, "b")], [(at, "x" * 600_000), (at, "x" * 600_000)]):
        with pytest.raises(logs.exceptions.InvalidParameterException):
            put(account, name, "s", *batch)


def test_retention_hides_what_is_older(account):
    name, at = group(account, "s"), now()
    load(account, name, "s", [{"timestamp": at - 25 * HOUR, "message": "old"}, {"timestamp": at, "message": "new"}])
    assert messages(pages(account, name)) == ["old", "new"]
    account.client("logs").put_retention_policy(logGroupName=name, retentionInDays=1)
    assert messages(pages(account, name)) == ["new"]


def test_one_stream_is_read_in_both_directions(account):
    logs, name, at = account.client("logs"), group(account, "s", "other"), now()
    put(account, name, "s", *[(at + number, str(number)) for number in range(5)])
    put(account, name, "other", (at, "x"))
    read = {"logGroupName": name, "logStreamName": "s", "limit": 2}
    last = logs.get_log_events(**read)
    assert [event["message"] for event in last["events"]] == ["3", "4"]
    before = logs.get_log_events(**read, nextToken=last["nextBackwardToken"])
    assert [event["message"] for event in before["events"]] == ["1", "2"]
    first = logs.get_log_events(**read, startFromHead=True)
    then = logs.get_log_events(**read, startFromHead=True, nextToken=first["nextForwardToken"])
    assert [event["message"] for event in first["events"] + then["events"]] == ["0", "1", "2", "3"]
    end = logs.get_log_events(**read, nextToken=last["nextForwardToken"])
    assert end["events"] == [] and end["nextForwardToken"] == last["nextForwardToken"]
    bounded = logs.get_log_events(**{**read, "limit": 9}, startTime=at + 1, endTime=at + 3)["events"]
    assert [event["message"] for event in bounded] == ["1", "2"], "the end is not included here"


QUERY = "fields @timestamp, @message, @logStream, @ingestionTime, @ptr | sort @timestamp asc | limit 10000"


def ask(account, name, start, end, text=QUERY):
    """(every status met, the last answer) of a query."""
    logs, states = account.client("logs"), []
    query = logs.start_query(logGroupName=name, startTime=start, endTime=end, queryString=text)["queryId"]
    while True:
        answer = logs.get_query_results(queryId=query)
        states.append(answer["status"])
        if answer["status"] not in ("Scheduled", "Running"):
            return states, answer


@pytest.mark.parametrize("group_class", ["STANDARD", "INFREQUENT_ACCESS"])
def test_a_query_answers_once_it_is_complete(account, group_class):
    logs, at = account.client("logs"), now() // 1000 * 1000
    name = group(account, "a", "b", logGroupClass=group_class)
    load(account, name, "a", [{"timestamp": at - 1, "message": "before"}, {"timestamp": at, "message": "first"},
                              {"timestamp": at + 1000, "message": "third"}, {"timestamp": at + 1001, "message": "after"}])
    load(account, name, "b", [{"timestamp": at + 500, "message": "second", "ingestionTime": at + 700}])
    states, answer = ask(account, name, at // 1000, at // 1000 + 1)
    assert states == ["Running", "Complete"]
    rows = [{field["field"]: field["value"] for field in row} for row in answer["results"]]
    assert [row["@message"] for row in rows] == ["first", "second", "third"]
    assert rows[1]["@logStream"] == "b" and rows[1]["@timestamp"].endswith(".500") and rows[1]["@ingestionTime"].endswith(".700")
    assert (answer["statistics"]["recordsMatched"], answer["statistics"]["recordsScanned"]) == (3, 3)
    assert answer["statistics"]["bytesScanned"] == len("firstsecondthird") + 3 * 26
    whole = logs.get_log_record(logRecordPointer=rows[1]["@ptr"])["logRecord"]
    assert whole["@message"] == "second" and whole["@timestamp"] == str(at + 500)
    [described] = [query for query in logs.describe_queries(logGroupName=name)["queries"]]
    assert (described["status"], described["queryString"]) == ("Complete", QUERY)


def test_a_query_has_at_most_ten_thousand_rows_and_says_how_many_there_were(account):
    name, at = group(account, "s"), now()
    load(account, name, "s", [{"timestamp": at, "message": str(number)} for number in range(10_500)])
    _, answer = ask(account, name, at // 1000 - 1, at // 1000 + 1)
    assert (len(answer["results"]), answer["statistics"]["recordsMatched"]) == (10_000, 10_500)


def test_a_query_can_be_stopped_and_malformed(account):
    logs, name, at = account.client("logs"), group(account, "s"), int(time.time())
    query = logs.start_query(logGroupName=name, startTime=at - 9, endTime=at, queryString=QUERY)["queryId"]
    assert logs.stop_query(queryId=query)["success"]
    assert logs.get_query_results(queryId=query)["status"] == "Cancelled"
    with pytest.raises(logs.exceptions.MalformedQueryException):
        logs.start_query(logGroupName=name, startTime=at - 9, endTime=at, queryString="stats count(*) by x")
    with pytest.raises(logs.exceptions.MalformedQueryException, match="retention"):
        logs.start_query(logGroupName=name, startTime=1, endTime=2, queryString=QUERY)


def test_infrequent_access_is_not_read_event_by_event(account):
    logs, name = account.client("logs"), group(account, "s", logGroupClass="INFREQUENT_ACCESS")
    [described] = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    assert described["logGroupClass"] == "INFREQUENT_ACCESS"
    with pytest.raises(ClientError, match="InvalidOperationException.* is of log-group-class INFREQUENT_ACCESS. "
                                          "FilterLogEvents is not supported for this log class."):
        logs.filter_log_events(logGroupName=name)
    with pytest.raises(ClientError, match="InvalidOperationException"):
        logs.get_log_events(logGroupName=name, logStreamName="s")
    with pytest.raises(ClientError, match="ValidationException.*only supported on the Standard log class"):
        logs.describe_subscription_filters(logGroupName=name)


def test_a_million_events_are_loaded_and_read():
    process, where = start_account("--log", "/dev/null", "--seconds-limit", "200")
    account = Account(where)
    try:
        name, at = group(account, "s"), now() - 20 * 60_000
        logs, began = account.client("logs"), time.monotonic()
        for batch in range(100):
            logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=[
                {"timestamp": at + batch * 10_000 + number, "message": f"{batch:04d} {number:05d} GET /orders 200 of a customer"}
                for number in range(10_000)])
        loaded, began = time.monotonic() - began, time.monotonic()
        found = pages(account, name, startTime=at - 1000)
        read = time.monotonic() - began
        assert sum(len(page["events"]) for page in found) == 1_000_000
        assert [page["events"][0]["timestamp"] for page in found] == [at + 10_000 * number for number in range(100)]
        print(f"a million events: loaded in {loaded:.1f} s, read in {read:.1f} s")
        assert loaded < 60 and read < 30
    finally:
        process.stdin.close()
        process.wait(10)
