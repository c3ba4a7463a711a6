"""X-Ray: what is put can be found and fetched, page by page, unless it goes to Transaction Search."""

import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import until


def trace_id(at):
    return f"1-{int(at):08x}-{uuid.uuid4().hex[:24]}"


def put(xray, name, at, origin=None, id=None, **more):
    """One segment; the id of its trace."""
    id = id or trace_id(at)
    segment = {"trace_id": id, "id": uuid.uuid4().hex[:16], "name": name, "start_time": at, "end_time": at + 1, **more}
    if origin:
        segment["origin"] = origin
    assert xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])["UnprocessedTraceSegments"] == []
    return id


def test_segments_are_found_and_fetched(account):
    xray, now = account.client("xray"), time.time()
    id = f"1-{int(now):08x}-{'a' * 24}"
    segment = {"trace_id": id, "id": "b" * 16, "name": "victim", "start_time": now - 1, "end_time": now, "fault": True}
    assert xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])["UnprocessedTraceSegments"] == []
    found = xray.get_trace_summaries(StartTime=now - 60, EndTime=now + 60, FilterExpression='service("victim")')
    [summary] = found["TraceSummaries"]
    assert (summary["Id"], summary["HasFault"], summary["Duration"]) == (id, True, 1.0)
    missing = "1-00000000-" + "0" * 24
    traces = xray.batch_get_traces(TraceIds=[id, missing])
    assert json.loads(traces["Traces"][0]["Segments"][0]["Document"]) == segment
    assert traces["UnprocessedTraceIds"] == [missing]
    assert xray.get_trace_summaries(StartTime=now - 3600, EndTime=now - 60,
                                    FilterExpression='service("victim")')["TraceSummaries"] == []


def test_a_filter_tells_services_by_name_and_type(account):
    xray, now, name = account.client("xray"), time.time(), uuid.uuid4().hex
    function = put(xray, name, now, "AWS::Lambda::Function")
    other = put(xray, name, now, "AWS::EC2::Instance")
    put(xray, name + "-2", now, "AWS::Lambda::Function")

    def ask(expression):
        found = xray.get_trace_summaries(StartTime=now - 1, EndTime=now + 1, FilterExpression=expression)
        return {summary["Id"] for summary in found["TraceSummaries"]}

    assert ask(f'service(id(name: "{name}", type: "AWS::Lambda::Function"))') == {function}
    assert ask(f'service("{name}")') == ask(f'service(id(name: "{name}"))') == {function, other}
    with pytest.raises(ClientError, match="InvalidRequestException"):
        ask("servis(1)")


def test_summaries_come_in_pages_the_newest_first(account):
    xray, now, name = account.client("xray"), time.time(), uuid.uuid4().hex
    ids = [put(xray, name, now - number) for number in range(101)]
    ask = {"StartTime": now - 200, "EndTime": now + 1, "FilterExpression": f'service("{name}")'}
    pages = list(xray.get_paginator("get_trace_summaries").paginate(**ask))
    assert [len(page["TraceSummaries"]) for page in pages] == [50, 50, 1]
    assert [summary["Id"] for page in pages for summary in page["TraceSummaries"]] == ids
    with pytest.raises(ClientError, match="InvalidRequestException.*NextToken"):
        xray.get_trace_summaries(**{**ask, "EndTime": now + 9}, NextToken=pages[0]["NextToken"])
    with pytest.raises(ClientError, match="InvalidRequestException.*24 hours"):
        xray.get_trace_summaries(StartTime=now - 25 * 3600, EndTime=now)


def test_traces_are_fetched_five_at_a_time_in_pages(account):
    xray, now, name = account.client("xray"), time.time(), uuid.uuid4().hex
    ids = [put(xray, name, now) for _ in range(6)]
    put(xray, "downstream", now, id=ids[0], parent_id="c" * 16)
    pages = list(xray.get_paginator("batch_get_traces").paginate(TraceIds=ids[:5]))
    assert [[trace["Id"] for trace in page["Traces"]] for page in pages] == [ids[:3], ids[3:5]]
    assert len(pages[0]["Traces"][0]["Segments"]) == 2
    with pytest.raises(ClientError, match="InvalidRequestException"):
        xray.batch_get_traces(TraceIds=ids)


def test_with_transaction_search_no_trace_is_found(account):
    xray, now = account.client("xray", "eu-west-1"), time.time()
    id = put(xray, "victim", now)
    assert xray.get_trace_segment_destination()["Destination"] == "XRay"
    assert xray.get_trace_segment_destination()["Status"] == "ACTIVE"
    assert xray.update_trace_segment_destination(Destination="CloudWatchLogs")["Status"] == "PENDING"
    until(lambda: xray.get_trace_segment_destination()["Status"] == "ACTIVE")
    assert xray.get_trace_segment_destination()["Destination"] == "CloudWatchLogs"
    assert xray.batch_get_traces(TraceIds=[id])["Traces"] == []
    new = put(xray, "victim", now)
    assert new not in [summary["Id"] for summary in xray.get_trace_summaries(
        StartTime=now - 1, EndTime=now + 1)["TraceSummaries"]]
    xray.update_trace_segment_destination(Destination="XRay")
    [record] = [record for record in account.trail("UpdateTraceSegmentDestination")
                if record["requestParameters"] == {"destination": "CloudWatchLogs"}]
    assert record["eventSource"] == "xray.amazonaws.com" and not record["readOnly"]
