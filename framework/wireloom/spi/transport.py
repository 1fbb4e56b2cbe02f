"""The interface that a transport implements."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from wireloom.errors import TransportError
from wireloom.spi.capabilities import Capabilities
from wireloom.spi.clock import Clock
from wireloom.spi.context import Context
from wireloom.spi.dead_letters import DeadLetters
from wireloom.spi.delivery import Intake
from wireloom.spi.message import Message, Receipt
from wireloom.spi.options import TransportOptions
from wireloom.spi.subscription import Declaration, Subscription
from wireloom.spi.topology import Change

__all__ = ["Environment", "Receive", "Status", "Subscriber", "Transport"]

Receive = Callable[[Message], None]
"""What an inbox calls for each message, on the loop's thread. It never raises and never waits."""


class Status(enum.Enum):
    """Where a transport's connection stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"
    FAILED = "failed"
    """It will not come back by itself, for instance because credentials were revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a transport learns of the application that it serves."""

    group: str
    instance: str
    """Unique to this process and token; of letters, digits, `-` and `_`."""
    token: str
    serves: bool
    """Whether the token stands under `transports=`; under `clients=` it only calls."""
    clock: Clock
    report: Callable[[Status, Exception | None], None]
    """To be called on every change of status. Never raises."""


class Subscriber(ABC):
    """A live subscription at the broker."""

    @abstractmethod
    async def stop(self) -> None:
        """Take nothing more; what was taken can still be settled. Calling it twice is no error."""

    async def close(self) -> None:
        """Stop, and delete what is ephemeral at the broker."""
        await self.stop()


class Transport(ABC):
    """Carries messages between this process and others.

    One instance serves one token. It is created without touching the network. `connect` makes one
    attempt; once it has returned, the transport keeps the connection up by itself, restores every
    subscription and inbox after a loss, and reports each change of status, until `close`.
    No exception of its driver ever leaves it: only TransportError and its kinds.
    """

    kind: ClassVar[str]
    options_type: ClassVar[type[TransportOptions]]
    context_type: ClassVar[type[Context]] = Context
    capabilities: ClassVar[Capabilities]
    tells_lost_requests: ClassVar[bool] = False
    """It hands an error with `wl-lost` to the inbox for each request whose connection ended. Else
    the core fails all that are pending when the status leaves CONNECTED."""
    keep_alive_every: float = 5.0
    """Seconds between calls of `keep_alive` for deliveries that are still being worked on."""

    def __init__(self, options: Any, environment: Environment) -> None:
        self.environment = environment

    @abstractmethod
    async def connect(self) -> None:
        """Connect once.

        :raises ConnectionFailedError: if that failed; `fatal` if trying again cannot help.
        """

    @abstractmethod
    async def close(self) -> None:
        """Flush what was published, then disconnect; bounded also when the broker is gone.
        Calling it twice, or before or during `connect`, is no error.
        """

    def check(self, subscription: Subscription) -> None:  # noqa: B027 - most have nothing to add
        """Refuse, before anything is connected, what this transport cannot honour.

        :raises UnsupportedOptionError: naming the option; the core has compared `capabilities`.
        """

    def check_declaration(self, declaration: Declaration) -> None:  # noqa: B027 - likewise
        """Refuse an event that cannot be stored as declared, before anything is connected.

        :raises UnsupportedOptionError: naming the option.
        """

    async def declare(self, declarations: Sequence[Declaration]) -> None:  # noqa: B027 - likewise
        """See that what stores these events exists, as declared.

        :raises ConfigurationError: if it exists otherwise and cannot be changed.
        """

    @abstractmethod
    async def publish(self, message: Message) -> Receipt:
        """Send one message to its address; return when it is as safe as it gets.

        :raises NoHandlerError: for a request that nobody handles, where that is known at once.
        :raises TransportError: if it was not taken, or that is unknown.
        """

    def try_publish(self, message: Message) -> bool:
        """Send a request, or a message to an inbox, without waiting, if that is possible at this
        moment. False: nothing was done, call `publish`. It spares a coroutine for each request;
        a transport that has to await its driver leaves it alone.

        :raises NoHandlerError: for a request that nobody handles, where that is known at once.
        :raises TransportError: if it can be told already that it cannot be sent.
        """
        return False

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish in this order; return what became of each. Worth overriding where one round
        trip can carry many.
        """
        outcomes: list[Receipt | TransportError] = []
        for message in messages:
            try:
                outcomes.append(await self.publish(message))
            except TransportError as error:
                outcomes.append(error)
        return outcomes

    @abstractmethod
    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Put deliveries into the intake; live at the broker on return. Legal at any time after
        `connect`.
        """

    @abstractmethod
    async def open_inbox(self, receive: Receive) -> str:
        """Listen on this instance's own address and return it. Called once, before any request;
        live at the broker on return.
        """

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Compare what these need with what the broker has. Changes nothing."""
        return []

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Create and update what `plan` would; return what was done. Applying twice does nothing
        the second time.
        """
        return []

    def permissions(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[str]:
        """Return the exact rights on the broker that the application needs, a line each, in the
        broker's own notation. Needs no connection.
        """
        return []

    async def probe(self) -> None:  # noqa: B027 - in process there is nothing to ask
        """Make a round trip to the broker, bounded in time.

        :raises TransportError: if there was none.
        """

    @property
    @abstractmethod
    def dead_letters(self) -> DeadLetters:
        """Return what was given up on this transport."""

    @abstractmethod
    def unwrap(self) -> object:
        """Return the native client, or whatever stands for it; None before `connect`."""
