"""C12, C13: order, and how much is taken at once."""

import asyncio
import gc
import os
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import pytest

from wireloom import Context, Ctx, EventPattern, Retry, fixed
from wireloom.testing.conformance.base import Conformance, needs
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.record import Record
from wireloom.testing.conformance.spy import spy_on_taking

__all__ = ["OrderCases"]

MIB = 1024 * 1024


class OrderCases(Conformance):
    """What runs after what, and what waits where."""

    @needs("ordered")
    async def test_c12_events_without_a_key_run_in_the_order_of_publishing(
        self, cluster: Cluster
    ) -> None:
        """One publisher, one ordered subscription, although later ones would be quicker."""
        seen = Record[int]()

        @EventPattern("line", ordered=True)
        async def handle(number: int) -> None:
            for _ in range(5 - number % 5):
                await asyncio.sleep(0)
            seen.add(number)

        await cluster.start(handle)
        client = await cluster.client()
        for number in range(200):
            await client.emit("line", number)
        assert await seen.reach(200) == list(range(200))

    @needs("ordered")
    @pytest.mark.timeout(90)
    async def test_c12_each_key_runs_in_order_also_while_some_fail_and_are_retried(
        self, cluster: Cluster
    ) -> None:
        """64 keys, 16 at once, every twentieth event fails once."""
        seen = Record[tuple[str, int]]()
        running: dict[str, int] = defaultdict(int)
        overlaps: list[str] = []

        @EventPattern(
            "keys", ordered=True, concurrency=16, retry=Retry(backoff=fixed(0.02), jitter=0)
        )
        async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            key = ctx.key or ""
            running[key] += 1
            if running[key] > 1:
                overlaps.append(key)
            await asyncio.sleep(0)
            running[key] -= 1
            if number % 20 == 0 and ctx.attempt == 1:
                raise ValueError("planted")
            seen.add((key, number))

        await cluster.start(handle)
        client = await cluster.client()
        for number in range(1000):
            await client.emit("keys", number, key=f"key-{number % 64}")
        await seen.reach(1000, within=60)
        by_key: dict[str, list[int]] = defaultdict(list)
        for key, number in seen:
            by_key[key].append(number)
        assert len(by_key) == 64
        assert all(numbers == sorted(numbers) for numbers in by_key.values())
        assert not overlaps

    @needs("ordered")
    @pytest.mark.timeout(90)
    async def test_c12_each_key_runs_in_order_across_four_replicas(self, cluster: Cluster) -> None:
        """Four shards; one retry on the way."""
        seen = Record[tuple[str, int]]()

        @EventPattern("sharded", ordered=True, shards=4, retry=Retry(backoff=fixed(0.05), jitter=0))
        async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            if number == 40 and ctx.attempt == 1:
                raise ValueError("planted")
            await asyncio.sleep(0)
            seen.add((ctx.key or "", number))

        for _ in range(4):
            await cluster.start(handle)
        client = await cluster.client()
        for number in range(400):
            await client.emit("sharded", number, key=f"key-{number % 16}")
        await seen.reach(400, within=60)
        by_key: dict[str, list[int]] = defaultdict(list)
        for key, number in seen:
            by_key[key].append(number)
        assert all(numbers == sorted(numbers) for numbers in by_key.values())

    async def test_c13_no_more_runs_at_once_than_asked_for(self, cluster: Cluster) -> None:
        """`concurrency=4`: four, never five."""
        seen = Record[int]()
        running = 0
        most = 0

        @EventPattern("few", concurrency=4)
        async def handle(number: int) -> None:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            seen.add(number)

        await cluster.start(handle)
        client = await cluster.client()
        for number in range(100):
            await client.emit("few", number)
        await seen.reach(100)
        assert most == 4

    @pytest.mark.timeout(90)
    async def test_c13_ten_thousand_that_wait_are_not_taken_and_cost_little(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With handlers blocked, at most the intake's capacity is taken."""
        taking = spy_on_taking(monkeypatch, self.transport)
        seen = Record[int]()
        gate = asyncio.Event()

        @EventPattern("blocked", concurrency=8)
        async def handle(number: int) -> None:
            seen.add(number)
            await gate.wait()

        await cluster.start(handle)
        client = await cluster.client()
        await client.emit("blocked", 0)
        await seen.reach(1)
        before = _resident()
        for number in range(1, 10_000):
            # Where nothing is stored between publisher and consumer, `emit` waits for room there.
            await client.emit("blocked", number, sync=False)
        await seen.reach(8)
        await seen.stays(8)
        after = _resident()
        assert len(seen) == 8
        assert taking.taken["service.handle"] <= taking.capacity["service.handle"] < 1000
        assert after - before < 20 * MIB
        gate.set()
        await seen.reach(10_000, within=60)


def _resident() -> int:
    """Return the bytes of memory that this process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
