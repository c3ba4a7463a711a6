"""The Runtime API's loop, as Lambda's own Python runtime runs it: load the handler, then one invocation after the other."""

import http.client
import json
import os
import sys
import traceback
from types import SimpleNamespace

API = "/2018-06-01/runtime/invocation"


def run() -> None:
    import handler  # Everything the module sets up happens before the first poll.

    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", f"{API}/next")
        reply = connection.getresponse()
        request_id, event = reply.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(reply.read())
        try:
            kind, answer = "response", handler.handle(event, SimpleNamespace(aws_request_id=request_id))
        except Exception as failure:
            traceback.print_exc()
            kind, answer = "error", {"errorMessage": str(failure), "errorType": type(failure).__name__}
        connection.request("POST", f"{API}/{request_id}/{kind}", json.dumps(answer))
        connection.getresponse().read()
        sys.stdout.flush()
