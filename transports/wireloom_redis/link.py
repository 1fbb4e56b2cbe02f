"""One connection: commands leave together once a loop turn, answers come back in order."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import hiredis

from wireloom.errors import ConnectionLostError
from wireloom_redis.failures import RefusedError

__all__ = ["Link", "Slot", "pack"]

Slot = Callable[[Any], None]
"""Takes one answer, or the error that stands for it; on the loop's thread. Never raises."""

pack: Callable[[tuple[Any, ...]], bytes] = hiredis.pack_command
"""Packs a command. (The driver's own annotation allows one part only.)"""

_MORE = object()
_ELSEWHERE = ("READONLY", "MOVED", "LOADING", "MASTERDOWN", "CLUSTERDOWN")
"""Errors after which the server to talk to must be looked for again: failover, resharding."""
_CONFIRMS = frozenset({b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe"})


class Link(asyncio.Protocol):
    """A RESP3 connection that the driver has opened and handed over.

    A command's answer goes to its slot. Confirmations of subscriptions count as answers, since
    the server sends them in the same order; published messages go to `push`. Once the connection
    is lost, every slot gets ConnectionLostError, then `lost` is called, once.
    """

    def __init__(
        self, push: Callable[[list[Any]], None], lost: Callable[[Exception | None], None]
    ) -> None:
        self._push = push
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._slots: deque[Slot] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self.is_full = False
        """Whether the socket takes no more for now."""

    def attach(self, writer: asyncio.StreamWriter) -> None:
        """Read and write this writer's transport from now on. The writer itself is kept, since it
        closes the transport when it is dropped.
        """
        self._writer = writer
        self._transport = cast("asyncio.Transport", writer.transport)
        self._transport.set_protocol(self)

    @property
    def is_up(self) -> bool:
        """Tell whether commands can be sent."""
        return self._transport is not None

    @property
    def unanswered(self) -> int:
        """Return how many commands wait for their answer."""
        return len(self._slots)

    def send(self, command: bytes, slot: Slot) -> None:
        """Send a packed command.

        :raises ConnectionLostError: if the connection is gone; nothing was sent.
        """
        if self._transport is None:
            raise ConnectionLostError("the connection to Redis is down", maybe_executed=False)
        self._slots.append(slot)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(command)

    def call(self, *command: str | bytes | int | float) -> "asyncio.Future[Any]":
        """Send a command; the future gets its answer, or RefusedError, or ConnectionLostError."""
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.send(pack(command), partial(_resolve, answer))
        return answer

    async def drained(self) -> None:
        """Wait until the socket takes more; returns at once when the connection is lost."""
        await self._writable.wait()

    def abort(self, reason: Exception) -> None:
        """Give the connection up at once."""
        if (transport := self._transport) is not None:
            transport.abort()
            self._end(reason)

    async def close(self) -> None:
        """Write what is waiting, then end the connection without calling `lost`."""
        if (transport := self._transport) is not None:
            self._flush()
            self._lost = _ignore
            transport.close()
            self._end(None)

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def data_received(self, data: bytes) -> None:
        """Hand out every answer that is complete."""
        reader = self._reader
        slots = self._slots
        try:
            reader.feed(data)
            while (answer := reader.gets()) is not _MORE:
                kind = type(answer)
                if kind is hiredis.PushNotification and answer[0] not in _CONFIRMS:
                    self._push(answer)
                    continue
                if slots:
                    slots.popleft()(answer)
                if kind is hiredis.ReplyError and str(answer).startswith(_ELSEWHERE):
                    self.abort(ConnectionLostError(f"this server takes no writes now: {answer}"))
        except hiredis.ProtocolError as error:
            self.abort(ConnectionLostError(f"Redis sent what is no RESP: {error}"))

    def eof_received(self) -> None:
        """Let the transport close itself."""

    def connection_lost(self, error: Exception | None) -> None:
        """Fail what waits for an answer."""
        self._end(error)

    def pause_writing(self) -> None:
        """Remember that the socket is full."""
        self.is_full = True
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let those go on that wait for the socket."""
        self.is_full = False
        self._writable.set()

    def _end(self, error: Exception | None) -> None:
        if self._transport is None:
            return
        self._transport = None
        self._out.clear()
        self._writable.set()
        while self._slots:
            lost = ConnectionLostError("the connection to Redis was lost")
            lost.__cause__ = error
            self._slots.popleft()(lost)
        self._lost(error)


def _resolve(answer: "asyncio.Future[Any]", value: Any) -> None:
    if answer.done():
        return
    if isinstance(value, hiredis.ReplyError):
        answer.set_exception(RefusedError(str(value)))
    elif isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)


def _ignore(error: Exception | None) -> None:
    """Take no notice: the connection ends because we ended it."""
