"""C29: everything at once."""

import asyncio
from typing import Annotated, Any

import pytest

from wireloom import Context, Ctx, EventPattern, MessagePattern, Retry, RpcError, fixed
from wireloom.testing.conformance.base import Conformance
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.record import Record

__all__ = ["LoadCases"]


class LoadCases(Conformance):
    """Ten small systems side by side at one site."""

    @pytest.mark.timeout(120)
    async def test_c29_ten_workloads_side_by_side_do_not_disturb_each_other(
        self, cluster: Cluster
    ) -> None:
        """Events with retries, requests with errors, streams, each ten times at once."""
        workloads = [_Workload(number) for number in range(10)]
        for workload in workloads:
            await cluster.start(*workload.handlers, name=f"service-{workload.number}")
        client = await cluster.client()
        async with asyncio.TaskGroup() as tasks:
            for workload in workloads:
                tasks.create_task(workload.run(client))


class _Workload:
    """Events, requests and streams on patterns of its own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.events = Record[int]()
        self.handlers = (self._event(), self._request(), self._stream())

    def _event(self) -> Any:
        @EventPattern(f"load{self.number}.event", retry=Retry(backoff=fixed(0.01)))
        async def event(value: int, ctx: Annotated[Context, Ctx()]) -> None:
            if value % 10 == 0 and ctx.attempt == 1:
                raise ValueError("planted")
            self.events.add(value)

        return event

    def _request(self) -> Any:
        @MessagePattern(f"load{self.number}.request")
        async def request(value: int) -> int:
            if value % 10 == 0:
                raise RpcError("planted", code="ABORTED", details=value)
            return value + self.number

        return request

    def _stream(self) -> Any:
        @MessagePattern(f"load{self.number}.stream")
        async def stream(count: int) -> Any:
            for item in range(count):
                yield item * self.number

        return stream

    async def run(self, client: Any) -> None:
        """Do everything a hundred times and check it."""
        for value in range(100):
            await client.emit(f"load{self.number}.event", value)
        answers = await asyncio.gather(
            *(client.send(f"load{self.number}.request", value) for value in range(100)),
            return_exceptions=True,
        )
        for value, answer in enumerate(answers):
            if value % 10 == 0:
                assert isinstance(answer, RpcError)
                assert answer.details == value
            else:
                assert answer == value + self.number
        items = [item async for item in client.stream(f"load{self.number}.stream", 50)]
        assert items == [item * self.number for item in range(50)]
        assert sorted(await self.events.reach(100)) == list(range(100))
