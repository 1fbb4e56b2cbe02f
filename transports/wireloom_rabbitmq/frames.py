"""The AMQP frames that make up a message and its confirmation, in bytes."""

import struct
from functools import lru_cache
from typing import Final

from wireloom_rabbitmq.properties import read_short_text, short_text

__all__ = [
    "ACK",
    "BODY",
    "DELIVER",
    "HEADER",
    "HEARTBEAT",
    "HEARTBEAT_FRAME",
    "METHOD",
    "NACK",
    "OVERHEAD",
    "RETURN",
    "ack_frame",
    "content_frames",
    "nack_frame",
    "publish_frame",
    "read_close",
    "read_confirm",
    "read_deliver",
    "read_return",
]

METHOD: Final = 1
HEADER: Final = 2
BODY: Final = 3
HEARTBEAT: Final = 8
END: Final = b"\xce"
OVERHEAD: Final = 8
"""Bytes of a frame beside its payload."""
HEARTBEAT_FRAME: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_BASIC: Final = 60 << 16
DELIVER: Final = _BASIC | 60
RETURN: Final = _BASIC | 50
ACK: Final = _BASIC | 80
NACK: Final = _BASIC | 120

_CLOSE: Final = b"\x00\x0a\x00\x32"

_FRAME: Final = struct.Struct(">BHI")
_PUBLISH: Final = struct.Struct(">IH")
_CONTENT: Final = struct.Struct(">HHQ")
_SETTLE: Final = struct.Struct(">BHIIQBB")
_TAG: Final = struct.Struct(">Q")
_CODE: Final = struct.Struct(">H")
_MANDATORY: Final = b"\x01"
_OPTIONAL: Final = b"\x00"


@lru_cache(maxsize=10_000)
def publish_frame(channel: int, exchange: str, key: str, *, mandatory: bool) -> bytes:
    """Return basic.publish, which content frames have to follow.

    :raises ValueError: if the key is over 255 bytes.
    """
    bits = _MANDATORY if mandatory else _OPTIONAL
    payload = _PUBLISH.pack(_BASIC | 40, 0) + short_text(exchange) + short_text(key) + bits
    return _FRAME.pack(METHOD, channel, len(payload)) + payload + END


def content_frames(channel: int, properties: bytes, body: bytes, frame_max: int) -> bytes:
    """Return the header of a message and its body, cut to the size that the broker takes."""
    size = len(body)
    parts = [
        _FRAME.pack(HEADER, channel, 12 + len(properties)),
        _CONTENT.pack(60, 0, size),
        properties,
        END,
    ]
    step = frame_max - OVERHEAD
    for start in range(0, size, step):
        piece = body if size <= step else body[start : start + step]
        parts += (_FRAME.pack(BODY, channel, len(piece)), piece, END)
    return b"".join(parts)


def ack_frame(channel: int, tag: int, *, multiple: bool = False) -> bytes:
    """Return basic.ack; `multiple` settles all up to the tag."""
    return _SETTLE.pack(METHOD, channel, 13, ACK, tag, multiple, 0xCE)


def nack_frame(channel: int, tag: int, *, requeue: bool) -> bytes:
    """Return basic.nack of one delivery."""
    return _SETTLE.pack(METHOD, channel, 13, NACK, tag, 2 if requeue else 0, 0xCE)


def read_deliver(payload: bytes, at: int) -> tuple[str, int, bool, str, str]:
    """Return consumer tag, delivery tag, whether it was delivered before, exchange, routing key."""
    consumer, at = read_short_text(payload, at)
    (tag,) = _TAG.unpack_from(payload, at)
    redelivered = bool(payload[at + 8])
    exchange, at = read_short_text(payload, at + 9)
    key, _ = read_short_text(payload, at)
    return consumer, tag, redelivered, exchange, key


def read_return(payload: bytes, at: int) -> tuple[int, str, str, str]:
    """Return reply code, reply text, exchange, routing key."""
    (code,) = _CODE.unpack_from(payload, at)
    text, at = read_short_text(payload, at + 2)
    exchange, at = read_short_text(payload, at)
    key, _ = read_short_text(payload, at)
    return code, text, exchange, key


def read_close(frame: bytes) -> tuple[int, str] | None:
    """Return why the broker closes the connection, if that is what this frame does."""
    if frame[7:11] != _CLOSE or len(frame) < 15:
        return None
    (code,) = _CODE.unpack_from(frame, 11)
    return code, read_short_text(frame, 13)[0]


def read_confirm(payload: bytes, at: int) -> tuple[int, bool]:
    """Return delivery tag, and whether it stands for all before it too."""
    (tag,) = _TAG.unpack_from(payload, at)
    return tag, bool(payload[at + 8] & 1)
