"""Reading what the server sends, message by message without the driver's patterns."""

from collections.abc import Callable
from typing import Any, Final

from nats.errors import ProtocolError
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

__all__ = ["DirectParser"]

Take = Callable[[int, bytes, bytes, bytes, bytes | None], bool]

LONGEST_LINE: Final = 4096
"""Bytes of a message's first line, as the server itself bounds it."""
LONGEST_INFO: Final = 1 << 20
"""Bytes of any other line: the list of a cluster's servers can be long."""
_KINDS: Final = (b"MSG", b"HMSG")
SPARE: Final = 1 << 16
"""Bytes that a message may be larger than what the server says that it takes."""


class DirectParser(Parser):
    """Takes messages apart by itself and leaves every other line to the driver's parser."""

    def __init__(self, client: Any, take: Take) -> None:
        """`take` is offered each message; one that it does not want goes to the client."""
        super().__init__(client)
        self.take = take

    async def parse(self, data: bytes = b"") -> None:
        """Read more bytes.

        :raises ProtocolError: if they are no message of a sane server's.
        """
        if self.state != AWAITING_CONTROL_LINE:  # the driver's parser is inside a message
            await self._leave_to_driver(data)
            return
        self.buf.extend(data)
        position = await self._read_messages()
        if position:
            del self.buf[:position]
        if bytes(self.buf[:1]) not in (b"M", b"H", b""):
            await self._leave_to_driver(b"")

    async def _leave_to_driver(self, data: bytes) -> None:
        try:
            await super().parse(data)
        except (
            ValueError,
            TypeError,
            AttributeError,
            KeyError,
        ) as error:  # it would end its reader
            raise ProtocolError from error
        if self.state == AWAITING_CONTROL_LINE and len(self.buf) > LONGEST_INFO:
            raise ProtocolError

    async def _read_messages(self) -> int:
        """Hand over all whole messages at the front; return where they end."""
        buffer = self.buf
        limit: int = self.nc.max_payload + SPARE
        process: Any = self.nc._process_msg
        position = 0
        while (end := buffer.find(b"\r\n", position)) >= 0:
            words = bytes(buffer[position:end]).split()
            if not words or words[0] not in _KINDS:
                return position
            start = end + 2
            sid, reply, block, size = _sizes(words)
            if not 0 <= block <= size <= limit:
                raise ProtocolError
            ends = start + size
            if len(buffer) < ends + 2:
                return position
            headers = bytes(buffer[start : start + block]) if block else None
            body = bytes(buffer[start + block : ends])
            position = ends + 2
            if not self.take(sid, words[1], reply, body, headers):
                await process(sid, words[1], reply, body, headers)
        if len(buffer) - position > LONGEST_LINE and buffer[position : position + 1] in b"MH":
            raise ProtocolError
        return position


def _sizes(words: list[bytes]) -> tuple[int, bytes, int, int]:
    """Return subscription, reply subject, size of the headers and of all of a first line."""
    try:
        match words:
            case [b"HMSG", _, sid, reply, block, size]:
                return int(sid), reply, int(block), int(size)
            case [b"HMSG", _, sid, block, size]:
                return int(sid), b"", int(block), int(size)
            case [b"MSG", _, sid, reply, size]:
                return int(sid), reply, 0, int(size)
            case [b"MSG", _, sid, size]:
                return int(sid), b"", 0, int(size)
    except ValueError:
        pass
    raise ProtocolError
