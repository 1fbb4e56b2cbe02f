"""The transport inside one process."""

from collections.abc import Sequence
from typing import ClassVar

from wireloom.errors import ClosedError, ConnectionLostError, UnsupportedOptionError
from wireloom.spi import (
    Action,
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
from wireloom_memory.broker import MemoryBroker
from wireloom_memory.context import MemoryContext
from wireloom_memory.link import Link
from wireloom_memory.options import MemoryOptions
from wireloom_memory.topology import compare, keeps_queue

__all__ = ["MemoryTransport"]


class MemoryTransport(Transport):
    """One token's connection to a broker in this process."""

    kind: ClassVar[str] = "memory"
    options_type: ClassVar[type[TransportOptions]] = MemoryOptions
    context_type: ClassVar[type[Context]] = MemoryContext
    capabilities: ClassVar[Capabilities] = Capabilities(
        native_dedup=True, replay=True, cancels_unanswered=True, single_process=True
    )

    def __init__(self, options: MemoryOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        self._options = options
        self._broker: MemoryBroker = options.client or MemoryBroker.named(options.broker)
        self._faults = self._broker.faults
        self._link: Link | None = None
        self._handed_over = Receipt("", self.kind)
        """Of requests, and of messages to inboxes: nothing is known but that."""

    async def connect(self) -> None:
        """Connect once.

        :raises ConnectionFailedError: if the broker was stopped, or serves another event loop.
        """
        if self._link is None:
            options = self._options
            self._link = self._broker.attach(self.environment, options.namespace, options.log_bytes)
            self.environment.report(Status.CONNECTED, None)

    async def close(self) -> None:
        """Disconnect; what is unsettled goes to others."""
        link, self._link = self._link, None
        if link is not None:
            self._broker.detach(link)
            self.environment.report(Status.CLOSED, None)

    def check(self, subscription: Subscription) -> None:
        """Refuse options of other transports.

        :raises UnsupportedOptionError: if the handler brings some for this one.
        """
        if subscription.native is not None:
            raise UnsupportedOptionError(
                "native", self.kind, "it has no options of its own", where=subscription.where
            )

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """Keep these events by their limits."""
        space = self._connected().space
        for declaration in declarations:
            space.declare(declaration)

    def try_publish(self, message: Message) -> bool:
        """Hand over a request at once, unless a fault is planted.

        :raises NoHandlerError: if nobody handles it.
        """
        link = self._link
        if link is None or not link.up or self._faults.active or message.kind is not Kind.REQUEST:
            return False
        link.space.request(message)
        return True

    async def publish(self, message: Message) -> Receipt:
        """Hand a message to whoever it is for.

        :raises NoHandlerError: for a request that nobody handles.
        :raises TransportError: if the connection is down, or a fault was planted.
        """
        if self._faults.active:
            await self._faults.on_publish()
        link = self._link
        if link is None or not link.up:
            link = self._connected()
        if message.kind is Kind.EVENT:
            return link.space.publish(message, self.kind)
        if message.kind is Kind.REQUEST:
            link.space.request(message)
        else:
            link.space.deliver(message)
        return self._handed_over

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Put deliveries into the intake, at most its capacity unsettled at once."""
        return self._connected().subscribe(subscription, intake)

    async def open_inbox(self, receive: Receive) -> str:
        """Listen on this instance's own address and return it."""
        address = f"inbox.{self.environment.instance}"
        self._connected().open_inbox(address, receive)
        return address

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Compare the queues that these need with those the broker has."""
        return compare(self._connected().space, subscriptions, self.environment.group)

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Make and change queues; return what was done."""
        await self.declare(declarations)
        space = self._connected().space
        rows = compare(space, subscriptions, self.environment.group)
        done = [row for row in rows if row.action in (Action.CREATE, Action.UPDATE)]
        for subscription in filter(keeps_queue, subscriptions):
            if any(row.name == subscription.name for row in done):
                space.queue(subscription)
        return done

    async def probe(self) -> None:
        """Ask whether the broker answers.

        :raises TransportError: if it does not.
        """
        self._connected()
        await self._faults.answer()

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up in this namespace."""
        return self._connected().space.letters

    def unwrap(self) -> MemoryBroker | None:
        """Return the broker; None before `connect`."""
        return None if self._link is None else self._broker

    def _connected(self) -> Link:
        if self._link is None:
            raise ClosedError("this transport is not connected")
        if not self._link.up:
            raise ConnectionLostError("the connection to the broker is down", maybe_executed=False)
        return self._link
