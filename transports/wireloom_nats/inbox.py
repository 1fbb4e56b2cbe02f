"""The one subscription by which everything comes back: replies, and what the server answers."""

import asyncio
from collections.abc import Mapping
from typing import Final

from wireloom.errors import ConnectionLostError, TransportError
from wireloom.spi import Kind, Message, Receive
from wireloom.spi.headers import ERROR, ID, KEY, KIND, REPLY_TO
from wireloom_nats.connection import Connection
from wireloom_nats.frames import Arrival
from wireloom_nats.names import Names

__all__ = ["NO_RESPONDERS", "Inbox", "NoAnswerError"]

NO_RESPONDERS: Final = 503
"""The status by which the server says that nobody listens on a subject."""
_KINDS: Final = {kind.name.lower(): kind for kind in Kind if kind >= Kind.REPLY}
_ASKED: Final = "a."
"""Begins the tokens of our own questions. A request's id is one token, so it cannot look so."""


class NoAnswerError(TransportError):
    """The server did not answer in time; whether it did what was asked is unknown."""


class Inbox:
    """Subjects `<inbox>.<token>`: a request's token is its id; a question's a number of ours."""

    def __init__(self, connection: Connection, names: Names, instance: str) -> None:
        self.address = names.inbox(instance)
        self._names = names
        self._connection = connection
        self._start = len(self.address) + 1
        self._receive: Receive | None = None
        self._asked: dict[str, asyncio.Future[Arrival]] = {}
        self._count = 0

    @property
    def server_version(self) -> tuple[int, int]:
        """Return major and minor version of the server on the other side."""
        return self._connection.server_version

    async def open(self) -> None:
        """Listen; live at the server on return."""
        await self._connection.listen(f"{self.address}.>", self._arrived)
        await self.echo(5.0)

    def hand_to(self, receive: Receive) -> None:
        """Give messages to this inbox to the core from now on."""
        self._receive = receive

    def lose(self) -> None:
        """Fail what waits for an answer: the connection that it would come by is gone."""
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if not future.done():
                future.set_exception(ConnectionLostError("the connection to NATS was lost"))

    async def ask(
        self,
        subject: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
    ) -> Arrival:
        """Send a message and return what answers it.

        :raises NoAnswerError: if nothing did in time.
        :raises TransportError: if it could not be sent, or the connection was lost.
        """
        self._count += 1
        token = f"{_ASKED}{self._count}"
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Arrival] = loop.create_future()
        self._asked[token] = future
        timer = loop.call_later(timeout, self._expire, token, subject)
        try:
            await self._connection.send(subject, body, headers, f"{self.address}.{token}")
            return await future
        finally:
            timer.cancel()
            self._asked.pop(token, None)
            if future.done() and not future.cancelled():
                future.exception()  # seen, also when sending had failed already

    async def echo(self, timeout: float) -> None:
        """Send ourselves a message: when it is back, the server has done all that came before.

        :raises TransportError: if it did not come back.
        """
        await self.ask(f"{self.address}.{_ASKED}{self._count + 1}", timeout=timeout)

    def request_subject(self, reply_to: str, request: str) -> str:
        """Return the subject at an inbox that belongs to one request."""
        if not (request.isascii() and request.replace("-", "").isalnum()):
            request = self._names.token(request)
        return f"{reply_to}.{request}"

    def _expire(self, token: str, subject: str) -> None:
        future = self._asked.pop(token, None)
        if future is not None and not future.done():
            future.set_exception(NoAnswerError(f"NATS did not answer on {subject!r} in time"))

    def _arrived(self, arrival: Arrival) -> None:
        token = arrival.subject[self._start :]
        if token.startswith(_ASKED):
            future = self._asked.pop(token, None)
            if future is not None and not future.done():
                future.set_result(arrival)
        elif self._receive is not None:
            self._receive(self._message(token, arrival))

    def _message(self, token: str, arrival: Arrival) -> Message:
        headers = arrival.headers
        request = self._names.text(token) if "%" in token else token
        if arrival.status == NO_RESPONDERS:
            return Message(Kind.ERROR, self.address, b"", {ERROR: "UNIMPLEMENTED"}, request)
        headers.pop(ID, None)
        return Message(
            _KINDS.get(headers.pop(KIND, ""), Kind.REPLY),
            self.address,
            arrival.body,
            headers,
            request,
            reply_to=headers.pop(REPLY_TO, None),
            key=headers.pop(KEY, None),
        )
