"""Which partition an event goes to."""

from collections.abc import Sequence

from aiokafka.partitioner import DefaultPartitioner

__all__ = ["Partitioner"]


class Partitioner:
    """By key as Kafka's own clients do it. Without a key, one partition for each publisher: what it
    publishes stays in order, as on any other transport.
    """

    def __init__(self, seed: int, *, spread: bool) -> None:
        self._seed = seed
        self._spread = spread
        self._by_key = DefaultPartitioner()

    def __call__(self, key: bytes | None, every: Sequence[int], available: Sequence[int]) -> int:
        """Return one of `every`, which is in ascending order."""
        if key is None and not self._spread:
            return every[self._seed % len(every)]
        chosen: int = self._by_key(key, every, available)
        return chosen
