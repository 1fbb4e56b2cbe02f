"""A live subscription: reads as much as the intake has room for, and hands it over."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import TopicPartition

from wireloom.errors import TransportError
from wireloom.spi import FullJitter, Intake, Subscriber
from wireloom_kafka.committer import Committer
from wireloom_kafka.delivery import KafkaDelivery
from wireloom_kafka.group import GroupConsumer
from wireloom_kafka.guard import ended
from wireloom_kafka.interest import Interest
from wireloom_kafka.link import Link
from wireloom_kafka.loose import LooseConsumer
from wireloom_kafka.parking import MAX_PARKED, Parking
from wireloom_kafka.records import from_record
from wireloom_kafka.settling import Settling
from wireloom_kafka.share import Share

__all__ = ["Reader"]

logger = logging.getLogger("wireloom.kafka")

POLL: Final = 0.25
"""Seconds for which one read waits; what comes due in the meantime is late by so much at most."""
SILENCE: Final = 30.0
"""Seconds without a record after which a reader looks whether there really is none."""
SKEW: Final = 5.0
"""Seconds by which a producer's clock may be off."""
SOON: Final = 1.0
"""Seconds for which a delayed event may hold up commits in place of being moved."""


class Reader(Subscriber):
    """Reads one subscription, with another consumer whenever one breaks."""

    def __init__(self, link: Link, interest: Interest, intake: Intake) -> None:
        self._link = link
        self._interest = interest
        self._intake = intake
        self._clock = link.environment.clock
        self._parking = Parking()
        self._positions: dict[TopicPartition, int] = {}
        self._consumer: GroupConsumer | LooseConsumer | None = None
        self._settling = Settling(link, interest, self._parking, self._committer)
        self._running: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._addresses: dict[str, str] = {}
        self._heard = 0.0

    async def open(self) -> None:
        """Join the group, or find the ends; live when this returns.

        :raises TransportError: if that failed.
        """
        self._consumer = await self._opened()
        self._running = self._start(self._run(), "reader")

    async def stop(self) -> None:
        """Read nothing more. The group is left once what was taken is settled."""
        self._settling.stopped = True
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait([running], timeout=1.0)
            self._leaving = self._start(self._leave(), "leaving")

    async def close(self) -> None:
        """Leave now; what is unsettled arrives again. A second call waits for the first."""
        if self._closing is None:
            self._closing = self._start(self._close(), "closing")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self.stop()
        consumer, self._consumer = self._consumer, None
        if self._leaving is not None:
            if consumer is not None:
                self._leaving.cancel()  # it waits for handlers that nobody waits for any more
            await asyncio.wait([self._leaving])
        if consumer is not None:
            await consumer.close()

    def _start(self, work: Any, name: str) -> "asyncio.Task[None]":
        title = f"kafka {name} {self._interest.subscription.name}"
        return asyncio.get_running_loop().create_task(work, name=title)

    def _committer(self) -> Committer | None:
        return self._consumer.committer if isinstance(self._consumer, GroupConsumer) else None

    async def _opened(self) -> GroupConsumer | LooseConsumer:
        consumer: GroupConsumer | LooseConsumer
        group = self._interest.group
        if group is None:
            consumer = LooseConsumer(self._link, self._interest, self._positions)
        else:
            consumer = GroupConsumer(self._link, self._interest, group, self._intake.capacity)
        await consumer.open()
        return consumer

    async def _leave(self) -> None:
        consumer = self._consumer
        if consumer is not None:
            await consumer.settle()
            self._consumer = None
            await consumer.close()

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except Exception as error:  # noqa: BLE001 - a reader that dies is a silent service
                logger.warning(
                    "%s: reading failed, a new consumer is made: %s",
                    self._interest.subscription.name,
                    error if isinstance(error, TransportError) else repr(error),
                )
            await self._reopen()

    async def _reopen(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.close()
        jitter = FullJitter(first=0.1)
        while self._consumer is None:
            await asyncio.sleep(jitter.next())
            try:
                self._consumer = await self._opened()
            except TransportError as error:
                logger.warning("%s: not subscribed: %s", self._interest.subscription.name, error)

    async def _read(self) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        self._heard = self._clock.monotonic()
        while True:
            room = await self._intake.wait_for_room()
            room -= await self._release(room)
            if room <= 0:
                continue
            batches = await consumer.fetch(room, self._patience(), self._full(consumer))
            for share, records, behind in batches:
                await self._hand_over(share, records, behind)
            await self._check(consumer, heard=bool(batches))

    async def _check(self, consumer: GroupConsumer | LooseConsumer, *, heard: bool) -> None:
        now = self._clock.monotonic()
        if heard:
            self._heard = now
        elif now - self._heard > SILENCE:
            self._heard = now
            if await consumer.behind():
                raise TransportError(f"nothing was read for {SILENCE:g} s, though there is more")

    def _patience(self) -> float:
        due = self._parking.due_in(self._clock.monotonic())
        return POLL if due is None else min(POLL, due)

    def _full(self, consumer: GroupConsumer | LooseConsumer) -> Sequence[TopicPartition]:
        if isinstance(consumer, LooseConsumer) or self._interest.delay is None:
            return ()
        return [tp for tp, share in consumer.shares.items() if share.parked >= MAX_PARKED]

    async def _release(self, room: int) -> int:
        self._parking.drop_lost()
        due = list(self._parking.take_due(self._clock.monotonic(), room))
        for delivery in due:
            if delivery.share is not None:
                delivery.share.hand_over(delivery, delivery.offset)
        committer = self._committer()
        if due and committer is not None:
            # Counted before it runs, in case it kills the process.
            await ended(committer.flush(), self._link.options.request_timeout, "commit")
        for delivery in due:
            self._intake.put(delivery)
        return len(due)

    async def _hand_over(self, share: Share | None, records: Sequence[Any], behind: int) -> None:
        now = self._clock.now()
        late: list[KafkaDelivery] = []
        for distance, record in enumerate(records):
            if share is not None and not share.take(record.offset):
                continue
            delivery = self._delivery(share, record, now)
            delivery.pending = max(0, behind - distance)
            # Never longer than was asked for, whatever the clocks say.
            wait = min(delivery.source.due - now, delivery.source.delay)
            if wait <= 0:
                if share is not None:
                    share.hand_over(delivery, record.offset)
                self._intake.put(delivery)
            elif wait <= SOON or share is None or record.topic == self._interest.delay:
                self._parking.put(delivery, self._clock.monotonic() + wait)
            else:
                late.append(delivery)
        committer = self._committer()
        if committer is not None:
            committer.touch()  # what is open now counts, should this process die
        if late:
            await self._settling.forward(late)

    def _delivery(self, share: Share | None, record: Any, now: float) -> KafkaDelivery:
        own = record.topic == self._interest.delay
        source = from_record(record, self._interest.kind, "", ours=own)
        source.message.address = self._address(source.place.topic)
        delivery = KafkaDelivery(source, self._settling, self._interest.group, share, record.offset)
        skew = 0.0 if source.stamped else SKEW
        delivery.age = max(0.0, now - source.place.timestamp / 1000 - skew)
        delivery.replayed = source.replayed or (
            share is not None and not own and share.is_before_group(record.offset)
        )
        return delivery

    def _address(self, topic: str) -> str:
        known = self._addresses.get(topic)
        if known is None:
            pattern = self._interest.subscription.pattern
            ours = self._interest.topics[0] if pattern.is_concrete else None
            named = pattern.text if topic == ours else None
            known = named or self._link.names.address(self._interest.kind, topic)
            self._addresses[topic] = known
        return known
