"""What could not be handled, and how it is looked at and brought back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["DeadLetter", "DeadLetters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message that was given up, with original bytes and headers.

    `facts` are the core's: `wl-dead-reason`, `wl-dead-error`, `wl-dead-attempts`,
    `wl-dead-first-ms`, `wl-dead-last-ms`, `wl-dead-source`, and `wl-dead-stack` (a hash).
    """

    id: str
    """The transport's own handle on this entry, unique among the subscription's dead letters."""
    subscription: str
    address: str
    message_id: str
    body: bytes
    headers: Mapping[str, str]
    facts: Mapping[str, str]
    key: str | None = None


class DeadLetters(Protocol):
    """The dead letters of one transport, by subscription."""

    def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first, removing nothing."""

    async def replay(self, letter: DeadLetter) -> None:
        """Deliver it to its subscription alone, as run 1, then remove it here."""

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good."""
