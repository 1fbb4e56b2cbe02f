"""The transport: puts the parts together and speaks Wireloom's interface."""

from collections.abc import Sequence
from typing import ClassVar

from wireloom.errors import ClosedError, TransportError
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
    Subscriber,
    Subscription,
    Transport,
    TransportOptions,
)
from wireloom.spi.headers import ERROR
from wireloom_rabbitmq.checks import check_subscription
from wireloom_rabbitmq.consumer import Consumer
from wireloom_rabbitmq.context import RabbitMqContext
from wireloom_rabbitmq.history import History
from wireloom_rabbitmq.ladder import Ladder
from wireloom_rabbitmq.lane import Delivered
from wireloom_rabbitmq.layout import Layout
from wireloom_rabbitmq.letters import RabbitMqDeadLetters
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.opening import open_session
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.outbox import Outbox
from wireloom_rabbitmq.plan import Plan, outlives
from wireloom_rabbitmq.reading import inbox_message
from wireloom_rabbitmq.registry import Registry
from wireloom_rabbitmq.session import REPLY_TO, Session
from wireloom_rabbitmq.supervisor import Supervisor

__all__ = ["RabbitMqTransport"]


class RabbitMqTransport(Transport):
    """One user on one virtual host: a connection to publish, one to consume."""

    kind: ClassVar[str] = "rabbitmq"
    options_type: ClassVar[type[TransportOptions]] = RabbitMqOptions
    context_type: ClassVar[type[Context]] = RabbitMqContext
    capabilities: ClassVar[Capabilities] = Capabilities(
        durable=True,
        redelivers=True,
        publisher_ack=True,
        replay=True,
        notes={"replay": "stream queues only"},
    )

    def __init__(self, options: RabbitMqOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        self._options = options
        self._names = Names(
            options.namespace, options.exchange, group=environment.group, queue=options.queue
        )
        self._ladder = Ladder(self._names)
        self._layout = Layout(options, self._names, self._ladder)
        self._supervisor = Supervisor(self._open, self._restore, environment, options.pending_bytes)
        self._outbox = Outbox(
            options, self._names, self._ladder, self._supervisor, environment.clock
        )
        self._letters = RabbitMqDeadLetters(
            self._names, self._outbox, self._supervisor, options.call_timeout
        )
        self._history = History(
            self._layout, self._names, options.streams, environment.clock, options.call_timeout
        )
        self._registry = Registry(self._names, environment.group, options.call_timeout)
        self._consumers: list[Consumer] = []
        self._receive: Receive | None = None

    async def connect(self) -> None:
        """Open both connections, and declare the exchanges.

        :raises ConnectionFailedError: if that failed; `fatal` if trying again cannot help.
        """
        await self._supervisor.start()

    async def close(self) -> None:
        """Wait for confirms, then disconnect; bounded also when the broker is gone."""
        session = self._supervisor.session
        if session is not None:
            await session.flush()
        await self._supervisor.close()

    def check(self, subscription: Subscription) -> None:
        """Refuse what RabbitMQ cannot honour.

        :raises UnsupportedOptionError: naming the option.
        :raises ConfigurationError: if a name is too long for AMQP.
        """
        check_subscription(subscription, self._options)
        self._layout.place(subscription, self.environment.instance)

    def check_declaration(self, declaration: Declaration) -> None:
        """Refuse an event whose name AMQP cannot carry.

        :raises ConfigurationError: naming it.
        """
        self._names.binding(Kind.EVENT, declaration.pattern)

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """Remember how events are to be sent; the exchange was declared while connecting."""
        for declaration in declarations:
            self._outbox.declare(declaration)

    async def publish(self, message: Message) -> Receipt:
        """Send one message. An event has been stored, by every queue that is bound for it, on
        return; `routed` tells whether there was one. A request that nobody handles comes back at
        once, as an error for its inbox.

        :raises TransportError: if it was not taken, or that is unknown.
        """
        return await self._outbox.publish(message)

    def try_publish(self, message: Message) -> bool:
        """Send a request, or a message to an inbox, unless that takes waiting.

        :raises TransportError: if it can be told already that it cannot be sent.
        """
        return self._outbox.try_send(message)

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish all at once, in this order, and wait for all confirms."""
        return await self._outbox.publish_many(messages)

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Declare and consume; live on return, and again after a lost connection.

        :raises ConfigurationError: if the queue exists with other settings.
        :raises TransportError: if the broker did not answer.
        """
        consumer = Consumer(
            subscription,
            intake,
            self.environment.instance,
            self._options,
            self._names,
            self._layout,
            self._outbox,
            self._history,
            self.environment.clock,
        )
        session = await self._session()
        await consumer.start(session)
        if self._options.declare and outlives(subscription):
            await self._registry.note(session, self._layout.place(subscription, "").queues)
        self._consumers = [one for one in self._consumers if not one.stopped]
        self._consumers.append(consumer)
        return consumer

    async def open_inbox(self, receive: Receive) -> str:
        """Take replies. The address stands for this connection: the broker puts the real one, which
        cannot be guessed, into what is sent.
        """
        self._receive = receive
        return REPLY_TO

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Compare what these need with what the broker has. Changes nothing."""
        return await self._plan(subscriptions).changes(await self._session())

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Create what is missing; return that, and what differs and cannot be changed."""
        return await self._plan(subscriptions).apply(await self._session())

    def permissions(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[str]:
        """Return the regular expressions for `rabbitmqctl set_permissions`."""
        return self._plan(subscriptions).permissions()

    async def probe(self) -> None:
        """Make a round trip on both connections.

        :raises TransportError: if there was none.
        """
        session = self._supervisor.session
        if session is None:
            raise ClosedError("RabbitMQ is not connected")
        await session.probe()

    @property
    def dead_letters(self) -> DeadLetters:
        """Return the dead letters, a queue for each subscription."""
        return self._letters

    def unwrap(self) -> object:
        """Return the `aio_pika` connection that publishes; None while there is none."""
        session = self._supervisor.session
        return None if session is None else session.publishing.native

    async def _open(self, number: int) -> Session:
        return await open_session(
            self._options, self.environment, number, self._layout, self._arrived, self._returned
        )

    async def _restore(self, session: Session) -> None:
        for consumer in self._consumers:
            if not consumer.stopped:
                await consumer.start(session)

    async def _session(self) -> Session:
        return await self._supervisor.ready(0, self._options.call_timeout)

    def _plan(self, subscriptions: Sequence[Subscription]) -> Plan:
        return Plan(
            self._options, self._names, self._ladder, self._layout, self._registry, subscriptions
        )

    def _arrived(self, delivered: Delivered) -> None:
        if self._receive is not None:
            self._receive(inbox_message(delivered))

    def _returned(self, delivered: Delivered) -> None:
        """Tell the core of a request that reached nobody."""
        if self._receive is not None:
            request = delivered.properties.correlation_id or ""
            headers = {ERROR: "UNIMPLEMENTED"}
            self._receive(Message(Kind.ERROR, REPLY_TO, b"", headers, request))
