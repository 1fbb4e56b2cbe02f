"""AMQP's basic properties, in bytes: the part of a message that is read and written most."""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from pamqp import decode

__all__ = ["Properties", "decode_properties", "encode_properties"]

Table = Mapping[str, object]

_SHORT: Final = struct.Struct(">H")
_LONG: Final = struct.Struct(">I")
_LONG_LONG: Final = struct.Struct(">Q")
_TEXT: Final = ord("S")


class Properties:
    """Those of AMQP's properties that Wireloom uses; None: absent."""

    __slots__ = (
        "content_type",
        "correlation_id",
        "delivery_mode",
        "expiration",
        "headers",
        "message_id",
        "priority",
        "reply_to",
        "timestamp",
        "type",
    )

    def __init__(
        self,
        *,
        content_type: str | None = None,
        headers: Table | None = None,
        delivery_mode: int | None = None,
        priority: int | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        expiration: str | None = None,
        message_id: str | None = None,
        type: str | None = None,
    ) -> None:
        self.content_type = content_type
        self.headers = headers
        """Text values only are written; what was read may hold anything AMQP knows."""
        self.delivery_mode = delivery_mode
        self.priority = priority
        self.correlation_id = correlation_id
        self.reply_to = reply_to
        self.expiration = expiration
        """Milliseconds, as text."""
        self.message_id = message_id
        self.timestamp: int | None = None
        """Seconds since the epoch; read only."""
        self.type = type


def encode_properties(properties: Properties) -> bytes:
    """Return flags and values as they stand in a content header.

    :raises ValueError: if a short text is over 255 bytes.
    """
    flags = 0
    parts = [b""]
    for name, flag, encode in _WRITTEN:
        value = getattr(properties, name)
        if value is not None:
            flags |= flag
            parts.append(encode(value))
    parts[0] = _SHORT.pack(flags)
    return b"".join(parts)


def decode_properties(payload: bytes, start: int) -> Properties:
    """Return what the flags and values from `start` on mean.

    :raises Exception: of several kinds, if they are not well-formed; a broker checks them first.
    """
    (flags,) = _SHORT.unpack_from(payload, start)
    properties = Properties()
    at = start + 2
    for name, read in _layout(flags):
        value, at = read(payload, at)
        if name is not None:
            setattr(properties, name, value)
    return properties


@lru_cache(maxsize=1024)
def short_text(text: str) -> bytes:
    """Return AMQP's short string.

    :raises ValueError: if it is over 255 bytes.
    """
    encoded = text.encode()
    if len(encoded) > 255:
        raise ValueError(f"{text[:40]!r}… is over 255 bytes")
    return bytes((len(encoded),)) + encoded


def read_short_text(payload: bytes, at: int) -> tuple[str, int]:
    """Return the short string at a position, and the position after it."""
    end = at + 1 + payload[at]
    return payload[at + 1 : end].decode("utf-8", "replace"), end


def _octet(value: int) -> bytes:
    return bytes((value,))


def _table(headers: Table) -> bytes:
    parts = [b""]
    for name, value in headers.items():
        encoded = str(value).encode()
        parts += (short_text(name), b"S", _LONG.pack(len(encoded)), encoded)
    size = sum(map(len, parts))
    parts[0] = _LONG.pack(size)
    return b"".join(parts)


def _read_octet(payload: bytes, at: int) -> tuple[int, int]:
    return payload[at], at + 1


def _read_timestamp(payload: bytes, at: int) -> tuple[int, int]:
    return _LONG_LONG.unpack_from(payload, at)[0], at + 8


def _read_table(payload: bytes, at: int) -> tuple[dict[str, object], int]:
    start = at
    (size,) = _LONG.unpack_from(payload, at)
    at += 4
    end = at + size
    headers: dict[str, object] = {}
    while at < end:
        name, at = read_short_text(payload, at)
        if payload[at] != _TEXT:  # numbers, nested tables: rare, and the driver's business
            return dict(decode.field_table(payload[start:end])[1]), end
        (length,) = _LONG.unpack_from(payload, at + 1)
        at += 5 + length
        headers[name] = payload[at - length : at].decode("utf-8", "replace")
    return headers, end


_Read = Callable[[bytes, int], tuple[object, int]]

_WRITTEN: Final[tuple[tuple[str, int, Callable[..., bytes]], ...]] = (
    ("content_type", 0x8000, short_text),
    ("headers", 0x2000, _table),
    ("delivery_mode", 0x1000, _octet),
    ("priority", 0x0800, _octet),
    ("correlation_id", 0x0400, short_text),
    ("reply_to", 0x0200, short_text),
    ("expiration", 0x0100, short_text),
    ("message_id", 0x0080, short_text),
    ("type", 0x0020, short_text),
)
_READ: Final[tuple[tuple[int, str | None, _Read], ...]] = (
    (0x8000, "content_type", read_short_text),
    (0x4000, None, read_short_text),  # content encoding
    (0x2000, "headers", _read_table),
    (0x1000, "delivery_mode", _read_octet),
    (0x0800, "priority", _read_octet),
    (0x0400, "correlation_id", read_short_text),
    (0x0200, "reply_to", read_short_text),
    (0x0100, "expiration", read_short_text),
    (0x0080, "message_id", read_short_text),
    (0x0040, "timestamp", _read_timestamp),
    (0x0020, "type", read_short_text),
    (0x0010, None, read_short_text),  # user id
    (0x0008, None, read_short_text),  # application id
    (0x0004, None, read_short_text),  # cluster id
)


@lru_cache(maxsize=256)
def _layout(flags: int) -> tuple[tuple[str | None, _Read], ...]:
    return tuple((name, read) for flag, name, read in _READ if flags & flag)
