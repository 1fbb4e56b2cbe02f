"""What is subscribed to and declared: facts that a transport turns into names on its broker."""

from dataclasses import dataclass
from datetime import datetime

from wireloom.pattern import Pattern
from wireloom.spi.message import Kind
from wireloom.spi.options import HandlerOptions

__all__ = ["Declaration", "Limits", "StartFrom", "Subscription"]

StartFrom = str | int | datetime
"""Where a new group begins: "new", "first", "last", a sequence, or an aware datetime."""

WEEK = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of an event a broker keeps. None: no limit of ours."""

    age: float | None = WEEK
    """Seconds. A week, so that logs do not grow for ever."""
    messages: int | None = None
    bytes: int | None = None
    message_size: int | None = None
    """Bytes of one message."""

    def __post_init__(self) -> None:
        """Refuse limits that keep nothing.

        :raises ValueError: if one is not above 0.
        """
        for name in ("age", "messages", "bytes", "message_size"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"Limits({name}={value!r}): it must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """An event that this application emits or handles: what stores it must exist."""

    pattern: Pattern
    limits: Limits
    durable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One handler's interest. `name` is its durable name, unique in the application.

    Handlers of one `group` with one `name` compete, on whichever instance they run; every name
    gets its own copy of each event. Of requests, exactly one live instance of one group runs each.
    """

    name: str
    pattern: Pattern
    kind: Kind
    """EVENT or REQUEST."""
    group: str
    where: str
    """Controller, method, file and line, for errors."""
    broadcast: bool = False
    """Every instance gets a copy; nothing is kept for one that is away."""
    ephemeral: bool = False
    """Of this process alone, from now on, deleted with it: what `client.subscribe` makes."""
    durable: bool = True
    limits: Limits = Limits()
    start_from: StartFrom = "new"
    """Where the group begins when it is first created; an existing group goes on."""
    ordered: bool = False
    """The core runs one key at a time; across instances the transport keeps a key at one owner."""
    shards: int = 1
    """Sub-queues with one owner each, for ordered subscriptions across instances."""
    ack_first: bool = False
    """The delivery is settled before the handler runs: at most once."""
    attempts: int = 5
    """Runs after which the core dead-letters; a backstop for the broker's own counter."""
    longest_delay: float = 0.0
    """Seconds: the longest `retry` delay that the core will ask for."""
    timeout: float | None = 60.0
    """Seconds a run may take; the broker's own patience must be longer or kept up."""
    native: HandlerOptions | None = None
    """This transport's own options of the handler."""
