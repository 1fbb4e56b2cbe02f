"""C16, C17: opening and closing."""

import asyncio
import time
from typing import Annotated

import pytest

from wireloom import Context, Ctx, EventPattern, MessagePattern
from wireloom.testing.conformance.base import Conformance, needs, needs_site
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.record import Record, eventually
from wireloom.testing.conformance.spy import spy_on_settling
from wireloom.testing.conformance.worker import GROUP, PATTERN, Worker

__all__ = ["LifecycleCases"]


@MessagePattern("ping")
async def ping() -> str:
    return "pong"


class LifecycleCases(Conformance):
    """Applications come and go; messages do not get lost."""

    async def test_c16_closing_waits_for_running_handlers_and_gives_back_the_rest(
        self, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each is settled once, and nothing new is begun."""
        settling = spy_on_settling(monkeypatch)
        begun = Record[int]()
        ended = Record[int]()
        gate = asyncio.Event()

        @EventPattern("drained", concurrency=4)
        async def handle(number: int) -> None:
            begun.add(number)
            await gate.wait()
            ended.add(number)

        app = await cluster.start(handle)
        client = await cluster.client()
        for number in range(12):
            # Where nothing is stored between publisher and consumer, `emit` waits for room there.
            await client.emit("drained", number, uid=f"u{number}", sync=False)
        await begun.reach(4)
        stopping = asyncio.ensure_future(cluster.stop(app))
        await asyncio.sleep(0.1)
        assert not stopping.done()
        gate.set()
        await stopping
        assert len(begun) == 4
        assert sorted(ended) == sorted(begun)
        assert sorted(settling.acked) == sorted(f"u{number}" for number in begun)

    @needs("redelivers")
    @pytest.mark.timeout(60)
    async def test_c16_what_a_closing_consumer_did_not_finish_runs_at_another(
        self, cluster: Cluster
    ) -> None:
        """Cancelled by the end of the grace period, delivered again."""
        begun = Record[tuple[str, int]]()
        gate = asyncio.Event()

        @EventPattern("unfinished")
        async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            begun.add((ctx.message_id, number))
            if len(begun) == 1:
                await gate.wait()

        app = await cluster.start(handle, grace=0.2)
        client = await cluster.client()
        await client.emit("unfinished", 7, uid="u")
        await begun.reach(1)
        await cluster.stop(app)
        await cluster.start(handle)
        assert (await begun.reach(2, within=40))[1] == ("u", 7)

    @needs("redelivers")
    @pytest.mark.timeout(120)
    async def test_c16_what_a_killed_process_did_not_finish_runs_at_another(
        self, cluster: Cluster
    ) -> None:
        """SIGKILL in the middle of a handler."""
        seen = Record[tuple[int, int]]()

        @EventPattern(PATTERN, name=f"{GROUP}.killed")
        async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            seen.add((number, ctx.attempt))

        client = await cluster.client()
        options = cluster.site.join()
        worker = await Worker.start(options)
        try:
            await client.emit(PATTERN, 7, require_route=True)
            await worker.says("begun 7")
        finally:
            await worker.kill()
        cluster.site.leave(options)
        await cluster.start(handle, name=GROUP)
        ((number, _),) = await seen.reach(1, within=cluster.site.redelivery)
        assert number == 7

    async def test_c17_ten_applications_open_and_close_at_once(self, cluster: Cluster) -> None:
        """And again, and a call works afterwards."""
        for _ in range(2):
            apps = await asyncio.gather(
                *(cluster.start(ping, name=f"service-{n}") for n in range(10))
            )
            await asyncio.gather(*(cluster.stop(app) for app in apps))
        await cluster.start(ping)
        client = await cluster.client()
        assert await client.send("ping") == "pong"

    async def test_c17_a_closed_application_closes_again_without_error(
        self, cluster: Cluster
    ) -> None:
        """Twice in a row."""
        app = await cluster.start(ping)
        await cluster.stop(app)
        await app.__aexit__(None, None, None)

    async def test_c17_an_application_closes_while_it_connects(self, cluster: Cluster) -> None:
        """A start that is cancelled leaves nothing behind."""
        before = len(asyncio.all_tasks())
        for turns in range(12):
            starting = asyncio.ensure_future(cluster.start(ping))
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            if not starting.cancelled():
                await cluster.stop(starting.result())
        await eventually(lambda: len(asyncio.all_tasks()) <= before)
        await cluster.start(ping)
        client = await cluster.client()
        assert await client.send("ping") == "pong"

    @needs_site("stop_broker", "start_broker")
    @pytest.mark.timeout(60)
    async def test_c17_closing_with_the_broker_down_takes_no_longer_than_the_grace_period(
        self, cluster: Cluster
    ) -> None:
        """Plus five seconds."""

        @EventPattern("x")
        async def handle() -> None: ...

        app = await cluster.start(handle, ping, grace=1)
        await cluster.site.stop_broker()
        begin = time.monotonic()
        await cluster.stop(app)
        assert time.monotonic() - begin < 6
        await cluster.site.start_broker()
