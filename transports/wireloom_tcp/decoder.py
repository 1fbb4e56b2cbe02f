"""From bytes to frames, every limit checked before anything is kept."""

from collections.abc import Callable, Mapping
from typing import Final

from wireloom_tcp.frames import (
    FRAME_HEAD,
    FRAME_START,
    IGNORABLE,
    MAX_BLOCK,
    PREFIX,
    START_SIZE,
    Code,
    ProtocolError,
)

__all__ = ["SKIPPED", "FrameDecoder", "Sink", "Sinks"]

SKIPPED: Final = 256
"""No type on the wire: the sink that is told of frames that were skipped, if there is one."""

Sink = Callable[[int, int, bytes, bytes, bytes], None]
"""Takes flags, stream, header block, id and body. Raises ProtocolError or nothing."""
Sinks = Mapping[int, Sink]
"""What takes each type of frame. A type that is missing is refused or skipped."""


class FrameDecoder:
    """Cuts a stream of bytes into frames and hands each to the sink of its type.

    Bytes of at most one frame are kept between calls, plus what was fed while `stopped`. After a
    ProtocolError it is of no further use.
    """

    __slots__ = (
        "_chunks", "_held", "_limit", "_max_body", "_replaced", "_wanted", "kept", "sinks",
        "stopped",
    )  # fmt: skip

    def __init__(self, sinks: Sinks, *, length: int, body: int) -> None:
        self.sinks = sinks
        self._limit = length
        self._max_body = body
        self._replaced = False
        self.stopped = False
        """Whether to keep what comes instead of cutting it; a sink may set it at any time."""
        self.kept = 0
        """How often the beginning of a frame was kept: it changes at most twice for each frame."""
        self._chunks: list[bytes] = []
        self._held = 0
        self._wanted = 0

    def replace(self, sinks: Sinks, *, length: int, body: int) -> None:
        """From the next frame on, give frames to these sinks, of at most this `length` and with
        bodies of at most so many bytes. A sink may call it.
        """
        self.sinks = sinks
        self._limit = length
        self._max_body = body
        self._replaced = self.stopped = True

    @property
    def held(self) -> int:
        """Return how many bytes wait for the rest of their frame, or for `resume`."""
        return self._held

    def feed(self, data: bytes) -> None:
        """Take bytes as they came.

        :raises ProtocolError: if they cannot be frames, or a sink refused one.
        """
        if self._held:
            self._chunks.append(data)
            self._held += len(data)
            if self._held < self._wanted or self.stopped:
                return
            data = b"".join(self._chunks)
            self._chunks.clear()
            self._held = 0
        self._cut(data)

    def resume(self) -> None:
        """Go on after `stopped` with what was kept.

        :raises ProtocolError: as `feed` does.
        """
        self.stopped = False
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        self._cut(data)

    def _cut(self, data: bytes) -> None:
        position, end = 0, len(data)
        while end - position >= START_SIZE and not self.stopped:
            position = self._cut_alike(data, position, end)
            if self._replaced:
                self._replaced = self.stopped = False
            elif not self.stopped:
                break
        if position < end:
            self._keep(data[position:] if position else data)

    def _cut_alike(self, data: bytes, position: int, end: int) -> int:
        """Cut for as long as sinks and limits stay as they are; return how far that was."""
        unpack = FRAME_START.unpack_from
        limit, max_body, sinks = self._limit, self._max_body, self.sinks
        while end - position >= START_SIZE and not self.stopped:
            prefix, kind, flags, stream, length, block, ident = unpack(data, position)
            block_at = position + START_SIZE
            ident_at = block_at + block
            body_at = ident_at + ident
            after = position + 14 + length
            if (
                prefix != PREFIX
                or length > limit
                or block > MAX_BLOCK
                or body_at > after
                or after - body_at > max_body
            ):
                raise self._refusal(prefix, length, after - body_at)
            if after > end:
                break
            position = after
            sink = sinks.get(kind)
            if sink is None:
                self._skip(kind, flags)
            else:
                sink(
                    flags,
                    stream,
                    data[block_at:ident_at],
                    data[ident_at:body_at],
                    data[body_at:after],
                )
        return position

    def _keep(self, rest: bytes) -> None:
        """Keep the beginning of a frame, if it can be one."""
        self.kept += 1
        self._chunks.append(rest)
        self._held = len(rest)
        self._wanted = START_SIZE
        if self.stopped:
            self._wanted = 0
            return
        if rest[:3] != PREFIX[: len(rest)]:
            raise self._refusal(rest[:3], 0, 0)
        if len(rest) >= FRAME_HEAD.size:
            length = FRAME_HEAD.unpack_from(rest)[5]
            if not 3 <= length <= self._limit:
                raise self._refusal(PREFIX, length, 0)
            self._wanted = max(START_SIZE, FRAME_HEAD.size + length)

    def _skip(self, kind: int, flags: int) -> None:
        if not flags & IGNORABLE:
            raise ProtocolError(f"a frame of type {kind} has no place here")
        skipped = self.sinks.get(SKIPPED)
        if skipped is not None:
            skipped(flags, 0, b"", b"", b"")

    def _refusal(self, prefix: bytes, length: int, body: int) -> ProtocolError:
        if prefix[:2] != PREFIX[: min(2, len(prefix))]:
            return ProtocolError("these bytes are no frame", silent=True)
        if prefix != PREFIX[: len(prefix)]:
            return ProtocolError(
                f"version {prefix[2]} is not spoken here", Code.UNSUPPORTED_VERSION
            )
        if length > self._limit or body > self._max_body:
            return ProtocolError(
                f"a frame's length is at most {self._limit} here, its body {self._max_body} bytes",
                Code.FRAME_TOO_LARGE,
            )
        return ProtocolError("a frame's length does not hold what it says is inside")
