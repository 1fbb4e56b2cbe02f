"""Read-only facts of one call, as handlers, guards, middleware and filters see them."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from wireloom.pattern import Pattern
from wireloom.spi.delivery import Delivery
from wireloom.spi.message import Kind

__all__ = ["Context", "Origin", "current_context"]


@dataclass(frozen=True, slots=True)
class Origin:
    """What is the same for every call of one handler on one token."""

    pattern: Pattern
    token: str
    transport: str
    subscription: str


class Context:
    """One call. Transports subclass it and show what their deliveries know as properties."""

    __slots__ = ("_delivery", "_origin", "deadline")

    def __init__(self, delivery: Delivery, origin: Origin, deadline: float | None = None) -> None:
        self._delivery = delivery
        self._origin = origin
        self.deadline = deadline
        """The application clock's monotonic time after which nobody waits any more, or None."""

    @property
    def pattern(self) -> str:
        """Return the handler's pattern, as text."""
        return self._origin.pattern.text

    @property
    def address(self) -> str:
        """Return where the message was sent to: a concrete pattern."""
        return self._delivery.message.address

    @property
    def token(self) -> str:
        """Return the token of the transport that it came by."""
        return self._origin.token

    @property
    def transport(self) -> str:
        """Return the kind of that transport, such as "nats"."""
        return self._origin.transport

    @property
    def subscription(self) -> str:
        """Return the durable name of the handler."""
        return self._origin.subscription

    @property
    def is_event(self) -> bool:
        """Tell an event from a request."""
        return self._delivery.message.kind is Kind.EVENT

    @property
    def message_id(self) -> str:
        """Return the id it was published with."""
        return self._delivery.message.id

    @property
    def correlation_id(self) -> str:
        """Return the id that is passed on from call to call; the first message's own."""
        message = self._delivery.message
        return message.headers.get("wl-correlation-id") or message.id

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the message's headers, names in lower case."""
        return self._delivery.message.headers

    @property
    def attempt(self) -> int:
        """Return which run of this message it is, from 1."""
        return self._delivery.attempt

    @property
    def body(self) -> bytes:
        """Return the payload as it arrived."""
        return self._delivery.message.body

    @property
    def key(self) -> str | None:
        """Return the ordering key that it was published with."""
        return self._delivery.message.key

    @property
    def pending(self) -> int | None:
        """Return how many messages wait behind it, where the transport knows."""
        return self._delivery.pending

    @property
    def replayed(self) -> bool:
        """Tell whether it was stored before this group began, or replayed on demand."""
        return self._delivery.replayed


current_context: ContextVar[Context | None] = ContextVar("wireloom_context", default=None)
"""The call that the running code serves; clients pass on its deadline, correlation and trace."""
