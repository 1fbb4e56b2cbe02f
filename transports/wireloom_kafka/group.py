"""One life of a consumer in its group: from joining to leaving, or to its failure."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import OffsetAndMetadata

from wireloom.errors import ConnectionLostError, TransportError
from wireloom_kafka.committer import Committer
from wireloom_kafka.guard import bounded, closed, ended, started
from wireloom_kafka.interest import Interest
from wireloom_kafka.link import Link
from wireloom_kafka.share import Share
from wireloom_kafka.tracker import Marks

__all__ = ["GroupConsumer"]

logger = logging.getLogger("wireloom.kafka")

MARGIN: Final = 5.0
"""Seconds of a rebalance that are kept for commits and for joining again."""
LEAVE: Final = 2.5
"""Seconds that a last commit, and leaving, may take each; else the session's timeout does it."""


class GroupConsumer:
    """Owns shares of the topics, and their commits. `fail` of the listener surfaces in `fetch`."""

    def __init__(self, link: Link, interest: Interest, group: str, window: int) -> None:
        self.shares: dict[TopicPartition, Share] = {}
        self._link = link
        self._interest = interest
        self._group = group
        self._window = window
        self._assigning = False
        self._joined = asyncio.Event()
        self._failure: TransportError | None = None
        self._consumer: AIOKafkaConsumer = link.driver.consumer(
            group_id=group,
            isolation_level=interest.isolation,
            max_partition_fetch_bytes=link.plan.fetch_bytes,
            **interest.discovery(link.options),
        )
        every = link.options.commit_interval
        self.committer = Committer(self._commit, self.shares.values, every)
        self._committing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Join; live when this returns.

        :raises TransportError: if that failed; nothing is left behind.
        """
        patience = self._link.options.rebalance_timeout + self._link.options.request_timeout
        try:
            self._interest.subscribe(self._consumer, _Listener(self))
            await started(self._consumer, patience, f"join group {self._group}")
            await bounded(self._joined.wait(), patience, f"join group {self._group}")
            self._raise_failure()
        except BaseException:
            await closed(self._consumer, LEAVE)
            raise
        run = self.committer.run()
        self._committing = asyncio.get_running_loop().create_task(run, name="kafka commits")

    async def fetch(
        self, room: int, seconds: float, without: Collection[TopicPartition]
    ) -> list[tuple[Share, list[Any], int]]:
        """Return records of partitions that are ours, and how many are known to lie behind each
        batch's first; `without` names partitions that are not to be read now.

        :raises TransportError: if the consumer is broken and has to be made anew.
        """
        self._raise_failure()
        wanted = [tp for tp in self.shares if tp not in without] if without else ()
        if without and not wanted:
            await asyncio.sleep(seconds)
            return []
        batches = await bounded(
            self._consumer.getmany(*wanted, timeout_ms=seconds * 1000, max_records=room),
            seconds + self._link.options.rebalance_timeout + MARGIN,
            "read",
        )
        # What came before an assignment was complete is read again: it seeks.
        return [] if self._assigning else list(self._ours(batches))

    async def behind(self) -> bool:
        """Tell whether records lie unread in partitions that are ours.

        :raises TransportError: if the broker does not say.
        """
        if not self.shares:
            return False
        timeout = self._link.options.request_timeout
        ends = await bounded(self._consumer.end_offsets(list(self.shares)), timeout, "read ends")
        paused = {tp for tp, share in self.shares.items() if share.parked}
        return any(
            end > self.shares[tp].position and tp not in paused
            for tp, end in ends.items()
            if tp in self.shares
        )

    async def settle(self) -> None:
        """Wait until all that was handed over is settled, then commit it."""
        for share in list(self.shares.values()):
            await share.quiet.wait()
        await self._commit_quietly()

    async def close(self) -> None:
        """Commit, and leave the group; what is unsettled arrives elsewhere."""
        if self._link.is_up:
            await ended(self._commit_quietly(), LEAVE, "commit")
        self._lose(list(self.shares))
        if self._committing is not None:
            self._committing.cancel()
            await asyncio.wait([self._committing], timeout=1.0)
        await closed(self._consumer, self._link.patience(LEAVE))

    async def revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Let what runs finish, commit, and forget: the partitions go to somebody."""
        shares = [self.shares[tp] for tp in partitions if tp in self.shares]
        for share in shares:
            share.lose()
        patience = max(1.0, self._link.options.rebalance_timeout - MARGIN)
        try:
            async with asyncio.timeout(patience):
                for share in shares:
                    await share.quiet.wait()
        except TimeoutError:
            logger.warning("%s: handlers outlast the rebalance and may run twice", self._group)
        await self._commit_quietly()
        self._lose(partitions)

    async def assigned(self, partitions: Collection[TopicPartition]) -> None:
        """Begin where the group stands."""
        self._assigning = True
        try:
            await self._take_over(partitions)
        except TransportError as error:
            self._failure = error
        finally:
            self._assigning = False
            self._joined.set()

    async def _take_over(self, partitions: Collection[TopicPartition]) -> None:
        if not partitions:
            return
        timeout = self._link.options.request_timeout
        known = await self._link.admin.committed(self._group, list(partitions))
        consumer, listed = self._consumer, list(partitions)
        begins = await bounded(consumer.beginning_offsets(listed), timeout, "read beginnings")
        ends = await bounded(consumer.end_offsets(listed), timeout, "read ends")
        fresh: dict[TopicPartition, Share] = {}
        for tp in partitions:
            offset, metadata = known.get(tp, (begins[tp], ""))
            position = min(max(offset, begins[tp]), ends[tp])
            fresh[tp] = Share(tp, position, Marks.from_text(metadata, offset), self._window)
        await self._warn(fresh, ends)
        # No wait from here on: what was read while this went on is dropped, and read again.
        for tp, share in fresh.items():
            consumer.seek(tp, share.position)
        self.shares.update(fresh)

    async def _warn(
        self, fresh: Mapping[TopicPartition, Share], ends: Mapping[TopicPartition, int]
    ) -> None:
        # A message that kills the process at once is counted only by what was written before.
        waiting = {
            tp: share.warning()
            for tp, share in fresh.items()
            if ends[tp] > share.position and tp.topic != self._interest.delay
        }
        if waiting:
            await self._commit(waiting)

    def _ours(
        self, batches: Mapping[TopicPartition, list[Any]]
    ) -> Iterable[tuple[Share, list[Any], int]]:
        for tp, records in batches.items():
            share = self.shares.get(tp)
            if share is not None and not share.lost:
                end = self._consumer.highwater(tp) or 0
                yield share, records, max(0, end - records[0].offset - 1)

    async def _commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        timeout = self._link.options.request_timeout
        try:
            await bounded(self._send_commit(offsets), timeout, "commit")
        except TransportError as error:
            if isinstance(error.__cause__, (CommitFailedError, IllegalStateError)):
                raise ConnectionLostError("the partitions belong to another member now") from error
            raise

    async def _send_commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        subscription = self._consumer._subscription.subscription
        if subscription is not None and subscription.assignment is None:
            # New topics fit the pattern: the consumer has forgotten what it is about to give back,
            # and refuses to commit it. The coordinator, which is still a member, does not.
            rows = {tp: OffsetAndMetadata(*row) for tp, row in offsets.items()}
            await self._consumer._coordinator.commit_offsets(None, rows)
        else:
            await self._consumer.commit(dict(offsets))

    async def _commit_quietly(self) -> None:
        try:
            await self.committer.now()
        except TransportError as error:
            logger.warning("%s: not committed, and handled again: %s", self._group, error)

    def _lose(self, partitions: Collection[TopicPartition]) -> None:
        for tp in partitions:
            share = self.shares.pop(tp, None)
            if share is not None:
                share.lose()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the driver is not typed
    """Passes on what the coordinator says. It swallows exceptions, so none leave here."""

    def __init__(self, home: GroupConsumer) -> None:
        self._home = home

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._home.revoked(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        await self._home.assigned(assigned)
