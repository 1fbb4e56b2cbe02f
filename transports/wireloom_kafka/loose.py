"""One life of a consumer without a group: every instance reads everything from now on."""

from collections.abc import Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from wireloom_kafka.guard import bounded, closed, started
from wireloom_kafka.interest import Interest
from wireloom_kafka.link import Link
from wireloom_kafka.share import Share

__all__ = ["LooseConsumer"]

CLOSE = 3.0
"""Seconds that closing may take."""


class LooseConsumer:
    """Reads all partitions. Nothing is committed; `positions` outlive it, for its successor."""

    def __init__(
        self, link: Link, interest: Interest, positions: dict[TopicPartition, int]
    ) -> None:
        self._link = link
        self._interest = interest
        self._positions = positions
        self._consumer: AIOKafkaConsumer = link.driver.consumer(
            isolation_level=interest.isolation,
            max_partition_fetch_bytes=link.plan.fetch_bytes,
            **interest.discovery(link.options),
        )

    async def open(self) -> None:
        """Begin at the end of what there is, or where the predecessor stopped.

        :raises TransportError: if that failed; nothing is left behind.
        """
        timeout = self._link.options.request_timeout
        try:
            self._interest.subscribe(self._consumer, None)
            await started(self._consumer, timeout, "subscribe")
            await self._seek(self._consumer.assignment(), timeout)
        except BaseException:
            await closed(self._consumer, CLOSE)
            raise

    async def fetch(
        self, room: int, seconds: float, without: Collection[TopicPartition]
    ) -> list[tuple[Share | None, list[Any], int]]:
        """Return records, without a share: there is nothing to give back.

        :raises TransportError: if the consumer is broken and has to be made anew.
        """
        batches = await bounded(
            self._consumer.getmany(timeout_ms=seconds * 1000, max_records=room),
            seconds + self._link.options.request_timeout,
            "read",
        )
        found: list[tuple[Share | None, list[Any], int]] = []
        for tp, records in batches.items():
            self._positions[tp] = records[-1].offset + 1
            end = self._consumer.highwater(tp) or 0
            found.append((None, records, max(0, end - records[0].offset - 1)))
        return found

    async def behind(self) -> bool:
        """Tell whether records lie unread.

        :raises TransportError: if the broker does not say.
        """
        timeout = self._link.options.request_timeout
        parts = [tp for tp in self._consumer.assignment() if tp in self._positions]
        if not parts:
            return False
        ends = await bounded(self._consumer.end_offsets(parts), timeout, "read ends")
        return any(end > self._positions[tp] for tp, end in ends.items())

    async def settle(self) -> None:
        """Nothing is committed."""

    async def close(self) -> None:
        """Disconnect."""
        await closed(self._consumer, self._link.patience(CLOSE))

    async def _seek(self, partitions: Collection[TopicPartition], timeout: float) -> None:
        # Partitions that appear later are read from their beginning: the default of the consumer.
        new = [tp for tp in partitions if tp not in self._positions]
        if new:
            self._positions |= await bounded(self._consumer.end_offsets(new), timeout, "read ends")
        for tp in partitions:
            self._consumer.seek(tp, self._positions[tp])
