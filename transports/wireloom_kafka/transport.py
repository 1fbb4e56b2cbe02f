"""The Kafka transport."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, ClassVar, Final

from aiokafka import AIOKafkaProducer, TopicPartition

from wireloom.errors import (
    ConnectionFailedError,
    TransportError,
    UnsupportedOptionError,
)
from wireloom.spi import (
    Capabilities,
    Change,
    Context,
    DeadLetters,
    Declaration,
    Environment,
    Intake,
    Kind,
    Message,
    Receipt,
    Receive,
    Status,
    Subscriber,
    Subscription,
    Transport,
    TransportOptions,
)
from wireloom_kafka.context import KafkaContext
from wireloom_kafka.inbox import Inbox
from wireloom_kafka.interest import interest_of, native_options
from wireloom_kafka.letters import KafkaDeadLetters
from wireloom_kafka.link import Link
from wireloom_kafka.options import KafkaOptions
from wireloom_kafka.presence import Presence
from wireloom_kafka.publisher import FLUSH
from wireloom_kafka.reader import Reader
from wireloom_kafka.starts import begin_group
from wireloom_kafka.topics import MAX_DELAY, limit_settings
from wireloom_kafka.topology import Topology, wanted_topics
from wireloom_kafka.watch import Watch, diagnosis

__all__ = ["KafkaTransport"]

CLOSE: Final = 10.0
"""Seconds that closing all readers may take together."""
_STARTS: Final = ("new", "first", "last")


class KafkaTransport(Transport):
    """Events and requests by topics and consumer groups."""

    kind: ClassVar[str] = "kafka"
    options_type: ClassVar[type[TransportOptions]] = KafkaOptions
    context_type: ClassVar[type[Context]] = KafkaContext
    capabilities: ClassVar[Capabilities] = Capabilities(
        durable=True,
        redelivers=True,
        publisher_ack=True,
        replay=True,
        notes={"wildcards": "topic patterns", "no_handler": "topic absent or group empty"},
    )

    def __init__(self, options: KafkaOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        if options.client is not None and not isinstance(options.client, AIOKafkaProducer):
            raise options.refuse(
                "client", f"it takes an AIOKafkaProducer, not {type(options.client).__name__}"
            )
        self._options = options
        self._link = Link(options, environment)
        self._presence = Presence(self._link.admin, environment.clock)
        self._letters = KafkaDeadLetters(self._link)
        self._readers: set[Reader] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._inbox: Inbox | None = None

    async def connect(self) -> None:
        """Connect the admin client and the producer, once.

        :raises ConnectionFailedError: if no broker lets us in.
        """
        servers, timeout = self._options.servers, self._options.request_timeout
        try:
            await self._link.admin.open()
            await self._link.publisher.open()
        except TransportError as error:
            await self._link.admin.close()
            found = await diagnosis(self._link.driver, servers, timeout)
            raise found or ConnectionFailedError(str(error)) from error
        self._start(Watch(self._link).run(), "kafka watch")
        self.environment.report(Status.CONNECTED, None)

    async def close(self) -> None:
        """Leave groups, flush, disconnect; each for a few seconds at most."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)
        readers, self._readers = self._readers, set()
        inbox, self._inbox = self._inbox, None
        closing = [reader.close() for reader in readers]
        if inbox is not None:
            closing.append(inbox.close())
        if closing:
            await asyncio.wait([asyncio.create_task(one) for one in closing], timeout=CLOSE)
        await self._presence.close()
        await self._link.publisher.close(self._link.patience(FLUSH))
        await self._link.admin.close()
        self.environment.report(Status.CLOSED, None)

    def check(self, subscription: Subscription) -> None:
        """Refuse what Kafka cannot do.

        :raises UnsupportedOptionError: naming the option.
        """
        native = native_options(subscription)
        limit_settings(subscription.limits, 1)
        if subscription.longest_delay > MAX_DELAY:
            raise self._refused("retry", f"its delays may take at most {MAX_DELAY:g} s")
        if subscription.kind is Kind.REQUEST:
            if not subscription.pattern.is_concrete:
                raise self._refused("pattern", "a caller could not know the topic: no wildcards")
            if native.topics:
                raise self._refused("native", "requests come by one topic")
        start = subscription.start_from
        if (isinstance(start, str) and start not in _STARTS) or start == -1:
            raise self._refused("start_from", f"it takes {_STARTS}, an offset or a time")
        interest_of(subscription, self._link.names)

    def check_declaration(self, declaration: Declaration) -> None:
        """Refuse limits that Kafka does not have, and names too long for it.

        :raises UnsupportedOptionError: naming the limit.
        """
        limit_settings(declaration.limits, 1)
        if declaration.pattern.is_concrete:
            self._link.names.topic(Kind.EVENT, declaration.pattern.text)

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """Create topics, and change limits that differ.

        :raises ConfigurationError: if one exists otherwise.
        """
        concrete = [item for item in declarations if item.pattern.is_concrete]
        for item in concrete:
            self._link.remember(item.pattern.text, item.limits)
        if concrete:
            await self._link.ensure(
                [self._link.event_topic(item.pattern.text) for item in concrete]
            )

    async def publish(self, message: Message) -> Receipt:
        """Write one message; all replicas in sync have it on return.

        :raises NoHandlerError: for a request whose group has no members.
        :raises TransportError: if it was not taken, or that is unknown.
        """
        if message.kind is Kind.REQUEST:
            topic = self._link.names.topic(Kind.REQUEST, message.address)
            await self._presence.require(topic, message.address)
        record = await self._link.outgoing(message)
        written = await self._link.publish(record)
        if message.kind is Kind.REQUEST:
            place = TopicPartition(written.topic, written.partition)
            self._presence.sent(message, place, written.offset)
        return _receipt(message, written)

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Write events in this order, in as few exchanges as the producer needs."""
        if any(message.kind is not Kind.EVENT for message in messages):
            return await super().publish_many(messages)
        records = []
        outcomes: dict[int, Receipt | TransportError] = {}
        for position, message in enumerate(messages):
            try:
                records.append((position, await self._link.outgoing(message)))
            except TransportError as error:
                outcomes[position] = error
        written = await self._link.publisher.send_many([record for _, record in records])
        for (position, _), done in zip(records, written, strict=True):
            failed = isinstance(done, TransportError)
            outcomes[position] = done if failed else _receipt(messages[position], done)
        return [outcomes[position] for position in range(len(messages))]

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Join the subscription's group; live on return.

        :raises ConfigurationError: if a topic exists otherwise.
        :raises TransportError: if the broker does not let us.
        """
        interest = interest_of(subscription, self._link.names)
        topics = wanted_topics(self._link, subscription)
        created = await self._link.ensure(topics) if topics else set()
        if interest.group is not None:
            await begin_group(self._link, interest, interest.group, created)
        reader = Reader(self._link, interest, intake)
        await reader.open()
        self._readers.add(reader)
        return reader

    async def open_inbox(self, receive: Receive) -> str:
        """Listen for replies.

        :raises TransportError: if the broker does not let us.
        """

        def answered(message: Message) -> None:
            self._presence.answered(message.id)
            receive(message)

        self._presence.deliver_to(receive)
        self._inbox = Inbox(self._link, answered)
        address = await self._inbox.open()
        self._start(self._presence.run(), "kafka presence")
        return address

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Compare topics and groups with what the broker has."""
        return await Topology(self._link, declarations, subscriptions).plan()

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Create topics and groups, and change limits."""
        return await Topology(self._link, declarations, subscriptions).apply()

    def permissions(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[str]:
        """Return access control entries, as `kafka-acls` takes them."""
        return Topology(self._link, declarations, subscriptions).permissions()

    async def probe(self) -> None:
        """Ask a broker for its cluster.

        :raises TransportError: if there was no answer.
        """
        await self._link.admin.probe()

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up on this token."""
        return self._letters

    def unwrap(self) -> object:
        """Return the `AIOKafkaProducer` in use; None before `connect`."""
        return self._link.publisher.native

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    def _refused(self, option: str, reason: str) -> UnsupportedOptionError:
        return UnsupportedOptionError(option, self.kind, reason)


def _receipt(message: Message, written: Any) -> Receipt:
    return Receipt(
        message.id,
        "kafka",
        stream=written.topic,
        partition=written.partition,
        offset=written.offset,
        acknowledged=True,
    )
