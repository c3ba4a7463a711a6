"""X-Ray in memory: segments as they are put, summaries and whole traces as they are asked for, and where segments go."""

import base64
import hashlib
import json
import re
import time

from ministack import app
from ministack.core import router
from ministack.core.responses import AccountRegionScopedDict

from account import operations

_traces = AccountRegionScopedDict()  # trace id → {segment id: document}
_destinations = AccountRegionScopedDict()  # "" → [destination, when its change is done]

# What one page holds. AWS tells no number; a small one lets tests meet pages.
SUMMARIES_A_PAGE = 50
TRACES_A_PAGE = 3
LONGEST_RANGE_SECONDS = 24 * 3600
CHANGE_SECONDS = 0.2


class Refused(Exception):
    """A call that X-Ray refuses as invalid."""


def apply() -> None:
    """MiniStack has no X-Ray: the service is added to its table of handlers, and to the names it routes by."""
    app.SERVICE_HANDLERS["xray"] = handle_request
    original = router._is_aws_service_name
    # The original reads every model of botocore, five seconds long, before it knows the name.
    router._is_aws_service_name = lambda name: name == "xray" or original(name)


async def handle_request(method, path, headers, body, query_params):
    operation = operations.read_request("xray", method, path, headers, query_params, body)
    answer = {"PutTraceSegments": put_trace_segments, "GetTraceSummaries": get_trace_summaries,
              "BatchGetTraces": batch_get_traces, "GetTraceSegmentDestination": get_destination,
              "UpdateTraceSegmentDestination": update_destination,
              "PutTelemetryRecords": lambda _: {}}.get(operation.name if operation else "")
    try:
        if answer is None:
            raise Refused("not in the local account's X-Ray")
        return _reply(200, answer(operation.parameters))
    except Refused as reason:
        return _reply(400, {"__type": "InvalidRequestException", "message": str(reason)})


def _reply(status: int, content: dict) -> tuple:
    kind = {"x-amzn-errortype": content["__type"]} if status >= 400 else {}
    return status, {"Content-Type": "application/json", **kind}, json.dumps(content).encode()


# --- segments -----------------------------------------------------------------------------------------------------


def put_trace_segments(parameters: dict) -> dict:
    refused = []
    for text in parameters.get("TraceSegmentDocuments", []):
        try:
            segment = json.loads(text)
            segment["trace_id"], segment["id"]
        except (ValueError, KeyError, TypeError):
            refused.append({"ErrorCode": "ParseError", "Message": "Invalid segment. ErrorCode: ParseError"})
            continue
        keep(segment)
    return {"UnprocessedTraceSegments": refused}


def keep(segment: dict) -> None:
    """Takes a segment of the account and Region that are being served. With Transaction Search it is none of X-Ray's."""
    if _destination()[0] == "XRay":
        _traces.setdefault(segment["trace_id"], {})[segment["id"]] = segment


def get_destination(parameters: dict) -> dict:
    destination, done = _destination()
    return {"Destination": destination, "Status": "ACTIVE" if time.time() >= done else "PENDING"}


def update_destination(parameters: dict) -> dict:
    wanted = parameters.get("Destination")
    if wanted not in ("XRay", "CloudWatchLogs"):
        raise Refused("Destination is neither XRay nor CloudWatchLogs")
    if wanted != _destination()[0]:
        _destinations[""] = [wanted, time.time() + CHANGE_SECONDS]
    return get_destination({})


def _destination() -> list:
    return _destinations.get("") or ["XRay", 0.0]


# --- summaries ----------------------------------------------------------------------------------------------------


def get_trace_summaries(parameters: dict) -> dict:
    """Traces that began within a time range of at most a day, both ends included, the newest first."""
    start, end = float(parameters.get("StartTime", 0)), float(parameters.get("EndTime", 0))
    if not start <= end:
        raise Refused("StartTime must be before EndTime")
    if end - start > LONGEST_RANGE_SECONDS:
        raise Refused("Time range cannot be longer than 24 hours")
    wanted = _filter(parameters.get("FilterExpression") or "")
    digest = hashlib.sha256(json.dumps([start, end, parameters.get("FilterExpression")]).encode()).hexdigest()[:16]
    found = []
    for trace_id, segments in list(_traces.items()):
        began = min(segment.get("start_time", 0) for segment in segments.values())
        if start <= began <= end and wanted(segments.values()):
            found.append((began, trace_id))
    found.sort(reverse=True)
    if token := parameters.get("NextToken"):
        after = _read_token(token, digest)
        found = [place for place in found if list(place) < after]
    page = found[:SUMMARIES_A_PAGE]
    answer = {"TraceSummaries": [_summary(trace_id, list(_traces[trace_id].values()), began) for began, trace_id in page],
              "ApproximateTime": page[-1][0] if page else end, "TracesProcessedCount": len(page)}
    if len(found) > len(page):
        answer["NextToken"] = base64.b64encode(json.dumps([digest, list(page[-1])]).encode()).decode()
    return answer


