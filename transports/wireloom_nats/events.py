"""Publishing events: stored and acknowledged, or just sent."""

from collections.abc import Awaitable, Callable
from typing import Final

from wireloom.errors import ConnectionLostError, PublishError, TransportError
from wireloom.spi import Clock, FullJitter, Kind, Message, Receipt
from wireloom.spi.headers import ID, KEY
from wireloom_nats.connection import Connection
from wireloom_nats.dead_letters import MESSAGE_ID
from wireloom_nats.frames import Arrival
from wireloom_nats.inbox import NO_RESPONDERS, Inbox, NoAnswerError
from wireloom_nats.jetstream import ApiError, read_answer
from wireloom_nats.names import Names
from wireloom_nats.reader import DELAY
from wireloom_nats.window import Window

__all__ = ["EventPublisher"]

PATIENCE: Final = 2.0
"""Seconds after which an unacknowledged event is sent again, under the same id."""
WINDOW: Final = 512
"""Events that may be unacknowledged at once: more only makes the server's answers late."""


class EventPublisher:
    """Publishes events. Durable ones return when a stream has them."""

    def __init__(
        self,
        connection: Connection,
        inbox: Inbox,
        names: Names,
        clock: Clock,
        *,
        timeout: float,
        is_durable: Callable[[str], Awaitable[bool]],
        hold: Callable[[str], Awaitable[None]],
    ) -> None:
        """`hold` is awaited when no stream took an event: it sees that one does, or raises."""
        self._connection = connection
        self._inbox = inbox
        self._names = names
        self._clock = clock
        self._timeout = timeout
        self._is_durable = is_durable
        self._hold = hold
        self._window = Window(WINDOW)

    async def publish(self, message: Message) -> Receipt:
        """Publish one event.

        :raises PublishError: if no stream took it, or it is unknown whether one did.
        """
        subject = self._names.subject(Kind.EVENT, message.address)
        if not await self._is_durable(message.address):
            return await self._send(message, subject)
        headers = _headers(message)
        headers[MESSAGE_ID] = f"{subject}:{message.id}"
        async with self._window:
            return await self._store(message, subject, headers)

    async def _send(self, message: Message, subject: str) -> Receipt:
        if message.delay > 0:
            raise PublishError(
                f"{message.address!r} is durable=False: nothing would keep it for its delay"
            )
        await self._connection.send(subject, message.body, _headers(message))
        return Receipt(message.id, "nats")

    async def _store(self, message: Message, subject: str, headers: dict[str, str]) -> Receipt:
        until = self._clock.monotonic() + self._timeout
        jitter = FullJitter()
        failure: TransportError | None = None
        while (left := until - self._clock.monotonic()) > 0:
            try:
                answer = await self._inbox.ask(
                    subject, message.body, headers, timeout=min(PATIENCE, left)
                )
                return await self._receipt(message, answer, again=failure is not None)
            except (NoAnswerError, ConnectionLostError) as error:
                failure = error
            except ApiError as error:
                if not error.is_temporary:
                    raise PublishError(f"{message.address!r} was not stored: {error}") from error
                failure = error
            await self._clock.sleep(jitter.next())
        raise PublishError(
            f"{message.address!r} was not acknowledged within {self._timeout:g} s; whether it was "
            f"stored is unknown ({failure})"
        ) from failure

    async def _receipt(self, message: Message, answer: Arrival, *, again: bool) -> Receipt:
        if answer.status == NO_RESPONDERS:
            await self._hold(message.address)
            raise ApiError(NO_RESPONDERS, 0, f"no stream holds {message.address!r}")
        stored = read_answer(answer)
        duplicate = bool(stored.get("duplicate"))
        return Receipt(
            message.id,
            "nats",
            stream=stored["stream"],
            sequence=stored["seq"],
            # of something sent twice, the first copy may be the one that was stored before
            duplicate=None if duplicate and again else duplicate,
            acknowledged=True,
        )


def _headers(message: Message) -> dict[str, str]:
    headers = {**message.headers, ID: message.id}
    if message.key is not None:
        headers[KEY] = message.key
    if message.delay > 0:
        headers[DELAY] = str(max(1, round(message.delay * 1000)))
    return headers
