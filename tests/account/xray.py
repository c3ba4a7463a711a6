"""X-Ray in memory: segments as they are put, summaries and whole traces as they are asked for."""

import json
import re
import time

from ministack import app
from ministack.core import router
from ministack.core.responses import AccountRegionScopedDict

from account import operations

_traces = AccountRegionScopedDict()  # trace id → {segment id: document}


def apply() -> None:
    """MiniStack has no X-Ray: the service is added to its table of handlers, and to the names it routes by."""
    app.SERVICE_HANDLERS["xray"] = handle_request
    original = router._is_aws_service_name
    # The original reads every model of botocore, five seconds long, before it knows the name.
    router._is_aws_service_name = lambda name: name == "xray" or original(name)


async def handle_request(method, path, headers, body, query_params):
    operation = operations.read_request("xray", method, path, headers, query_params, body)
    answer = {"PutTraceSegments": put_trace_segments, "GetTraceSummaries": get_trace_summaries,
              "BatchGetTraces": batch_get_traces,
              "PutTelemetryRecords": lambda _: {}}.get(operation.name if operation else "")
    if answer is None:
        return _reply(400, {"__type": "InvalidRequestException", "message": "not in the local account's X-Ray"})
    return _reply(200, answer(operation.parameters))


def _reply(status: int, content: dict) -> tuple:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


def put_trace_segments(parameters: dict) -> dict:
    refused = []
    for text in parameters.get("TraceSegmentDocuments", []):
        try:
            segment = json.loads(text)
            trace_id, segment_id = segment["trace_id"], segment["id"]
        except (ValueError, KeyError, TypeError):
            refused.append({"ErrorCode": "ParseError", "Message": "Invalid segment. ErrorCode: ParseError"})
            continue
        _traces.setdefault(trace_id, {})[segment_id] = segment
    return {"UnprocessedTraceSegments": refused}


def get_trace_summaries(parameters: dict) -> dict:
    start, end = float(parameters.get("StartTime", 0)), float(parameters.get("EndTime", time.time()))
    wanted = re.search(r'service\(\s*(?:id\([^)]*name:\s*)?"([^"]+)"', parameters.get("FilterExpression") or "")
    summaries = []
    for trace_id, segments in _traces.items():
        began = min(segment.get("start_time", 0) for segment in segments.values())
        names = {segment.get("name") for segment in segments.values()}
        if start <= began <= end and (wanted is None or wanted.group(1) in names):
            summaries.append(_summary(trace_id, list(segments.values()), began))
    return {"TraceSummaries": summaries, "ApproximateTime": time.time(), "TracesProcessedCount": len(summaries)}


def _summary(trace_id: str, segments: list[dict], began: float) -> dict:
    ended = max(segment.get("end_time", segment.get("start_time", 0)) for segment in segments)
    roots = [segment for segment in segments if "parent_id" not in segment] or segments
    http = roots[0].get("http", {})
    return {
        "Id": trace_id, "StartTime": began, "Duration": round(ended - began, 3),
        "ResponseTime": round(roots[0].get("end_time", began) - roots[0].get("start_time", began), 3),
        "HasFault": any(segment.get("fault") for segment in segments),
        "HasError": any(segment.get("error") for segment in segments),
        "HasThrottle": any(segment.get("throttle") for segment in segments),
        "IsPartial": any(segment.get("in_progress") for segment in segments),
        "Http": {"HttpURL": http.get("request", {}).get("url"), "HttpMethod": http.get("request", {}).get("method"),
                 "HttpStatus": http.get("response", {}).get("status")} if http else {},
        "ServiceIds": [{"Name": segment.get("name"), "Type": segment.get("origin", "client"),
                        "Names": [segment.get("name")]} for segment in segments],
        "ResourceARNs": [{"ARN": segment["resource_arn"]} for segment in segments if segment.get("resource_arn")],
    }


def batch_get_traces(parameters: dict) -> dict:
    found, missing = [], []
    for trace_id in parameters.get("TraceIds", [])[:5]:
        segments = _traces.get(trace_id)
        if segments is None:
            missing.append(trace_id)
            continue
        began = min(segment.get("start_time", 0) for segment in segments.values())
        ended = max(segment.get("end_time", began) for segment in segments.values())
        found.append({"Id": trace_id, "Duration": round(ended - began, 3), "LimitExceeded": False,
                      "Segments": [{"Id": id, "Document": json.dumps(document)} for id, document in segments.items()]})
    return {"Traces": found, "UnprocessedTraceIds": missing}
