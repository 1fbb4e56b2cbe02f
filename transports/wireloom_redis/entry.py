"""How a message is laid out as a stream's entry: the field `body` beside one for each header."""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Final

from wireloom.spi import Kind, Message, StartFrom
from wireloom.spi.headers import ATTEMPT, MAX_HEADERS, SENT
from wireloom.spi.native import to_headers
from wireloom_redis.layout import message_of

__all__ = [
    "ADDRESS",
    "REPLAYED",
    "Fields",
    "before",
    "encode",
    "fields_of",
    "first_of",
    "headers_of",
    "milliseconds_of",
    "place",
    "to_message",
    "with_own",
]

Fields = list[bytes]
"""Names and values in turn, as the server sends them."""

_PLACE = re.compile(r"([0-9]+)(?:-([0-9]+))?")
BODY: Final = b"body"
REPLAYED: Final = "wl-replayed"
"""On an entry that was stored before its group began, or replayed on demand."""
ADDRESS: Final = "wl-address"
"""Where a dead letter was published to."""
_OWN = (b"wl-attempt", b"wl-sent-ms", b"wl-replayed", b"wl-address", b"wl-dead-")
_BESIDE = (ATTEMPT, SENT, REPLAYED, ADDRESS)
_MAX_FIELDS = 1000
"""Pairs of a foreign entry that are looked at and kept: a script cannot take more at once."""
_names: dict[bytes, str] = {}


def encode(message: Message) -> list[str | bytes]:
    """Return the fields of a message."""
    fields: list[str | bytes] = [BODY, message.body]
    for pair in to_headers(message).items():
        fields.extend(pair)
    return fields


def fields_of(message: Message) -> Fields:
    """Return the fields of a message as the server would send them."""
    return [part.encode() if isinstance(part, str) else part for part in encode(message)]


def headers_of(fields: Fields) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of an entry from anywhere; what is no text is left out."""
    body = b""
    headers: dict[str, str] = {}
    pairs = iter(fields)
    for name, value in islice(zip(pairs, pairs, strict=False), _MAX_FIELDS):
        if name == BODY:
            body = value
        elif len(headers) <= MAX_HEADERS * 2:
            try:
                headers[_names.get(name) or _name(name)] = value.decode()
            except UnicodeDecodeError:
                continue
    return body, headers


def to_message(address: str, fields: Fields) -> tuple[Message, dict[str, str]]:
    """Return the event that an entry means, and what a script of ours wrote beside it."""
    body, headers = headers_of(fields)
    own = {name: headers.pop(name) for name in _BESIDE if name in headers}
    return message_of(Kind.EVENT, address, body, headers), own


def with_own(fields: Fields, own: Mapping[str, str]) -> list[str | bytes]:
    """Return an entry's fields for another entry, with these of ours in place of any it has."""
    kept: list[str | bytes] = []
    for pair in own.items():  # first, where they are found whatever else there is
        kept += pair
    for at in range(0, min(len(fields), 2 * _MAX_FIELDS) - 1, 2):
        if not fields[at].lower().startswith(_OWN):
            kept += fields[at : at + 2]
    return kept


def milliseconds_of(entry_id: str) -> int:
    """Return when an entry was added, in milliseconds since the epoch by the server's clock."""
    return int(entry_id.partition("-")[0])


def place(entry_id: str) -> tuple[int, int]:
    """Return what entries are ordered by."""
    milliseconds, _, rest = entry_id.partition("-")
    return int(milliseconds), int(rest or 0)


def first_of(start: StartFrom) -> str | None:
    """Return the first entry id that a start means, or None for "new" and "last".

    :raises ValueError: if it means no place in a stream.
    """
    if start in ("new", "last"):
        return None
    if start == "first":
        return "0-1"
    if isinstance(start, datetime):
        return f"{int(start.timestamp() * 1000)}-0"
    found = _PLACE.fullmatch(str(start))
    if found is None:
        raise ValueError(f"{start!r} is no place in a stream")
    return f"{found[1]}-{found[2] or 0}"


def before(entry_id: str) -> str:
    """Return the id just before an entry's: reading after it begins with the entry."""
    milliseconds, rest = place(entry_id)
    if rest:
        return f"{milliseconds}-{rest - 1}"
    return f"{milliseconds - 1}-18446744073709551615" if milliseconds else "0-0"


def _name(raw: bytes) -> str:
    name = raw.decode().lower()
    if len(_names) < 1000:  # names come from anywhere
        _names[raw] = name
    return name
