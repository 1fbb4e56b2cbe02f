"""How a handler's events are retried, batched, remembered and given up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "Backoff",
    "Batch",
    "DeadLettering",
    "Dedup",
    "DedupStore",
    "Retry",
    "exponential",
    "fixed",
]

Backoff = Callable[[int], float]
"""From the number of the run that failed, from 1, to seconds until the next one."""


def exponential(first: float = 0.5, cap: float = 30.0, factor: float = 2.0) -> Backoff:
    """Return waits that grow from `first` by `factor` up to `cap`, in seconds.

    :raises ValueError: if they would be negative or shrink.
    """
    if first < 0 or cap < first or factor < 1:
        raise ValueError(f"exponential({first}, {cap}, {factor}): 0 <= first <= cap, factor >= 1")

    def wait(attempt: int) -> float:
        # The exponent is bounded, so that the millionth attempt does not overflow a float.
        return min(cap, first * factor ** min(attempt - 1, 64))

    return wait


def fixed(*waits: float) -> Backoff:
    """Return these waits in turn, in seconds, the last one from then on.

    :raises ValueError: if there is none, or one is negative.
    """
    if not waits or min(waits) < 0:
        raise ValueError(f"fixed{waits}: at least one wait, none below 0")
    return lambda attempt: waits[min(attempt, len(waits)) - 1]


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and when a failed event is run again."""

    attempts: int = 5
    """Runs in all, the first included. Then the message is dead-lettered."""
    backoff: Backoff = exponential()
    """Seconds to wait after a run failed, by its number."""
    jitter: float = 0.2
    """Part of the wait that is random, so that what failed together does not return together."""
    on: tuple[type[Exception], ...] = (Exception,)
    """Errors worth another run; any other is dead-lettered at once."""
    never: tuple[type[Exception], ...] = ()
    """Errors dead-lettered at once although `on` holds them."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        :raises ValueError: naming the field.
        """
        if self.attempts < 1:
            raise ValueError(f"Retry(attempts={self.attempts}): the first run counts; at least 1")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"Retry(jitter={self.jitter}): a part of the wait, from 0 to 1")
        for error in (*_kinds(self.on), *_kinds(self.never)):
            if not (isinstance(error, type) and issubclass(error, Exception)):
                raise ValueError(  # noqa: TRY004 - as every other field that cannot work
                    f"Retry(on=..., never=...): {error!r} is no kind of exception"
                )
        if min(self.backoff(attempt) for attempt in range(1, self.attempts + 1)) < 0:
            raise ValueError("Retry(backoff=...): it gives a negative wait")

    @property
    def longest_delay(self) -> float:
        """Return the longest wait that can be asked for, in seconds."""
        waits = (self.backoff(attempt) for attempt in range(1, self.attempts))
        return max(waits, default=0.0) * (1 + self.jitter)

    def wants(self, error: BaseException) -> bool:
        """Tell whether this error is worth another run."""
        return isinstance(error, self.on) and not isinstance(error, self.never)


def _kinds(kinds: object) -> tuple[Any, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


@dataclass(frozen=True, slots=True)
class Batch:
    """Give the handler a list: up to `size` events, or what came `within` seconds of the first."""

    size: int = 100
    within: float = 1.0
    """Seconds."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        :raises ValueError: naming the field.
        """
        if self.size < 1 or self.within <= 0:
            raise ValueError(f"Batch(size={self.size}, within={self.within}): both above 0")


class DedupStore(Protocol):
    """Remembers which messages were handled, for as long as the window is. Shared by processes."""

    async def seen(self, subscription: str, message_id: str) -> bool:
        """Tell whether this message was handled within the window."""

    async def remember(self, subscription: str, message_id: str, window: float) -> None:
        """Note that it was handled; forget that after `window` seconds."""


@dataclass(frozen=True, slots=True)
class Dedup:
    """Run a message once for its id, within a window."""

    window: float = 120.0
    """Seconds for which an id is remembered after it was handled."""
    store: DedupStore | None = None
    """Where ids are kept. None: in this process, which is enough against what it sees itself."""

    def __post_init__(self) -> None:
        """Refuse a window that remembers nothing.

        :raises ValueError: naming the field.
        """
        if self.window <= 0:
            raise ValueError(f"Dedup(window={self.window}): seconds, above 0")


@dataclass(frozen=True, slots=True)
class DeadLettering:
    """Which messages that will not be handled are kept as dead letters."""

    failed: bool = True
    """Those whose attempts are used up, or that are invalid or rejected. False: counted and
    dropped."""
    expired: bool = False
    """Those that arrive past their time to live. False: counted and dropped."""
