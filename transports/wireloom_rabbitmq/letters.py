"""The dead letters: one queue for each subscription, looked through without emptying it."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from wireloom.errors import PublishError
from wireloom.spi import DeadLetter
from wireloom_rabbitmq.errors import bounded
from wireloom_rabbitmq.lane import Delivered
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.outbox import Outbox
from wireloom_rabbitmq.own_headers import SOURCE_QUEUE
from wireloom_rabbitmq.properties import Properties
from wireloom_rabbitmq.reading import address_of, event_message
from wireloom_rabbitmq.supervisor import Supervisor

__all__ = ["RabbitMqDeadLetters"]

_FACTS = "wl-dead-"


class RabbitMqDeadLetters:
    """Reads by taking without settling: the broker puts all back when the channel closes. Until
    then nobody else sees those letters.
    """

    def __init__(
        self, names: Names, outbox: Outbox, supervisor: Supervisor, timeout: float
    ) -> None:
        self._names = names
        self._outbox = outbox
        self._supervisor = supervisor
        self._timeout = timeout

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first, removing nothing.

        :raises TransportError: if the broker did not answer.
        """
        letters = []
        async with (
            self._opened() as channel,
            contextlib.aclosing(self._taken(channel, self._names.dead(subscription))) as taken,
        ):
            async for message in taken:
                letters.append(_letter(subscription, message))  # noqa: PERF401
        # The channel is closed before the first is handed out: the caller may replay it.
        for letter in letters:
            yield letter

    async def replay(self, letter: DeadLetter) -> None:
        """Put it back into the queue that it came from, as run 1, then remove it here.

        :raises TransportError: if it is not there any more, or its queue is gone.
        """
        queue = self._names.dead(letter.subscription)
        async with self._opened() as channel:
            message = await self._find(channel, queue, letter.id)
            delivered = _delivered(message)
            goal = (delivered.properties.headers or {}).get(SOURCE_QUEUE)
            if not isinstance(goal, str):
                goal = self._names.queue_of(letter.subscription)
            event = event_message(letter.address, delivered)
            event.headers = {
                name: value for name, value in event.headers.items() if not name.startswith(_FACTS)
            }
            await self._outbox.retry(goal, event, 0.0, 1)
            await self._remove(channel, message)

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good; one that is gone already is no error.

        :raises TransportError: if the broker did not answer.
        """
        by_queue: dict[str, set[str]] = {}
        for letter in letters:
            by_queue.setdefault(self._names.dead(letter.subscription), set()).add(letter.id)
        for queue, ids in by_queue.items():
            async with (
                self._opened() as channel,
                contextlib.aclosing(self._taken(channel, queue)) as taken,
            ):
                async for message in taken:
                    if _id(message) in ids:
                        await self._remove(channel, message)

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[AbstractChannel]:
        session = await self._supervisor.ready(0, self._timeout)
        async with session.consuming.throw_away() as channel:
            yield channel

    async def _taken(
        self, channel: AbstractChannel, queue: str
    ) -> AsyncGenerator[DeliveredMessage, None]:
        left = 1
        while left:
            message = await self._get(channel, queue)
            if message is None or isinstance(message.delivery, Basic.GetEmpty):
                return
            left = message.message_count or 0
            yield message

    async def _get(self, channel: AbstractChannel, queue: str) -> DeliveredMessage | None:
        async with bounded(f"read {queue!r}", self._timeout):
            try:
                return await channel.basic_get(queue, timeout=self._timeout)
            except ChannelNotFoundEntity:
                return None

    async def _find(self, channel: AbstractChannel, queue: str, letter_id: str) -> DeliveredMessage:
        async with contextlib.aclosing(self._taken(channel, queue)) as taken:
            async for message in taken:
                if _id(message) == letter_id:
                    return message
        raise PublishError(f"there is no dead letter {letter_id} in {queue!r} any more")

    async def _remove(self, channel: AbstractChannel, message: DeliveredMessage) -> None:
        async with bounded("remove a dead letter", self._timeout):
            await channel.basic_ack(message.delivery_tag or 0)


def _letter(subscription: str, message: DeliveredMessage) -> DeadLetter:
    delivered = _delivered(message)
    event = event_message(address_of(delivered) or delivered.key, delivered)
    facts = {name: value for name, value in event.headers.items() if name.startswith(_FACTS)}
    facts.pop(SOURCE_QUEUE, None)
    return DeadLetter(
        id=_id(message),
        subscription=subscription,
        address=event.address,
        message_id=event.id,
        body=event.body,
        headers={
            name: value for name, value in event.headers.items() if not name.startswith(_FACTS)
        },
        facts=facts,
        key=event.key,
    )


def _delivered(message: DeliveredMessage) -> Delivered:
    delivered = Delivered(0, False, message.exchange or "", message.routing_key or "")
    native = message.header.properties
    delivered.properties = Properties(
        content_type=native.content_type,
        headers=native.headers,
        reply_to=native.reply_to,
        message_id=native.message_id,
    )
    delivered.body = message.body
    return delivered


def _id(message: DeliveredMessage) -> str:
    return message.header.properties.message_id or ""
