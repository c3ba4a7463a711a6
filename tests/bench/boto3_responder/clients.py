"""The service clients: made once for each process, the seldom ones when they are first wanted."""

import os
import threading

import boto3
from botocore.config import Config

# Six artifacts at a time, as coldcase, and the parts of an upload beside them.
CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=4, read_timeout=60,
                max_pool_connections=16)

_session = boto3.session.Session(region_name=os.environ["AWS_REGION"])
_seldom: dict = {}
_making = threading.Lock()


def _client(service: str):
    return _session.client(service, config=CONFIG)


# Every event needs these; Lambda gives a process the most power before its first invocation.
functions, s3, kms, iam, logs = map(_client, ("lambda", "s3", "kms", "iam", "logs"))


def seldom(service: str):
    """A client that not every event needs. Making one is not thread-safe; using it is."""
    with _making:
        if service not in _seldom:
            _seldom[service] = _client(service)
        return _seldom[service]
