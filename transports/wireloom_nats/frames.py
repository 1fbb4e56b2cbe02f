"""The two frames that are written and read for every message: headers, and publishing.

The driver's own ways cost as much as the rest of a request together; these are a single pass each.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from wireloom.errors import PublishError
from wireloom.spi.headers import (
    CONTENT_TYPE,
    CORRELATION,
    DEADLINE,
    ID,
    KEY,
    KIND,
    REPLY_TO,
    SENT,
    TRACEPARENT,
)

__all__ = ["Arrival", "from_driver", "header_lines", "publish_frame", "read_headers"]

_LINE: Final = "NATS/1.0"
_AROUND: Final = len(_LINE) + 4
"""Bytes of a header block beside its lines."""
_KNOWN: Final = frozenset(
    {CONTENT_TYPE, CORRELATION, DEADLINE, ID, KEY, KIND, REPLY_TO, SENT, TRACEPARENT}
)
"""Names that most messages have, read without looking at their letters."""
DESCRIPTION: Final = "description"
"""The name under which a status line's text stands among the headers."""


class Arrival(NamedTuple):
    """One message as the server sent it. `status` is 0 unless the server itself speaks."""

    subject: str
    reply: str
    status: int
    headers: dict[str, str]
    body: bytes


def read_headers(block: bytes) -> tuple[int, dict[str, str]]:
    """Return status and headers of a header block; names in lower case, the last of a name wins.

    Anybody may have written it: what is no header line is left out.
    """
    lines = block.decode("utf-8", "replace").split("\r\n")
    first = lines.pop(0)
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name in _KNOWN:
            headers[name] = value
        elif line:
            _read_line(line, headers)
    if first == _LINE:
        return 0, headers
    return _status(first[len(_LINE) :].strip(), headers), headers


def from_driver(headers: Mapping[str, str] | None) -> tuple[int, dict[str, str]]:
    """Return the same of headers that the driver has parsed, for clients that are not ours."""
    found = {name.lower(): value for name, value in (headers or {}).items()}
    status = found.pop("status", "0")
    return (int(status) if status.isdigit() else 0), found


def header_lines(headers: Mapping[str, str]) -> str:
    """Return headers as lines.

    :raises PublishError: if one would end its line early.
    """
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise PublishError("a header holds a line break")
    return lines


def publish_frame(subject: str, reply: str, lines: str, body: bytes) -> tuple[bytes, int]:
    """Return the frame, and how many bytes of it the server counts as payload."""
    size = len(body)
    if not lines:
        return b"%b%b\r\n" % (f"PUB {subject} {reply} {size}\r\n".encode(), body), size
    block = _AROUND + (len(lines) if lines.isascii() else len(lines.encode()))
    size += block
    head = f"HPUB {subject} {reply} {block} {size}\r\n{_LINE}\r\n{lines}\r\n"
    return b"%b%b\r\n" % (head.encode(), body), size


def _read_line(line: str, headers: dict[str, str]) -> None:
    name, colon, value = line.partition(":")
    if colon and " " not in name:
        headers[name.lower()] = value[1:] if value[:1] == " " else value


def _status(line: str, headers: dict[str, str]) -> int:
    code, _, text = line.partition(" ")
    headers[DESCRIPTION] = text
    return int(code) if code.isascii() and code.isdigit() else 0
