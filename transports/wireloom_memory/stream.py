"""What the broker remembers of events: their log, and the ids it has seen."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from math import inf

from wireloom.pattern import Pattern
from wireloom.spi import Limits, Message, StartFrom

__all__ = ["Entry", "SeenIds", "Stream", "history"]

ENTRY_BYTES = 200
"""What an event takes besides its body, roughly; so that empty ones are bounded, too."""


class Entry:
    """One event that the broker took."""

    __slots__ = ("at", "expired", "expires", "message", "published", "sequence")

    def __init__(self, message: Message, sequence: int, published: float, at: float) -> None:
        self.message = message
        self.sequence = sequence
        self.published = published
        """On the broker's time, before any delay."""
        self.at = at
        """Seconds since the epoch, for `start_from=<datetime>`."""
        self.expires = inf
        """The broker's time after which it is over its stream's age."""
        self.expired = False
        """Over another limit of its stream: groups that have not come to it will not get it."""

    @property
    def size(self) -> int:
        """Return what it counts towards a limit in bytes."""
        return len(self.message.body) + ENTRY_BYTES


class Stream:
    """A log of events, oldest first, bounded by declared limits and by what the process affords."""

    def __init__(self, name: str, limits: Limits, log_bytes: int) -> None:
        self.name = name
        self.limits = limits
        self._log_bytes = log_bytes
        self._entries: deque[Entry] = deque()
        self._size = 0

    def append(self, entry: Entry, now: float) -> None:
        """Add the newest event, and forget what is over the limits then."""
        limits = self.limits
        if limits.age is not None:
            entry.expires = now + limits.age
        self._entries.append(entry)
        self._size += entry.size
        while self._entries[0].expires < now:
            self._forget(expire=True)
        while limits.messages is not None and len(self._entries) > limits.messages:
            self._forget(expire=True)
        while limits.bytes is not None and self._size > limits.bytes and len(self._entries) > 1:
            self._forget(expire=True)
        if limits.bytes is None and limits.messages is None:
            while self._entries and self._size > self._log_bytes:
                self._forget(expire=False)

    def _forget(self, *, expire: bool) -> None:
        entry = self._entries.popleft()
        self._size -= entry.size
        entry.expired = entry.expired or expire

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class SeenIds:
    """Ids of events by address, for a while and up to a number, the oldest forgotten first."""

    WINDOW = 120.0
    """Seconds."""
    LIMIT = 100_000
    """At most so many, since one id takes about 200 bytes of this process."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def add(self, address: str, id_: str, now: float) -> bool:
        """Remember an id; tell whether it was not known."""
        seen = self._seen
        key = (address, id_)
        known = seen.get(key)
        if known is not None:
            if now - known <= self.WINDOW:
                return False
            del seen[key]
        elif len(seen) >= self.LIMIT:
            del seen[next(iter(seen))]
        seen[key] = now
        return True

    def forget(self, address: str, id_: str) -> None:
        """Take back an `add`, since the event was not taken after all."""
        self._seen.pop((address, id_), None)


def history(entries: list[Entry], pattern: Pattern, start_from: StartFrom) -> list[Entry]:
    """Return what a new group that starts there gets of a log in order of sequence."""
    if start_from == "new":
        return []
    matching = [entry for entry in entries if pattern.matches(entry.message.address)]
    if start_from == "first":
        return matching
    if start_from == "last":
        return matching[-1:]
    if isinstance(start_from, datetime):
        return [entry for entry in matching if entry.at >= start_from.timestamp()]
    return [entry for entry in matching if entry.sequence >= int(start_from)]
