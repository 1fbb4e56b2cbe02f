"""The transport itself: puts the parts together."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

from wireloom.errors import ConfigurationError, ConnectionFailedError, TransportError
from wireloom.spi import (
    Capabilities,
    Change,
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
)
from wireloom_nats.connection import Connection
from wireloom_nats.context import NatsContext
from wireloom_nats.core import CoreLink
from wireloom_nats.core_subscriber import CoreSubscriber
from wireloom_nats.dead_letters import NatsDeadLetters
from wireloom_nats.driver import check_driver_options
from wireloom_nats.events import EventPublisher
from wireloom_nats.inbox import Inbox
from wireloom_nats.jetstream import JetStream
from wireloom_nats.names import Names
from wireloom_nats.options import NatsHandlerOptions, NatsOptions
from wireloom_nats.plan import Plan, permissions
from wireloom_nats.stored_subscriber import Backend, StoredSubscriber
from wireloom_nats.topology import Topology, check_declaration, is_stored

__all__ = ["NatsTransport"]

PATIENCE: Final = 2.0
"""Seconds that a subscription may take to let go of its consumers."""
PROBE: Final = 3.0
"""Seconds that a round trip may take before the server counts as not there."""


class NatsTransport(Transport):
    """Events on JetStream, requests on core NATS, all by one connection."""

    kind: ClassVar[str] = "nats"
    options_type = NatsOptions
    context_type = NatsContext
    capabilities = Capabilities(
        native_dedup=True, durable=True, redelivers=True, publisher_ack=True, replay=True
    )

    def __init__(self, options: NatsOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        check_driver_options(options)
        clock = environment.clock
        self._options = options
        self._names = Names(options.namespace, options.inbox_prefix)
        self._connection = Connection(options, environment, self._changed)
        self._inbox = Inbox(self._connection, self._names, environment.instance)
        self._jetstream = JetStream(self._inbox, options.api_prefix, clock)
        self._topology = Topology(options, environment, self._names, self._jetstream)
        self._dead_letters = NatsDeadLetters(
            self._inbox, self._jetstream, self._names, self._topology.hold_dead_letters
        )
        self._core = CoreLink(
            self._connection, self._inbox, self._names, clock, tuple(options.reply_prefixes)
        )
        self._events = EventPublisher(
            self._connection,
            self._inbox,
            self._names,
            clock,
            timeout=options.publish_timeout,
            is_durable=self._topology.is_durable,
            hold=self._topology.hold,
        )
        self._backend = Backend(
            options,
            environment,
            self._connection,
            self._inbox,
            self._jetstream,
            self._names,
            self._topology,
            self._dead_letters,
        )
        self._stored: list[StoredSubscriber] = []
        self._closed = False

    async def connect(self) -> None:
        """Connect once.

        :raises ConnectionFailedError: if that failed.
        """
        await self._connection.connect()
        try:
            await self._inbox.open()
        except TransportError as error:
            await self._connection.close()
            raise ConnectionFailedError(f"connected to NATS, but: {error}") from error

    async def close(self) -> None:
        """Give up consumers, write what waits, disconnect."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(_bounded(subscriber.close()) for subscriber in self._stored))
        await self._connection.close()
        self._inbox.lose()
        self.environment.report(Status.CLOSED, None)

    def check(self, subscription: Subscription) -> None:
        """Refuse what NATS cannot honour.

        :raises UnsupportedOptionError: naming the option.
        """
        if subscription.kind is not Kind.EVENT or subscription.durable:
            return
        alone = subscription.broadcast or subscription.ephemeral
        if subscription.ordered and not alone:
            raise self._options.refuse("ordered", "core NATS spreads a group's events, in no order")
        if subscription.start_from != "new":
            raise self._options.refuse("start_from", "durable=False: nothing is kept to start from")
        if isinstance(subscription.native, NatsHandlerOptions):
            raise self._options.refuse("native", "durable=False: its settings are of JetStream")

    def check_declaration(self, declaration: Declaration) -> None:
        """Refuse an event that no stream can hold as declared."""
        check_declaration(declaration)

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """See that streams hold these events, as declared."""
        await self._topology.declare(declarations)

    async def publish(self, message: Message) -> Receipt:
        """Send one message; durable events return when a stream has them."""
        if message.kind is Kind.EVENT:
            return await self._events.publish(message)
        if message.kind is Kind.REQUEST:
            await self._core.request(message)
        else:
            await self._core.answer(message)
        return Receipt(message.id, "nats")

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish in this order, without waiting for one before the next is sent."""
        return await asyncio.gather(*(self._outcome(message) for message in messages))

    async def _outcome(self, message: Message) -> Receipt | TransportError:
        try:
            return await self.publish(message)
        except TransportError as error:
            return error

    def try_publish(self, message: Message) -> bool:
        """Send a request at once, if nothing is in the way."""
        return message.kind is Kind.REQUEST and self._core.try_request(message)

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Put deliveries into the intake, from streams or from core NATS."""
        if is_stored(subscription):
            await self._topology.declare_for(subscription)
            await self._topology.serve()
            stored = StoredSubscriber(self._backend, subscription, intake)
            self._stored.append(stored)
            await stored.start()
            return stored
        subscriber = CoreSubscriber(
            self._connection,
            self._core,
            self._names,
            self.environment.clock,
            self._dead_letters,
            subscription,
            intake,
        )
        await subscriber.start(self._queue(subscription))
        await self._inbox.echo(PROBE)
        return subscriber

    async def open_inbox(self, receive: Receive) -> str:
        """Return this instance's address; it is listened on since `connect`."""
        self._inbox.hand_to(receive)
        return self._inbox.address

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Compare what these need with what the server has."""
        return await self._plan().show(declarations, subscriptions)

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Create and update streams and consumers."""
        return await self._plan().apply(declarations, subscriptions)

    def permissions(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[str]:
        """Return the subjects to publish and subscribe to."""
        return permissions(self._options, self._names, declarations, subscriptions)

    async def probe(self) -> None:
        """Send ourselves a message by the server.

        :raises TransportError: if it did not come back.
        """
        await self._inbox.echo(PROBE)

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up here."""
        return self._dead_letters

    def unwrap(self) -> object:
        """Return the driver's client. It is another one after the server closed a connection."""
        return self._connection.client

    def _changed(self, is_up: bool) -> None:
        if not is_up:
            self._inbox.lose()
        for subscriber in self._stored:
            subscriber.connection_changed()

    def _queue(self, subscription: Subscription) -> str:
        if subscription.kind is Kind.REQUEST:
            return self._options.queue
        alone = subscription.broadcast or subscription.ephemeral
        return "" if alone else self._names.token(subscription.name)

    def _plan(self) -> Plan:
        return Plan(self._topology, self._names, self.environment)


async def _bounded(closing: Coroutine[Any, Any, None]) -> None:
    """Let something close for a while; what fails then is over anyway."""
    with suppress(TransportError, ConfigurationError, TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await closing
