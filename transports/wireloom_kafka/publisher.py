"""The producer, and another one when it is stuck."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka

from wireloom.errors import ClosedError, PayloadTooLargeError, PublishError, TransportError
from wireloom.spi import FullJitter
from wireloom_kafka.guard import bounded, closed, ended, started
from wireloom_kafka.outbox import Outbox
from wireloom_kafka.records import Outgoing

__all__ = ["Publisher"]

logger = logging.getLogger("wireloom.kafka")

FLUSH: Final = 2.0
"""Seconds for which `close` lets the producer send what it still holds."""
_TOO_LARGE: Final = (kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError)
_WEDGED: Final = (
    kafka.OutOfOrderSequenceNumber,
    kafka.InvalidProducerEpoch,
    kafka.ProducerFenced,
    kafka.ProducerClosed,
    kafka.UnknownProducerId,
)
_PLAIN: Final = (kafka.KafkaError, kafka.RequestTimedOutError, kafka.KafkaTimeoutError)


class Publisher:
    """Writes records and waits until all replicas in sync have them."""

    def __init__(
        self,
        make: Callable[[], AIOKafkaProducer],
        timeout: float,
        limit: int,
        given: AIOKafkaProducer | None = None,
    ) -> None:
        self._make = make
        self._timeout = timeout
        self._limit = limit
        self._given = given
        self._producer: AIOKafkaProducer | None = None
        self._outbox = Outbox(self._hand, self._explain, timeout)
        self._replacing: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def native(self) -> AIOKafkaProducer | None:
        """Return the producer in use."""
        return self._producer

    async def open(self) -> None:
        """Connect once.

        :raises TransportError: if that failed.
        """
        self._closed = False
        self._producer = self._given or await self._start()

    async def close(self, patience: float = FLUSH) -> None:
        """Send what is held, so many seconds at most, then disconnect; a given producer stays."""
        self._closed = True
        await self._outbox.drain(patience)
        if self._replacing is not None:
            self._replacing.cancel()
            await asyncio.wait([self._replacing], timeout=1.0)
        producer, self._producer = self._producer, None
        if producer is not None and self._given is not None:
            await ended(producer.flush(), patience, "flush")
        elif producer is not None:
            await closed(producer, patience)
        self._outbox.close()

    async def partitions(self, topic: str) -> int:
        """Return how many partitions a topic has.

        :raises TransportError: if the broker does not say.
        """
        work = self._open.partitions_for(topic)
        return len(await bounded(work, self._timeout, f"publish to {topic}"))

    async def send(self, record: Outgoing) -> Any:
        """Write one record and return the driver's metadata of it. Records of one topic are written
        in the order of calling.

        :raises PayloadTooLargeError: if the broker or the options do not allow so much.
        :raises PublishError: if it was not taken, or that is unknown.
        """
        self._check_open()
        return await self._outbox.put(record)

    async def send_many(self, records: Sequence[Outgoing]) -> list[Any]:
        """Write records in this order; return metadata or a TransportError for each."""
        self._check_open()
        outcomes = [self._outbox.put(record) for record in records]
        return await asyncio.gather(*outcomes, return_exceptions=True)

    @property
    def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise ClosedError("the Kafka transport is not connected")
        return self._producer

    def _check_open(self) -> None:
        if self._producer is None:
            raise ClosedError("the Kafka transport is not connected")

    async def _hand(self, record: Outgoing) -> "asyncio.Future[Any]":
        sent: asyncio.Future[Any] = await self._open.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=record.headers,
        )
        return sent

    def _explain(self, error: BaseException, record: Outgoing) -> TransportError:
        if isinstance(error, TransportError):
            return error
        if isinstance(error, _TOO_LARGE):
            return PayloadTooLargeError(len(record.value or b""), self._limit)
        if isinstance(error, (*_WEDGED, TimeoutError)) or type(error) in _PLAIN:
            self._replace()
        if isinstance(error, TimeoutError):
            text = f"no acknowledgement within {self._timeout:g} s; it may be written yet"
        elif isinstance(error, asyncio.CancelledError):
            text = "the connection was closed; it may be written yet"
        else:
            text = str(error) or type(error).__name__
        return PublishError(f"{record.topic}: {text}")

    def _replace(self) -> None:
        # An idempotent producer that lost its sequence fails for ever, and one whose broker went
        # away may wait for ever; a new one takes over as soon as it can connect.
        if self._closed or self._given is not None:
            return
        if self._replacing is None or self._replacing.done():
            task = asyncio.get_running_loop().create_task(self._swap(), name="kafka producer")
            self._replacing = task

    async def _swap(self) -> None:
        logger.warning("the Kafka producer does not get through; another one is made")
        jitter = FullJitter(first=0.1)
        while True:
            try:
                fresh = await self._start()
                break
            except TransportError:
                await asyncio.sleep(jitter.next())
        old, self._producer = self._producer, fresh
        if old is not None:
            await closed(old, FLUSH)

    async def _start(self) -> AIOKafkaProducer:
        producer = self._make()
        await started(producer, self._timeout, "connect")
        return producer
