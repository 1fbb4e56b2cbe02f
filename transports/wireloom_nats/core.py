"""Sending by core NATS: requests, and what goes to inboxes."""

from collections.abc import Mapping
from typing import Final

from wireloom.errors import ConnectionLostError, PublishError
from wireloom.spi import Clock, Kind, Message
from wireloom.spi.headers import DEADLINE, ID, KEY, KIND, REPLY_TO, SENT
from wireloom_nats.connection import Connection
from wireloom_nats.frames import header_lines
from wireloom_nats.inbox import Inbox
from wireloom_nats.names import Names

__all__ = ["CoreLink"]

_KINDS: Final = {kind: kind.name.lower() for kind in Kind}


class CoreLink:
    """Sends requests, and whatever goes to an inbox."""

    def __init__(
        self,
        connection: Connection,
        inbox: Inbox,
        names: Names,
        clock: Clock,
        reply_prefixes: tuple[str, ...],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._names = names
        self._inbox = inbox
        self._legal = (f"{names.inboxes}.", *reply_prefixes)
        self._last_headers: Mapping[str, str] = {}
        self._last_lines = ("", False)

    def try_request(self, message: Message) -> bool:
        """Send a request without waiting; False: it was not sent, and `request` tells why.

        :raises PayloadTooLargeError: if the server would not take it.
        """
        lines, timed = self._lines(message.headers)
        lines += f"{ID}: {message.id}\r\n"
        if timed:
            lines += f"{SENT}: {int(self._clock.now() * 1000)}\r\n"
        if message.key is not None or not message.id.isprintable():
            return False
        return self._connection.try_send(
            self._names.subject(Kind.REQUEST, message.address),
            self._inbox.request_subject(message.reply_to or self._inbox.address, message.id),
            lines,
            message.body,
        )

    async def request(self, message: Message) -> None:
        """Send a request; that nobody handles it is known a round trip later, at the inbox.

        :raises TransportError: if it was not sent.
        """
        if not self._connection.is_up:
            raise ConnectionLostError("not connected to NATS", maybe_executed=False)
        headers = {**message.headers, ID: message.id}
        if message.key is not None:
            headers[KEY] = message.key
        if DEADLINE in headers:
            headers[SENT] = str(int(self._clock.now() * 1000))
        await self._connection.send(
            self._names.subject(Kind.REQUEST, message.address),
            message.body,
            headers,
            self._inbox.request_subject(message.reply_to or self._inbox.address, message.id),
        )

    def try_answer(self, message: Message) -> bool:
        """Send a plain reply without waiting; False: it was not sent, and `answer` tells why.

        :raises PayloadTooLargeError: if the server would not take it.
        """
        subject = message.address
        if message.kind is not Kind.REPLY or not subject.startswith(self._legal):
            return False
        if message.reply_to is not None or " " in subject or not subject.isprintable():
            return False
        return self._connection.try_send(subject, "", self._lines(message.headers)[0], message.body)

    async def answer(self, message: Message) -> None:
        """Send something to an inbox.

        :raises PublishError: if its address is none of an inbox.
        """
        subject = message.address
        if not self.is_inbox(subject) or not subject.isprintable() or " " in subject:
            raise PublishError(f"{subject!r} is no address that replies go to")
        if message.kind >= Kind.CREDIT:
            subject = self._inbox.request_subject(subject, message.id)
        headers = dict(message.headers)
        if message.kind is not Kind.REPLY:
            headers[KIND] = _KINDS[message.kind]
        if message.reply_to is not None:
            headers[REPLY_TO] = message.reply_to
        await self._connection.send(subject, message.body, headers)

    def _lines(self, headers: Mapping[str, str]) -> tuple[str, bool]:
        """Return headers as lines, and whether there is a deadline among them; those of the last
        message are remembered, since most messages share one mapping.
        """
        if headers is not self._last_headers:
            self._last_lines = (header_lines(headers), DEADLINE in headers)
            self._last_headers = headers
        return self._last_lines

    def is_inbox(self, subject: str) -> bool:
        """Tell whether anything may be sent there on the word of a message."""
        return subject.startswith(self._legal)
