"""Where replies arrive: this instance's partition of its group's reply topic."""

import asyncio
import logging
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from wireloom.errors import TransportError
from wireloom.spi import FullJitter, Kind, Receive
from wireloom_kafka.guard import bounded, closed, started
from wireloom_kafka.link import Link, inbox_address
from wireloom_kafka.records import INBOX, from_record

__all__ = ["Inbox"]

logger = logging.getLogger("wireloom.kafka")

POLL: Final = 1.0
"""Seconds for which one read waits."""


class Inbox:
    """Reads replies, with another consumer whenever one breaks, from where the last one stopped."""

    def __init__(self, link: Link, receive: Receive) -> None:
        self._link = link
        self._receive = receive
        self._mine = link.environment.instance.encode()
        self._partition = TopicPartition(link.names.inbox(link.environment.group), 0)
        self._position: int | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._running: asyncio.Task[None] | None = None
        self._address = ""

    async def open(self) -> str:
        """Listen and return the address; live when this returns.

        :raises TransportError: if that failed.
        """
        topic = self._partition.topic
        await self._link.ensure([self._link.plan.inbox(self._link.environment.group)])
        count = len(await self._link.admin.partitions([topic]))
        self._partition = TopicPartition(topic, self._link.inbox_partition(count))
        self._consumer = await self._opened()
        self._running = asyncio.get_running_loop().create_task(self._run(), name="kafka inbox")
        instance = self._link.environment.instance
        self._address = inbox_address(topic, self._partition.partition, instance)
        return self._address

    async def close(self) -> None:
        """Stop listening."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running], timeout=1.0)
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await closed(consumer, self._link.patience(2.0))

    async def _opened(self) -> AIOKafkaConsumer:
        consumer = self._link.driver.consumer(max_partition_fetch_bytes=self._link.plan.fetch_bytes)
        timeout = self._link.options.request_timeout
        try:
            consumer.assign([self._partition])
            await started(consumer, timeout, "open the inbox")
            ends = await bounded(consumer.end_offsets([self._partition]), timeout, "open the inbox")
            end = ends[self._partition]
            self._position = end if self._position is None else min(self._position, end)
            consumer.seek(self._partition, self._position)
        except BaseException:
            await closed(consumer, 1.0)
            raise
        return consumer

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001 - an inbox that dies makes every request fail
                logger.warning("replies could not be read, a new consumer is made: %s", error)
            await self._reopen()

    async def _reopen(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await closed(consumer, 2.0)
        jitter = FullJitter(first=0.1)
        while self._consumer is None:
            await asyncio.sleep(jitter.next())
            try:
                self._consumer = await self._opened()
            except TransportError as error:
                logger.warning("the inbox is not open: %s", error)

    async def _read(self) -> None:
        consumer = self._consumer
        while consumer is not None:
            patience = POLL + self._link.options.request_timeout
            batches = await bounded(consumer.getmany(timeout_ms=POLL * 1000), patience, "read")
            for record in (record for batch in batches.values() for record in batch):
                self._position = record.offset + 1
                self._take(record)

    def _take(self, record: Any) -> None:
        # Instances beyond the number of partitions share one; what names another is not ours.
        if dict(record.headers).get(INBOX) == self._mine:
            self._receive(from_record(record, Kind.REPLY, self._address).message)
