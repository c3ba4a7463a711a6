"""Links like AWS's presigned ones: whoever holds one may fetch those very bytes, for ten minutes."""

import hashlib
import os
import secrets
import threading
import time
from datetime import datetime, timezone

LIFETIME = 600

_links: dict[str, tuple[bytes, float]] = {}
_lock = threading.Lock()


def link(content: bytes) -> str:
    """A URL under which exactly these bytes can be fetched, whatever becomes of the resource meanwhile."""
    token, now = secrets.token_hex(16), time.time()
    with _lock:
        for old in [old for old, (_, expires) in _links.items() if expires < now]:
            del _links[old]
        _links[token] = (content, now + LIFETIME)
    date = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return (f"{os.environ['AWS_ENDPOINT_URL']}/_account/download/{token}?versionId={token[:16]}"
            f"&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-SignedHeaders=host&X-Amz-Expires={LIFETIME}"
            f"&X-Amz-Security-Token={secrets.token_hex(24)}&X-Amz-Signature={hashlib.sha256(token.encode()).hexdigest()}")


def content(token: str) -> bytes | None:
    with _lock:
        found = _links.get(token)
    return found[0] if found and found[1] > time.time() else None
