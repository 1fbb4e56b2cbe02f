"""Where a group that is new begins, committed before anybody joins it."""

import logging
import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from wireloom.errors import TransportError
from wireloom.spi import StartFrom
from wireloom_kafka.guard import bounded, closed, started
from wireloom_kafka.interest import Interest
from wireloom_kafka.link import Link
from wireloom_kafka.tracker import Marks

__all__ = ["begin_group", "matching"]

logger = logging.getLogger("wireloom.kafka")

Offsets = dict[TopicPartition, int]


async def begin_group(link: Link, interest: Interest, group: str, created: Collection[str]) -> bool:
    """Commit the start of a group that has none; tell whether there was need to.

    `created` are topics that did not exist a moment ago: a group is new if its delay topic is.

    :raises TransportError: if the broker does not let us.
    """
    partitions = await link.admin.partitions(await matching(link, interest))
    if interest.fresh:
        if await link.admin.has_members(group):
            return False
        await _commit(link, group, partitions, "new")
        return True
    known = await link.admin.committed(group, partitions)
    if not known and link.options.declare and interest.delay not in created:
        logger.warning("group %s has lost its offsets; it reads from the first message", group)
        return False
    # Topics that fit a wildcard later are read from their beginning, or messages would be missed.
    begun = {tp.topic for tp in known}
    new = [tp for tp in partitions if tp.topic not in begun] if not interest.regex else partitions
    if not new or (known and interest.regex):
        return False
    await _commit(link, group, new, interest.subscription.start_from)
    return True


async def matching(link: Link, interest: Interest) -> list[str]:
    """Return the names of topics there are that a subscription reads."""
    if interest.regex is None:
        return list(interest.own)
    regex = re.compile(interest.regex)
    return sorted(name for name in await link.admin.names() if regex.match(name))


async def _commit(
    link: Link, group: str, partitions: Collection[TopicPartition], start: StartFrom
) -> None:
    if not partitions:
        return
    timeout = link.options.request_timeout
    # A consumer that assigns itself may commit as long as nobody is in the group.
    consumer = link.driver.consumer(group_id=group)
    try:
        consumer.assign(list(partitions))
        await started(consumer, timeout, f"begin group {group}")
        ends = await _ends(consumer, partitions, timeout)
        offsets = await _offsets(consumer, ends, start, timeout)
        marked = {
            tp: (offset, Marks(begin=ends[tp]).to_text(offset)) for tp, offset in offsets.items()
        }
        await bounded(consumer.commit(marked), timeout, f"begin group {group}")
    except TransportError as error:
        # Another instance was faster, and is in the group already: its start counts.
        if not isinstance(error.__cause__, CommitFailedError):
            raise
    finally:
        await closed(consumer, 2.0)


async def _offsets(
    consumer: AIOKafkaConsumer, ends: Offsets, start: StartFrom, timeout: float
) -> Offsets:
    if start == "new":
        return ends
    begins: Offsets = await bounded(
        consumer.beginning_offsets(list(ends)), timeout, "read beginnings"
    )
    if start == "last":
        return ends | await _last(consumer, begins, ends, timeout)
    if isinstance(start, datetime):
        return await _since(consumer, ends, start, timeout)
    if isinstance(start, int):
        return {tp: min(max(start, begins[tp]), end) for tp, end in ends.items()}
    return begins


async def _ends(
    consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], timeout: float
) -> Offsets:
    ends: Offsets = await bounded(consumer.end_offsets(list(partitions)), timeout, "read ends")
    return ends


async def _since(
    consumer: AIOKafkaConsumer, ends: Offsets, start: datetime, timeout: float
) -> Offsets:
    since = round(start.timestamp() * 1000)
    found = await bounded(
        consumer.offsets_for_times(dict.fromkeys(ends, since)), timeout, "read offsets by time"
    )
    return {tp: end if found.get(tp) is None else found[tp].offset for tp, end in ends.items()}


async def _last(
    consumer: AIOKafkaConsumer, begins: Offsets, ends: Offsets, timeout: float
) -> Offsets:
    """Return where the youngest record lies; partitions have no order among each other."""
    filled = {tp for tp, end in ends.items() if end > begins[tp]}
    newest: dict[TopicPartition, Any] = {}
    for tp, end in ends.items():
        consumer.seek(tp, end - 1 if tp in filled else end)
    while filled - newest.keys():
        batches: Mapping[TopicPartition, list[Any]] = await bounded(
            consumer.getmany(timeout_ms=timeout * 1000), timeout + 1.0, "read last"
        )
        if not batches:
            break
        newest |= {tp: records[-1] for tp, records in batches.items()}
    if not newest:
        return {}
    youngest = max(newest.values(), key=lambda record: (record.timestamp, record.offset))
    return {TopicPartition(youngest.topic, youngest.partition): youngest.offset}
