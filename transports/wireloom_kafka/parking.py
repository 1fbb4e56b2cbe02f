"""Deliveries that wait in memory for their time."""

import heapq
from collections.abc import Iterator
from itertools import count
from typing import Final

from wireloom_kafka.delivery import KafkaDelivery

__all__ = ["Parking"]

MAX_PARKED: Final = 1_000
"""Deliveries of one partition in memory; when so many wait, the partition is not read on."""


class Parking:
    """The delayed deliveries of one reader, by the clock's monotonic time."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, KafkaDelivery]] = []
        self._count = count()

    def put(self, delivery: KafkaDelivery, due: float) -> None:
        """Keep a delivery until it is due."""
        heapq.heappush(self._heap, (due, next(self._count), delivery))
        if delivery.share is not None:
            delivery.share.parked += 1

    def due_in(self, now: float) -> float | None:
        """Return the seconds until the next one is due, or None if there is none."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def take_due(self, now: float, limit: int) -> Iterator[KafkaDelivery]:
        """Hand out so many that are due, in order of their time."""
        while limit > 0 and self._heap and self._heap[0][0] <= now:
            _, _, delivery = heapq.heappop(self._heap)
            if delivery.share is not None:
                delivery.share.parked -= 1
            limit -= 1
            yield delivery

    def drop_lost(self) -> None:
        """Forget what belongs to partitions that are not ours any more."""
        kept = [entry for entry in self._heap if not _is_lost(entry[2])]
        heapq.heapify(kept)
        self._heap = kept


def _is_lost(delivery: KafkaDelivery) -> bool:
    return delivery.share is not None and delivery.share.lost
