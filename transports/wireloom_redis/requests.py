"""Sending requests: to the channel of one live instance, or to nobody, and then at once."""

from collections.abc import Callable
from typing import Any

import hiredis

from wireloom.errors import NoHandlerError, TransportError
from wireloom.spi import Kind, Message, Receipt, Receive
from wireloom.spi.headers import DEADLINE, ERROR, SENT
from wireloom_redis import frame
from wireloom_redis.clock import ServerClock
from wireloom_redis.link import pack
from wireloom_redis.members import Members
from wireloom_redis.session import Session
from wireloom_redis.tasks import Tasks

__all__ = ["Requests"]

_HANDED_OVER = Receipt("", "redis")


class Requests:
    """Sends each request to one channel. The server tells how many listen to it: where that is
    nobody, the request goes to the next one, so that exactly one live instance gets it.
    """

    def __init__(
        self, session: Session, members: Members, server: ServerClock, tasks: Tasks
    ) -> None:
        self.session = session
        self.members = members
        self.tasks = tasks
        self.receive: Receive = _unopened
        self._server = server

    async def send(self, message: Message) -> Receipt:
        """Send a request; that nobody took it after all may come to the inbox later.

        :raises NoHandlerError: if no live instance handles it.
        :raises TransportError: if it was not sent.
        """
        ring = self.members.known(message.address)
        asked = ring is None
        if ring is None:
            ring = await self.members.ask(message.address)
        if not ring.channels:
            raise NoHandlerError(f"nobody handles {message.address!r}")
        _Sending(self, message, self._encoded(message), ring.turn(), ring.drop, asked).next()
        link = self.session.link
        if link.is_full:
            await link.drained()
        return _HANDED_OVER

    def _encoded(self, message: Message) -> bytes:
        more = {frame.ADDRESS: message.address}
        if DEADLINE in message.headers:
            more[SENT] = str(int(self._server.now_ms()))
        return frame.encode(message, more)


class _Sending:
    """One request on its way to the first channel that somebody listens to."""

    __slots__ = (
        "_asked",
        "_channel",
        "_channels",
        "_data",
        "_drop",
        "_message",
        "_requests",
        "_tried",
    )

    def __init__(
        self,
        requests: Requests,
        message: Message,
        data: bytes,
        channels: list[str],
        drop: Callable[[str], None],
        asked: bool,
    ) -> None:
        self._requests = requests
        self._message = message
        self._data = data
        self._channels = channels
        self._drop = drop
        self._asked = asked
        self._tried: set[str] | None = None
        self._channel = ""

    def next(self) -> None:
        """Send it to the next channel.

        :raises ConnectionLostError: if the connection is down.
        """
        self._channel = self._channels.pop(0)
        command = pack(("PUBLISH", self._channel, self._data))
        self._requests.session.link.send(command, self._answered)

    def _answered(self, heard: Any) -> None:
        if isinstance(heard, hiredis.ReplyError):
            self._fail("UNAVAILABLE", str(heard))
        elif heard == 0:
            self._drop(self._channel)
            self._tried = (self._tried or set()) | {self._channel}
            self._go_on()

    def _go_on(self) -> None:
        try:
            if self._channels:
                self.next()
            elif self._asked:
                self._fail("UNIMPLEMENTED", f"nobody handles {self._message.address!r}")
            else:
                self._requests.tasks.start(f"asking for {self._message.address}", self._ask)
        except TransportError as error:
            self._fail("UNAVAILABLE", str(error))

    async def _ask(self) -> None:
        self._asked = True
        try:
            ring = await self._requests.members.ask(self._message.address)
        except TransportError as error:
            self._fail("UNAVAILABLE", str(error))
            return
        tried = self._tried or ()
        self._channels = [channel for channel in ring.turn() if channel not in tried]
        self._go_on()

    def _fail(self, code: str, text: str) -> None:
        headers = {ERROR: code}
        message = Message(Kind.ERROR, "", text.encode(), headers, self._message.id)
        self._requests.receive(message)


def _unopened(message: Message) -> None:
    """Take no notice: no inbox was opened."""
