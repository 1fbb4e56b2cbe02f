"""One partition while it is this member's."""

import asyncio

from aiokafka import TopicPartition

from wireloom.spi import Delivery, Message
from wireloom_kafka.tracker import Marks, OffsetTracker

__all__ = ["Share", "SharedDelivery"]


class SharedDelivery(Delivery):
    """A delivery that may be taken away with its partition."""

    __slots__ = ("lost",)

    def __init__(self, message: Message, *, attempt: int) -> None:
        super().__init__(message, attempt=attempt)
        self.lost = False


class Share:
    """What was taken from a partition since it was assigned, and what of that is settled."""

    def __init__(self, partition: TopicPartition, position: int, marks: Marks, window: int) -> None:
        self.partition = partition
        self.lost = False
        """The partition goes, or is gone, to another member."""
        self.quiet = asyncio.Event()
        """Set while nothing that was handed over is unsettled."""
        self.quiet.set()
        self.parked = 0
        """Deliveries that wait here for their time."""
        self._tracker = OffsetTracker(position, marks.done)
        self._open: set[SharedDelivery] = set()
        self._marks = marks
        self._start = position
        self._suspects = position + window if marks.crashes else position
        self._committed: tuple[int, str] | None = None

    @property
    def position(self) -> int:
        """Return one beyond the last offset taken."""
        return self._tracker.next

    @property
    def is_dirty(self) -> bool:
        """Tell whether there is anything new to commit."""
        return self.snapshot() != self._committed

    def take(self, offset: int) -> bool:
        """Register the next record; return False if it was finished in an earlier life.

        :raises ValueError: if the log went backwards, as that of a topic made anew does.
        """
        return self._tracker.take(offset)

    def hand_over(self, delivery: SharedDelivery, offset: int) -> None:
        """Note that a delivery goes to the intake now."""
        if offset < self._suspects:
            delivery.deliveries += self._marks.crashes
        self._open.add(delivery)
        self.quiet.clear()

    def finish(self, delivery: SharedDelivery, offset: int) -> None:
        """Note that a delivery is settled and never needed again."""
        self._tracker.finish(offset)
        self.release(delivery)

    def skip(self, offset: int) -> None:
        """Note that a record which was not handed over is never needed again."""
        self._tracker.finish(offset)

    def release(self, delivery: SharedDelivery) -> None:
        """Note that a delivery is nobody's any more, and has to arrive again."""
        self._open.discard(delivery)
        if not self._open:
            self.quiet.set()

    def lose(self) -> None:
        """Mark everything that was handed over, so that what has not started never does."""
        self.lost = True
        for delivery in self._open:
            delivery.lost = True

    def is_before_group(self, offset: int) -> bool:
        """Tell whether a record was stored before the group began."""
        return offset < self._marks.begin

    def snapshot(self) -> tuple[int, str]:
        """Return the offset to commit now, and its metadata."""
        offset = self._tracker.committable
        marks = Marks(self._crashes(offset), self._marks.begin, self._tracker.done())
        return offset, marks.to_text(offset)

    def warning(self) -> tuple[int, str]:
        """Return the commit that counts a crash if nothing more is heard of this member."""
        marks = Marks(self._marks.crashes + 1, self._marks.begin, self._marks.done)
        return self._start, marks.to_text(self._start)

    def committed(self, snapshot: tuple[int, str]) -> None:
        """Note what was committed."""
        self._committed = snapshot

    def _crashes(self, offset: int) -> int:
        # While work is open this is written in advance, and taken back when it settles.
        before = self._marks.crashes if offset == self._start else 0
        return before + 1 if self._open else before
