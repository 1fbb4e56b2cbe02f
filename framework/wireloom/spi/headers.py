"""Names of our own headers, and what makes a header legal."""

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ATTEMPT",
    "CONTENT_TYPE",
    "CORRELATION",
    "DEADLINE",
    "ERROR",
    "ID",
    "KEY",
    "KIND",
    "REPLY_TO",
    "SENT",
    "TRACEPARENT",
    "TRACESTATE",
    "bounded_int",
    "check_headers",
]

CONTENT_TYPE: Final = "content-type"
ID: Final = "wl-id"
CORRELATION: Final = "wl-correlation-id"
ATTEMPT: Final = "wl-attempt"
KEY: Final = "wl-key"
DEADLINE: Final = "wl-deadline-ms"
"""Milliseconds that remained when the message was published."""
SENT: Final = "wl-sent-ms"
"""When it was published, in milliseconds since the epoch; written by transports whose broker
keeps no time of its own."""
ERROR: Final = "wl-error"
KIND: Final = "wl-kind"
"""What a message to an inbox is, where the wire has no other place for it: the Kind's name in
lower case."""
REPLY_TO: Final = "wl-reply-to"
"""The inbox, where the wire has no other place for it."""
TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"

MAX_HEADERS: Final = 64
MAX_BYTES: Final = 8192
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that some broker would garble, or that are ours.

    :raises ValueError: naming the header and what is wrong with it; TypeError for what is no text.
    """
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"{len(headers)} headers; at most {MAX_HEADERS} are carried")
    size = 0
    for name, value in headers.items():
        _check_header(name, value)
        size += len(name) + len(value.encode())
    if size > MAX_BYTES:
        raise ValueError(f"headers take {size} bytes; at most {MAX_BYTES} are carried")


def _check_header(name: str, value: str) -> None:
    if not isinstance(name, str) or not name or not _NAME.issuperset(name):
        raise ValueError(f"header name {name!r}: lower-case ASCII letters, digits, '-', '_', '.'")
    if name.startswith("wl-"):
        raise ValueError(f"header name {name!r}: names that begin with 'wl-' are Wireloom's own")
    if not isinstance(value, str):
        raise TypeError(f"header {name!r} must be text, not {type(value).__name__}")
    if any(char < " " or char == "\x7f" for char in value):
        raise ValueError(f"header {name!r} holds a control character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"header {name!r} holds half a surrogate pair") from None


def bounded_int(text: str | None, low: int, high: int) -> int | None:
    """Return the number in a header that anybody may have written, or None if it is not one."""
    if text is None or len(text) > 19 or not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if low <= number <= high else None
