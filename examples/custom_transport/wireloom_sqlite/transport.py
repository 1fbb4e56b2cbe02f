"""The transport: what the core calls."""

from collections.abc import Sequence
from contextlib import suppress
from typing import ClassVar

from wireloom.errors import ClosedError, TransportError, UnsupportedOptionError
from wireloom.spi import (
    Capabilities,
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
from wireloom_sqlite.dead_letters import SqliteDeadLetters
from wireloom_sqlite.delivery import SqliteContext
from wireloom_sqlite.options import SqliteOptions
from wireloom_sqlite.store import Store
from wireloom_sqlite.taking import Taking

__all__ = ["SqliteTransport"]


class SqliteTransport(Transport):
    """One token's connection to a file."""

    kind: ClassVar[str] = "sqlite"
    options_type: ClassVar[type[TransportOptions]] = SqliteOptions
    context_type: ClassVar[type[Context]] = SqliteContext
    capabilities: ClassVar[Capabilities] = Capabilities(
        ordered=False,
        durable=True,
        redelivers=True,
        publisher_ack=True,
        notes={"durable": "on one machine"},
    )

    def __init__(self, options: SqliteOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        self._options = options
        self._taking: Taking | None = None

    def check(self, subscription: Subscription) -> None:
        """Refuse what is not ours.

        :raises UnsupportedOptionError: if the handler brings options for this transport.
        """
        if subscription.native is not None:
            raise UnsupportedOptionError(
                "native", self.kind, "it has no options of its own", where=subscription.where
            )

    def check_declaration(self, declaration: Declaration) -> None:
        """Refuse limits that are not kept; an age is.

        :raises UnsupportedOptionError: naming the limit.
        """
        for name in ("messages", "bytes", "message_size"):
            if getattr(declaration.limits, name) is not None:
                raise UnsupportedOptionError(
                    f"limits.{name}",
                    self.kind,
                    f"{declaration.pattern.text!r}: it keeps an age only",
                )

    async def connect(self) -> None:
        """Open the file.

        :raises ConnectionFailedError: if it cannot be opened.
        """
        if self._taking is None:
            environment = self.environment
            store = Store(self._options, environment.instance, environment.clock)
            self._taking = Taking(store, environment)
            environment.report(Status.CONNECTED, None)

    async def close(self) -> None:
        """Give back what is not settled, and close the file."""
        taking, self._taking = self._taking, None
        if taking is not None:
            with suppress(TransportError):  # others notice that we are gone
                await taking.close()
            taking.store.close()
            self.environment.report(Status.CLOSED, None)

    async def publish(self, message: Message) -> Receipt:
        """Write one message; it is safe when this returns.

        :raises NoHandlerError: for a request that nobody handles.
        :raises PublishError: if it was not written.
        """
        taking = self._connected()
        (queues,) = taking.store.publish([message])
        taking.wake()
        return self._receipt(message, queues)

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Write all in one transaction, so that all are taken or none."""
        taking = self._connected()
        try:
            queues = taking.store.publish(messages)
        except TransportError as error:
            return [error for _ in messages]
        taking.wake()
        return [self._receipt(*pair) for pair in zip(messages, queues, strict=True)]

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Take messages as long as the intake has room."""
        return self._connected().subscribe(subscription, intake)

    async def open_inbox(self, receive: Receive) -> str:
        """Listen to replies."""
        address = f"inbox.{self.environment.instance}"
        self._connected().open_inbox(address, receive)
        return address

    async def probe(self) -> None:
        """Read from the file.

        :raises TransportError: if that cannot be done.
        """
        self._connected().store.version()

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up in this file."""
        return SqliteDeadLetters(self._connected().store, self.environment.clock)

    def unwrap(self) -> object:
        """Return the connection of `sqlite3`; None before `connect`."""
        return None if self._taking is None else self._taking.store.database

    def _receipt(self, message: Message, queues: int) -> Receipt:
        routed = queues > 0 if message.kind is Kind.EVENT else None
        return Receipt(message.id, self.kind, routed=routed, acknowledged=True)

    def _connected(self) -> Taking:
        if self._taking is None:
            raise ClosedError("this transport is not connected")
        return self._taking
