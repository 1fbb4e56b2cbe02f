"""C20: streamed replies."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from wireloom import MessagePattern, RpcError
from wireloom.testing.conformance.base import Conformance, needs
from wireloom.testing.conformance.cluster import TOKEN, Cluster
from wireloom.testing.conformance.record import Record

__all__ = ["StreamCases"]


class Counting:
    """A handler that streams numbers, and what became of it."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.made = Record[int]()
        self.ended = Record[str]()

        @MessagePattern("count", timeout=None)
        async def count(limit: int) -> AsyncIterator[int]:
            try:
                for number in range(limit):
                    if number == fail_at:
                        raise RpcError("enough", code="OUT_OF_RANGE")
                    self.made.add(number)
                    yield number
                    await asyncio.sleep(0)
            finally:
                self.ended.add("ended")

        self.handler = count


class StreamCases(Conformance):
    """Many values for one question."""

    @needs("requests")
    @pytest.mark.parametrize("count", [0, 1, 5, 500])
    async def test_c20_items_arrive_in_order_and_then_it_ends(
        self, cluster: Cluster, count: int
    ) -> None:
        """As many as the handler yields."""
        counting = Counting()
        await cluster.start(counting.handler)
        client = await cluster.client()
        items = [item async for item in client.stream("count", count, response_type=int)]
        assert items == list(range(count))
        await counting.ended.reach(1)

    @needs("requests")
    async def test_c20_a_slow_reader_holds_back_the_producer(self, cluster: Cluster) -> None:
        """It is never far ahead of what was read."""
        counting = Counting()
        await cluster.start(counting.handler)
        client = await cluster.client()
        async with client.stream("count", 10_000, response_type=int) as stream:
            items = aiter(stream)
            assert await anext(items) == 0
            await counting.made.reach(2)
            await _settled(counting.made)
            ahead = len(counting.made)
            assert ahead <= 256
            for expected in range(1, 200):
                assert await anext(items) == expected
            assert len(counting.made) <= 200 + ahead
        await counting.ended.reach(1, within=1)

    @needs("requests")
    async def test_c20_a_reader_that_stops_stops_the_producer(self, cluster: Cluster) -> None:
        """Within a second."""
        counting = Counting()
        await cluster.start(counting.handler)
        client = await cluster.client()
        async with client.stream("count", 1_000_000, response_type=int) as stream:
            async for item in stream:
                if item == 10:
                    break
        await counting.ended.reach(1, within=1)
        assert len(counting.made) < 1000

    @needs("requests")
    async def test_c20_an_error_of_the_producer_reaches_the_reader(self, cluster: Cluster) -> None:
        """After the items before it."""
        counting = Counting(fail_at=3)
        await cluster.start(counting.handler)
        client = await cluster.client()
        items: list[int] = []

        async def read() -> None:
            async for item in client.stream("count", 10, response_type=int):
                items.append(item)  # noqa: PERF401 - what came before the error counts

        with pytest.raises(RpcError) as caught:
            await read()
        assert items == [0, 1, 2]
        assert caught.value.code == "OUT_OF_RANGE"

    @needs("requests")
    @pytest.mark.timeout(40)
    async def test_c20_the_death_of_the_reader_stops_the_producer(self, cluster: Cluster) -> None:
        """Within the ten seconds that a stream lives without a sign from its reader."""
        counting = Counting()
        await cluster.start(counting.handler)
        reader = await cluster.start(name="reader")
        stream = reader.client(TOKEN).stream("count", 1_000_000, response_type=int)
        assert await anext(aiter(stream)) == 0
        await cluster.stop(reader)
        await counting.ended.reach(1, within=15)

    @needs("requests")
    async def test_c20_send_gives_the_last_value_and_stream_of_a_plain_handler_gives_one(
        self, cluster: Cluster
    ) -> None:
        """Both forms fit both handlers."""

        @MessagePattern("plain")
        async def plain() -> int:
            return 7

        await cluster.start(Counting().handler, plain)
        client = await cluster.client()
        assert await client.send("count", 5, response_type=int) == 4
        assert [item async for item in client.stream("plain", response_type=int)] == [7]

    @needs("requests")
    async def test_c20_streams_side_by_side_do_not_mix(self, cluster: Cluster) -> None:
        """Twenty at once on one client."""
        counting = Counting()
        await cluster.start(counting.handler)
        client = await cluster.client()

        async def read(count: int) -> list[int]:
            return [item async for item in client.stream("count", count, response_type=int)]

        results = await asyncio.gather(*(read(count) for count in range(20)))
        assert results == [list(range(count)) for count in range(20)]


async def _settled(made: Record[int]) -> None:
    """Wait until the producer has stood still for a while."""
    async with asyncio.timeout(10):
        while True:
            before = len(made)
            await asyncio.sleep(0.2)
            if len(made) == before:
                return