def _read_token(token: str, digest: str):
    try:
        bound, content = json.loads(base64.b64decode(token))
    except ValueError:
        raise Refused("Invalid NextToken") from None
    if bound != digest:
        raise Refused("Invalid NextToken")
    return content


def _filter(expression: str):
    """Knows `service("X")` and `service(id(name: "X", type: "T"))`, joined by AND and OR; refuses the rest."""
    alternatives = []
    for alternative in re.split(r"\s+OR\s+", expression.strip()) if expression.strip() else []:
        terms = []
        for term in re.split(r"\s+AND\s+", alternative):
            found = re.fullmatch(r'\s*service\(\s*(?:"([^"]*)"|id\(\s*name:\s*"([^"]*)"\s*(?:,\s*type:\s*"([^"]*)"\s*)?\))\s*\)\s*', term)
            if found is None:
                raise Refused(f"Invalid filter expression: {expression}")
            terms.append((found.group(1) if found.group(1) is not None else found.group(2), found.group(3)))
        alternatives.append(terms)

    def matches(segments) -> bool:
        known = {(segment.get("name"), segment.get("origin")) for segment in segments}
        return not alternatives or any(
            all(any(name == term[0] and term[1] in (None, origin) for name, origin in known) for term in terms)
            for terms in alternatives)

    return matches


def _summary(trace_id: str, segments: list[dict], began: float) -> dict:
    ended = max(segment.get("end_time", segment.get("start_time", 0)) for segment in segments)
    roots = [segment for segment in segments if "parent_id" not in segment] or segments
    http = roots[0].get("http", {})
    services = [{"Name": segment.get("name"), "Type": segment.get("origin", "client"), "Names": [segment.get("name")]}
                for segment in segments]
    return {
        "Id": trace_id, "StartTime": began, "Duration": round(ended - began, 3),
        "ResponseTime": round(roots[0].get("end_time", began) - roots[0].get("start_time", began), 3),
        "HasFault": any(segment.get("fault", False) for segment in segments),
        "HasError": any(segment.get("error", False) for segment in segments),
        "HasThrottle": any(segment.get("throttle", False) for segment in segments),
        "IsPartial": any(segment.get("in_progress", False) for segment in segments),
        "Http": {name: value for name, value in {
            "HttpURL": http.get("request", {}).get("url"), "HttpMethod": http.get("request", {}).get("method"),
            "HttpStatus": http.get("response", {}).get("status")}.items() if value is not None},
        "ServiceIds": services, "EntryPoint": services[segments.index(roots[0])], "Revision": 1,
        "ResourceARNs": [{"ARN": arn} for arn in dict.fromkeys(
            segment["resource_arn"] for segment in segments if segment.get("resource_arn"))],
    }


# --- whole traces -------------------------------------------------------------------------------------------------


def batch_get_traces(parameters: dict) -> dict:
    """Up to five traces. Nothing is found while segments go to CloudWatch Logs, that is with Transaction Search."""
    wanted = parameters.get("TraceIds") or []
    if not 1 <= len(wanted) <= 5:
        raise Refused("TraceIds: between 1 and 5 are allowed")
    digest, begin = hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16], 0
    if token := parameters.get("NextToken"):
        begin = _read_token(token, digest)
    indexed = _destination()[0] == "XRay"
    found = [(trace_id, _traces[trace_id]) for trace_id in wanted if indexed and trace_id in _traces]
    answer = {"Traces": [_trace(trace_id, segments) for trace_id, segments in found[begin:begin + TRACES_A_PAGE]],
              "UnprocessedTraceIds": [] if begin or not indexed else [
                  trace_id for trace_id in wanted if trace_id not in _traces]}
    if begin + TRACES_A_PAGE < len(found):
        answer["NextToken"] = base64.b64encode(json.dumps([digest, begin + TRACES_A_PAGE]).encode()).decode()
    return answer


def _trace(trace_id: str, segments: dict) -> dict:
    began = min(segment.get("start_time", 0) for segment in segments.values())
    ended = max(segment.get("end_time", began) for segment in segments.values())
    return {"Id": trace_id, "Duration": round(ended - began, 3), "LimitExceeded": False,
            "Segments": [{"Id": id, "Document": json.dumps(document)} for id, document in list(segments.items())]}
