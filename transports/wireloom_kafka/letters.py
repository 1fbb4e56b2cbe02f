"""Dead letters: a compacted topic for each subscription, one key for each letter."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from wireloom.errors import TransportError
from wireloom.spi import DeadLetter, Kind, Message
from wireloom.spi.headers import KEY
from wireloom.spi.native import to_headers
from wireloom_kafka.guard import bounded, closed, started
from wireloom_kafka.link import Link
from wireloom_kafka.putoff import put_off
from wireloom_kafka.records import SOURCE, Outgoing, Place, Source, from_record, header_list

__all__ = ["KafkaDeadLetters", "dead_record"]

_FACTS: Final = "wl-dead-"
_READ: Final = 500
"""Records read at once."""


def dead_record(source: Source, topic: str, facts: Mapping[str, str]) -> Outgoing:
    """Return the dead letter of a message: its own bytes and headers, with facts beside them.

    The record's key is the letter's id, so that compaction can drop what was removed.
    """
    headers = {**to_headers(source.message), **facts, SOURCE: source.place.to_text()}
    return Outgoing(
        topic, source.message.body, header_list(headers), secrets.token_hex(12).encode()
    )


class KafkaDeadLetters:
    """The dead letters of one token. A removed one is overwritten by an empty record."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first."""
        topic = self._link.names.dead(subscription)
        if not await self._link.admin.describe([topic]):
            return
        removed = {record.key async for record in self._records(topic) if record.value is None}
        async for record in self._records(topic):
            if record.value is not None and record.key not in removed:
                yield self._letter(record, subscription)

    async def replay(self, letter: DeadLetter) -> None:
        """Put it in the subscription's delay topic, due now, then remove it here.

        :raises TransportError: if it was not written; it may then run and stay here.
        """
        plan = self._link.plan
        await self._link.ensure_ready(plan.delay(letter.subscription))
        message = Message(
            Kind.EVENT,
            letter.address,
            letter.body,
            letter.headers,
            letter.message_id,
            key=letter.key,
        )
        place = Place.from_text(letter.facts.get(SOURCE)) or Place("", 0, 0, 0)
        source = Source(message, place, 1, 0.0, 0.0, replayed=True, stamped=True)
        await self._link.publish(
            put_off(source, self._link.names.delay(letter.subscription), 0.0, 1, replayed=True)
        )
        await self.remove([letter])

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good.

        :raises TransportError: if one was not dropped.
        """
        records = [
            Outgoing(self._link.names.dead(letter.subscription), None, [], letter.id.encode())
            for letter in letters
        ]
        for outcome in await self._link.publisher.send_many(records):
            if isinstance(outcome, TransportError):
                raise outcome

    async def _records(self, topic: str) -> AsyncIterator[Any]:
        consumer = self._link.driver.consumer()
        try:
            async for record in self._from_start(consumer, topic):
                yield record
        finally:
            await closed(consumer, 2.0)

    async def _from_start(self, consumer: AIOKafkaConsumer, topic: str) -> AsyncIterator[Any]:
        timeout = self._link.options.request_timeout
        parts = await self._link.admin.partitions([topic])
        consumer.assign(parts)
        await started(consumer, timeout, "read dead letters")
        ends = await bounded(consumer.end_offsets(parts), timeout, "read dead letters")
        begins = await bounded(consumer.beginning_offsets(parts), timeout, "read dead letters")
        for tp in parts:
            consumer.seek(tp, begins[tp])
        left = {tp for tp in parts if begins[tp] < ends[tp]}
        while left:
            batches = await bounded(
                consumer.getmany(timeout_ms=200, max_records=_READ), timeout, "read dead letters"
            )
            for record in (record for batch in batches.values() for record in batch):
                yield record
            left = {tp for tp in left if await self._position(consumer, tp) < ends[tp]}

    async def _position(self, consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
        timeout = self._link.options.request_timeout
        position: int = await bounded(consumer.position(tp), timeout, "read dead letters")
        return position

    def _letter(self, record: Any, subscription: str) -> DeadLetter:
        source = from_record(record, Kind.EVENT, "", ours=True)
        headers = dict(source.message.headers)
        facts = {name: headers.pop(name) for name in list(headers) if name.startswith(_FACTS)}
        facts[SOURCE] = source.place.to_text()
        return DeadLetter(
            id=record.key.decode(errors="replace"),
            subscription=subscription,
            address=self._link.names.address(Kind.EVENT, source.place.topic),
            message_id=source.message.id,
            body=source.message.body,
            headers=headers,
            facts=facts,
            key=dict(record.headers).get(KEY, b"").decode(errors="replace") or None,
        )
