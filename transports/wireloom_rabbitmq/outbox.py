"""Everything that is published: events, requests, answers, later runs, dead letters."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TypeVar

from wireloom.errors import (
    ConfigurationError,
    ConnectionLostError,
    PayloadTooLargeError,
    PublishError,
    TransportError,
)
from wireloom.pattern import Pattern, PatternIndex
from wireloom.spi import Clock, Declaration, Kind, Message, Receipt
from wireloom_rabbitmq.items import Item, Queue
from wireloom_rabbitmq.ladder import Ladder
from wireloom_rabbitmq.lane import Lane
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.properties import Properties
from wireloom_rabbitmq.session import REPLY_TO, Session
from wireloom_rabbitmq.supervisor import Supervisor
from wireloom_rabbitmq.writing import (
    copy_properties,
    event_properties,
    inbox_properties,
    remaining_ms,
    request_properties,
)

__all__ = ["Outbox"]

T = TypeVar("T")


class Outbox:
    """Publishes through whatever session there is."""

    def __init__(
        self,
        options: RabbitMqOptions,
        names: Names,
        ladder: Ladder,
        supervisor: Supervisor,
        clock: Clock,
    ) -> None:
        self._options = options
        self._names = names
        self._ladder = ladder
        self._supervisor = supervisor
        self._clock = clock
        self._reply_prefixes = tuple(options.reply_prefixes)
        self._declared: PatternIndex[Declaration] = PatternIndex()
        self._known: set[str] = set()
        self._priorities: PatternIndex[int] = PatternIndex()
        self._ttl: PatternIndex[float] = PatternIndex()
        for text, priority in options.priorities.items():
            self._priorities.add(Pattern(text), priority)
        for text, seconds in options.ttl.items():
            self._ttl.add(Pattern(text), seconds)

    def declare(self, declaration: Declaration) -> None:
        """Remember how an event is to be sent."""
        if declaration.pattern.text not in self._known:
            self._known.add(declaration.pattern.text)
            self._declared.add(declaration.pattern, declaration)

    async def publish(self, message: Message) -> Receipt:
        """Send a message where its kind and address say.

        :raises TransportError: if it was not taken, or that is unknown.
        """
        if message.kind is Kind.EVENT:
            session = await self._session(message)
            return await self._receipt(message, await self._event(session, message))
        if message.kind is Kind.REQUEST:
            session = await self._session(message)
            self._send_request(session, message)
            await self._drain(session)
        else:
            await self.answer(message)
        return Receipt(message.id, "rabbitmq")

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish all, then wait for all confirms; return what became of each."""
        started: list[asyncio.Future[bool] | TransportError] = []
        try:
            for message in messages:
                started += [await self._started(message)]
            return [
                await self._outcome(message, future)
                for message, future in zip(messages, started, strict=True)
            ]
        finally:
            for future in started:
                if isinstance(future, asyncio.Future):
                    future.cancel()

    def try_send(self, message: Message) -> bool:
        """Send a request, or a message to an inbox, if nothing has to be waited for.

        :raises TransportError: if it can be told already that it cannot be sent.
        """
        session = self._supervisor.session
        if session is None or not session.publishing.wire.room.is_set():
            return False
        if message.kind is Kind.REQUEST:
            self._send_request(session, message)
        else:
            self._send_answer(session, message)
        return True

    async def answer(self, message: Message) -> None:
        """Send to an inbox: a reply, an item, an error, credit, a cancellation.

        :raises TransportError: if the address is none that a reply may go to, or nothing is
            connected. Whether somebody listens there is not known.
        """
        session = self._supervisor.session
        if session is None:
            raise ConnectionLostError("RabbitMQ is not connected")
        self._send_answer(session, message)
        await self._drain(session)

    async def retry(self, queue: str, message: Message, delay: float, attempt: int) -> None:
        """Store a later run of a message for the queue that it came from."""
        session = await self._session(message)
        properties = copy_properties(message, self._clock.now(), attempt=attempt)
        exchange, key = "", queue
        if delay > 0:
            exchange, key = self._ladder.entry(delay, queue=queue)
            await self._raise_ladder(session, delay)
        if not await self._confirmed(session, exchange, key, properties, message.body):
            raise PublishError(f"queue {queue!r} is gone")

    async def bury(self, queue: Queue, message: Message, headers: Mapping[str, str]) -> None:
        """Store a message with further headers in a queue of dead letters."""
        session = await self._session(message)
        properties = copy_properties(message, self._clock.now())
        properties.headers = {**(properties.headers or {}), **headers}
        if await self._confirmed(session, "", queue.name, properties, message.body):
            return
        await self._declare(session, [queue])
        if not await self._confirmed(session, "", queue.name, properties, message.body):
            raise PublishError(f"queue {queue.name!r} is gone")

    async def _event(self, session: Session, message: Message) -> asyncio.Future[bool]:
        declaration = self._declaration(message)
        limit = declaration.limits.message_size if declaration else None
        if limit is not None and len(message.body) > limit:
            raise PayloadTooLargeError(len(message.body), limit)
        durable = declaration is None or declaration.durable
        properties = event_properties(
            message, self._clock.now(), durable=durable, timed=bool(self._options.streams)
        )
        self._mark(message, properties)
        exchange, key = self._names.events, self._key(message)
        if message.delay > 0:
            exchange, key = self._ladder.entry(message.delay, key=key)
            await self._raise_ladder(session, message.delay)
        lane = await session.events()
        future = lane.confirmed(exchange, key, properties, message.body)
        await self._drain(session)
        return future

    def _send_answer(self, session: Session, message: Message) -> None:
        if not message.address.startswith(self._reply_prefixes):
            raise PublishError(f"replies may not go to {message.address!r}")
        properties = inbox_properties(message)
        # Never mandatory: the broker returns what goes to a direct reply address, delivered or not.
        session.requests.send("", message.address, properties, message.body, mandatory=False)

    def _send_request(self, session: Session, message: Message) -> None:
        properties = request_properties(message, self._clock.now(), REPLY_TO)
        if self._options.priorities:
            properties.priority = _first(self._priorities, message.address)
        key = self._key(message)
        session.requests.send(self._names.requests, key, properties, message.body, mandatory=True)

    async def _receipt(self, message: Message, future: "asyncio.Future[bool]") -> Receipt:
        routed = await future
        return Receipt(
            message.id,
            "rabbitmq",
            stream=self._names.events,
            routed=None if message.delay > 0 else routed,
            acknowledged=True,
        )

    async def _started(self, message: Message) -> "asyncio.Future[bool] | TransportError":
        try:
            return await self._event(await self._session(message), message)
        except TransportError as error:
            return error

    async def _outcome(
        self, message: Message, future: "asyncio.Future[bool] | TransportError"
    ) -> Receipt | TransportError:
        if isinstance(future, TransportError):
            return future
        try:
            return await self._receipt(message, future)
        except TransportError as error:
            return error

    async def _confirmed(
        self, session: Session, exchange: str, key: str, properties: Properties, body: bytes
    ) -> bool:
        lane: Lane = await session.events()
        return await lane.confirmed(exchange, key, properties, body)

    async def _raise_ladder(self, session: Session, delay: float) -> None:
        height = self._ladder.height(delay)
        if height <= session.ladder_height:
            return
        await self._declare(session, self._ladder.rungs(height))
        session.ladder_height = height

    async def _declare(self, session: Session, items: Sequence[Item]) -> None:
        if not self._options.declare:
            return
        try:
            await session.topology.declare(items, again=True)
        except ConfigurationError as error:
            raise PublishError(str(error)) from error

    def _declaration(self, message: Message) -> Declaration | None:
        return _first(self._declared, message.address)

    def _mark(self, message: Message, properties: Properties) -> None:
        if self._options.priorities:
            properties.priority = _first(self._priorities, message.address)
        if message.delay > 0:
            return  # the broker would let it go from the ladder early
        properties.expiration = remaining_ms(message)
        if self._options.ttl and properties.expiration is None:
            seconds = _first(self._ttl, message.address)
            properties.expiration = None if seconds is None else str(round(seconds * 1000))

    def _key(self, message: Message) -> str:
        try:
            return self._names.key(message.kind, message.address)
        except ConfigurationError as error:
            raise PublishError(str(error)) from error

    async def _session(self, message: Message) -> Session:
        session = self._supervisor.session
        if session is not None:
            return session
        return await self._supervisor.ready(len(message.body), self._options.call_timeout)

    async def _drain(self, session: Session) -> None:
        """Wait until the broker reads as fast as we write; it does not while it is short of
        memory or disk.
        """
        if session.publishing.wire.room.is_set():
            return
        try:
            async with asyncio.timeout(self._options.call_timeout):
                await session.publishing.wire.room.wait()
        except TimeoutError:
            raise PublishError("RabbitMQ takes no messages now") from None


def _first(index: PatternIndex[T], address: str) -> T | None:
    found = index.find(address)
    return found[0] if found else None
