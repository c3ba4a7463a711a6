"""multipart/form-data as it is uploaded to the API and as content/v2 answers it."""

import re
import secrets
from email.message import Message
from email.parser import BytesHeaderParser

from clouds.cloudflare.state import Module


def read(content_type: str, body: bytes) -> list[tuple[str, str | None, str, bytes]]:
    """(name, file name, media type, content) of each part, in the order received; ValueError if it is none."""
    kind = Message()
    kind["content-type"] = content_type
    boundary = kind.get_param("boundary")
    if kind.get_content_type() != "multipart/form-data" or not boundary:
        raise ValueError("not multipart/form-data with a boundary")
    delimiter = b"\r\n--" + str(boundary).encode("latin-1")
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise ValueError("the last boundary is missing")
    parts = []
    for piece in pieces[1:-1]:
        head, separator, content = piece.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesHeaderParser().parsebytes(head + b"\r\n\r\n")
        name = headers.get_param("name", header="content-disposition")
        if not separator or name is None:
            raise ValueError("a part without a name")
        parts.append((str(name), headers.get_filename(), headers.get("content-type", "text/plain"), content))
    return parts


def write(modules: list[Module]) -> tuple[str, bytes]:
    """(content type, body); the boundary is another one every time, as at Cloudflare."""
    boundary = secrets.token_hex(30)
    body = bytearray()
    for module in modules:
        name = re.sub(r'(["\\])', r"\\\1", module.name)
        body += (f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
                 f"Content-Type: {module.content_type}\r\n\r\n").encode()
        body += module.content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", bytes(body)
