"""Which offsets of one partition are finished, and up to where a commit may go."""

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

__all__ = ["Marks", "OffsetTracker"]

MAX_METADATA: Final = 3_500
"""Characters of a commit's metadata; a broker takes 4,096 bytes unless told otherwise."""
MAX_RANGES: Final = 500
"""Finished stretches that a commit carries at most; what is beyond is repeated after a crash."""
_METADATA: Final = re.compile(r"wl1 crashes=(\d{1,6}) begin=(\d{1,19}) done=((?:\d+-\d+,?)*)")

Range = tuple[int, int]
"""First and last offset of a stretch."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a commit says beside its offset, kept in its metadata."""

    crashes: int = 0
    """How often a member took the partition at this offset and was not heard of again."""
    begin: int = 0
    """Where the group began: what lies below was stored before it."""
    done: tuple[Range, ...] = ()
    """Finished stretches at or after the offset."""

    def to_text(self, offset: int) -> str:
        """Return the metadata of a commit of this offset."""
        text = f"wl1 crashes={self.crashes} begin={self.begin} done="
        shown: list[str] = []
        room = MAX_METADATA - len(text)
        for first, last in self.done[:MAX_RANGES]:
            shown.append(f"{first - offset}-{last - offset}")
            room -= len(shown[-1]) + 1
            if room < 0:
                del shown[-1]
                break
        return text + ",".join(shown)

    @classmethod
    def from_text(cls, text: str, offset: int) -> "Marks":
        """Return what a commit's metadata says; anything that is not ours says nothing."""
        found = _METADATA.fullmatch(text or "")
        if found is None:
            return cls()
        done = tuple(_ranges(found[3], offset))
        if any(last < first for first, last in done):
            return cls()
        return cls(int(found[1]), int(found[2]), done)


class OffsetTracker:
    """The offsets taken from one partition, in order, and which of them are finished.

    An offset may be committed when everything before it is finished: a commit is the promise that
    nothing below is needed again.
    """

    __slots__ = ("_done", "_order", "_skipped", "next")

    def __init__(self, position: int, done: Iterable[Range] = ()) -> None:
        self.next = position
        """One beyond the last offset taken."""
        self._order: deque[int] = deque()
        self._done: set[int] = set()
        self._skipped = tuple(done)

    def take(self, offset: int) -> bool:
        """Register the next offset; return False if it was finished in an earlier life.

        :raises ValueError: if it is not beyond the last one.
        """
        if offset < self.next:
            raise ValueError(f"offset {offset} comes after {self.next - 1}")
        self.next = offset + 1
        self._order.append(offset)
        if any(first <= offset <= last for first, last in self._skipped):
            self.finish(offset)
            return False
        return True

    def finish(self, offset: int) -> None:
        """Mark a taken offset as finished; once is enough."""
        order, done = self._order, self._done
        if order and offset >= order[0]:
            done.add(offset)
        while order and order[0] in done:
            done.discard(order.popleft())

    @property
    def committable(self) -> int:
        """Return the first offset that is still needed."""
        return self._order[0] if self._order else self.next

    @property
    def unfinished(self) -> int:
        """Return how many were taken and are not finished."""
        return len(self._order) - len(self._done)

    def done(self) -> tuple[Range, ...]:
        """Return the finished stretches beyond `committable`."""
        if not self._done:
            return self._later(self.next)
        stretches: list[Range] = []
        first = last = -1
        for offset in self._order:
            if offset in self._done:
                first, last = (offset if first < 0 else first), offset
            elif first >= 0:
                stretches.append((first, last))
                first = -1
        if first >= 0:
            stretches.append((first, last))
        return (*stretches, *self._later(self.next))

    def _later(self, position: int) -> tuple[Range, ...]:
        # Finished in an earlier life, and not arrived again yet.
        return tuple(
            (max(first, position), last) for first, last in self._skipped if last >= position
        )


def _ranges(text: str, offset: int) -> Iterable[Range]:
    for part in filter(None, text.split(",")):
        first, last = part.split("-")
        yield offset + int(first), offset + int(last)
