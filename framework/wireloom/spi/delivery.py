"""One arrival of a message, and where arrivals go."""

from collections.abc import Mapping
from typing import Protocol

from wireloom.spi.message import Message

__all__ = ["Delivery", "Intake"]


class Delivery:
    """One arrival of a message at one subscription. Only the core settles it, exactly once:
    by `ack`, `retry`, `dead_letter` or `give_back`, or not at all when the process is ending.

    Transports subclass it; facts of their own are attributes, which their context shows. A settle
    method returns when the transport is sure, and raises TransportError when it is not: the
    message may then arrive again.
    """

    lost: bool = False
    """It will arrive elsewhere: if it was not started yet, it is given back instead of run. A
    transport that takes deliveries away gives its own class a slot of this name."""

    __slots__ = ("age", "arrived", "attempt", "deliveries", "message", "pending", "replayed")

    def __init__(self, message: Message, *, attempt: int = 1) -> None:
        self.message = message
        self.attempt = attempt
        """Which run this is, from 1: delays and give-backs are not runs."""
        self.deliveries = attempt
        """How often it was delivered, give-backs and crashes included."""
        self.age = 0.0
        """Seconds since it was published, on arrival, by the best clock the transport has."""
        self.arrived: float
        """When the intake took it, by the application's monotonic clock; the intake notes it."""
        self.pending: int | None = None
        """How many messages wait behind it, where known."""
        self.replayed = False

    async def ack(self) -> None:
        """Settle: done. For requests on transports without acknowledgement, nothing."""

    async def retry(self, delay: float, attempt: int) -> None:
        """Settle: deliver to this subscription again after `delay` seconds, as run `attempt`."""
        raise NotImplementedError

    async def dead_letter(self, facts: Mapping[str, str]) -> None:
        """Settle: store the original bytes and headers with `facts` as further headers under the
        subscription's dead letters, and only when that is safe remove it here.
        """
        raise NotImplementedError

    async def give_back(self) -> None:
        """Settle: it was not started; deliver it again, here or elsewhere, as the same run."""
        raise NotImplementedError

    async def keep_alive(self) -> None:
        """Tell the broker that this delivery is being worked on. Called now and then."""

    def try_reply(self, message: Message) -> bool:
        """Do what `reply` does without waiting, if that is possible at this moment. False: nothing
        was done, call `reply`.
        """
        return False

    async def reply(self, message: Message) -> None:
        """Send a message to the inbox of the request that this is (`message.address`)."""
        raise NotImplementedError


class Intake(Protocol):
    """Where a transport puts deliveries of one subscription. The core owns it, so that
    back-pressure is one thing everywhere.
    """

    @property
    def capacity(self) -> int:
        """Deliveries that may be taken and unsettled at once: a push transport's prefetch."""

    @property
    def room(self) -> int:
        """How many more may be taken now."""

    async def wait_for_room(self) -> int:
        """Wait until there is room; return how much. A pull transport fetches that many."""

    def put(self, delivery: Delivery) -> None:
        """Hand over, from the loop's thread. Never waits and never refuses."""
