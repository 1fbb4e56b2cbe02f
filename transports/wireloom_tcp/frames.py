"""Frames: what they are called, how they begin, how they are written. See docs/tcp-protocol.md."""

import enum
import struct
from typing import Final

__all__ = [
    "FRAME_HEAD",
    "FRAME_START",
    "IGNORABLE",
    "MAGIC",
    "MAX_BLOCK",
    "MAX_ID",
    "PREFIX",
    "REFUSED",
    "REMOVE",
    "RESENT",
    "START_SIZE",
    "VERSION",
    "Code",
    "FrameType",
    "ProtocolError",
    "frame",
    "max_length",
]

MAGIC: Final = 0x574C
VERSION: Final = 1
PREFIX: Final = b"WL\x01"
"""Magic and version: how every frame begins."""

FRAME_HEAD: Final = struct.Struct(">HBBHII")
"""Magic, version, type, flags, stream, length: 14 bytes, enough to refuse a frame."""
FRAME_START: Final = struct.Struct(">3sBHIIHB")
"""Magic and version as one, type, flags, stream, length, and the sizes of header block and id: 17
bytes, which every frame has."""
START_SIZE: Final = FRAME_START.size

MAX_BLOCK: Final = 8192
MAX_ID: Final = 255

IGNORABLE: Final = 0x8000
"""On a type the receiver does not know: skip it."""
RESENT: Final = 0x0001
"""On EVENT: it was sent before, on a connection that was lost."""
REFUSED: Final = 0x0001
"""On ERROR: the request was not run and may be sent elsewhere."""
REMOVE: Final = 0x0001
"""On INTEREST: the subscription has ended."""


class FrameType(enum.IntEnum):
    """What a frame is."""

    HELLO = 1
    HELLO_OK = 2
    AUTH = 3
    INTEREST = 4
    READY = 5
    REQUEST = 6
    REPLY = 7
    ITEM = 8
    END = 9
    ERROR = 10
    CANCEL = 11
    CREDIT = 12
    EVENT = 13
    ACCEPTED = 14
    SETTLED = 15
    RETURNED = 16
    ATTEMPT = 17
    PING = 18
    PONG = 19
    GOAWAY = 20


class Code(enum.StrEnum):
    """Why a connection ends, in the `wl-error` header of ERROR on stream 0 and of GOAWAY."""

    PROTOCOL_ERROR = "PROTOCOL_ERROR"
    UNSUPPORTED_VERSION = "UNSUPPORTED_VERSION"
    FRAME_TOO_LARGE = "FRAME_TOO_LARGE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    WRONG_NAMESPACE = "WRONG_NAMESPACE"
    SELF = "SELF"
    TOO_MANY_CONNECTIONS = "TOO_MANY_CONNECTIONS"
    ENHANCE_YOUR_CALM = "ENHANCE_YOUR_CALM"
    TIMEOUT = "TIMEOUT"
    DRAINING = "DRAINING"


class ProtocolError(Exception):
    """The peer broke the protocol; its connection ends. The text is safe to be sent to it."""

    def __init__(
        self, reason: str, code: Code = Code.PROTOCOL_ERROR, *, silent: bool = False
    ) -> None:
        self.reason = reason
        self.code = code
        self.silent = silent
        """Whether the peer does not even speak the protocol, so that nothing is answered."""
        super().__init__(f"{code}: {reason}")


def frame(
    kind: int,
    stream: int = 0,
    block: bytes = b"",
    ident: bytes = b"",
    body: bytes = b"",
    flags: int = 0,
) -> bytes:
    """Return a frame's bytes."""
    length = 3 + len(block) + len(ident) + len(body)
    start = FRAME_START.pack(PREFIX, kind, flags, stream, length, len(block), len(ident))
    return start + block + ident + body


def max_length(max_payload: int) -> int:
    """Return the largest `length` of a frame whose body takes at most so many bytes."""
    return 3 + MAX_BLOCK + MAX_ID + max_payload
