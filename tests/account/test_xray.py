"""X-Ray: what is put can be found and fetched."""

import json
import time


def test_segments_are_found_and_fetched(account):
    xray, now = account.client("xray"), time.time()
    trace_id = f"1-{int(now):08x}-{'a' * 24}"
    segment = {"trace_id": trace_id, "id": "b" * 16, "name": "victim", "start_time": now - 1, "end_time": now, "fault": True}
    assert xray.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])["UnprocessedTraceSegments"] == []
    found = xray.get_trace_summaries(StartTime=now - 60, EndTime=now + 60, FilterExpression='service("victim")')
    [summary] = found["TraceSummaries"]
    assert (summary["Id"], summary["HasFault"], summary["Duration"]) == (trace_id, True, 1.0)
    missing = "1-00000000-" + "0" * 24
    traces = xray.batch_get_traces(TraceIds=[trace_id, missing])
    assert json.loads(traces["Traces"][0]["Segments"][0]["Document"]) == segment
    assert traces["UnprocessedTraceIds"] == [missing]
    assert xray.get_trace_summaries(StartTime=0, EndTime=now - 60)["TraceSummaries"] == []
