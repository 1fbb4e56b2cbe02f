"""C24–C27: the broker restarts, drops connections, refuses, freezes."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from wireloom import (
    Application,
    ConnectionFailedError,
    EventPattern,
    MessagePattern,
    WireloomError,
)
from wireloom.testing.conformance.base import Conformance, needs_site
from wireloom.testing.conformance.cluster import TOKEN, Cluster
from wireloom.testing.conformance.record import WITHIN, Record, eventually

__all__ = ["FaultCases"]


@MessagePattern("ping")
async def ping() -> str:
    return "pong"


class FaultCases(Conformance):
    """What the site can do to its broker."""

    @needs_site("stop_broker", "start_broker")
    @pytest.mark.timeout(180)
    async def test_c24_events_emitted_over_two_broker_restarts_are_all_handled(
        self, cluster: Cluster
    ) -> None:
        """10,000 events, restarts at a third and at half; every acknowledged one is handled."""
        seen = Record[int]()

        @EventPattern("restarts", concurrency=64)
        async def handle(number: int) -> None:
            seen.add(number)

        await cluster.start(handle)
        client = await cluster.client()

        async def emit(number: int) -> None:
            # What nobody was there to take counts as not acknowledged.
            uid = f"u{number}"
            await _works(lambda: client.emit("restarts", number, uid=uid, require_route=True))

        for start in range(0, 10_000, 100):
            if start in (3300, 5000):
                await cluster.site.stop_broker()
                await cluster.site.start_broker()
            await asyncio.gather(*(emit(start + n) for n in range(100)))
        await eventually(lambda: len(set(seen)) == 10_000, 60)

    @needs_site("drop_connections")
    @pytest.mark.timeout(60)
    async def test_c25_after_a_reconnect_everything_works_as_before(self, cluster: Cluster) -> None:
        """Groups, broadcasts, requests and the inbox for replies."""
        seen = Record[str]()

        @EventPattern("kept")
        async def kept(payload: str) -> None:
            seen.add(f"kept {payload}")

        @EventPattern("kept", broadcast=True)
        async def everywhere(payload: str) -> None:
            seen.add(f"everywhere {payload}")

        await cluster.start(kept, everywhere, ping)
        client = await cluster.client()
        await client.emit("kept", "before")
        await seen.reach(2)
        await cluster.site.drop_connections()
        await _works(lambda: client.send("ping", timeout=1))
        await _works(lambda: client.emit("kept", "after", uid="after", timeout=1))
        await seen.reach(4)
        assert {"kept after", "everywhere after"} <= set(seen)

    @needs_site("drop_connections")
    @pytest.mark.timeout(60)
    async def test_c25_requests_that_wait_when_the_connection_breaks_fail_at_once(
        self, cluster: Cluster
    ) -> None:
        """With a typed error, long before their timeout."""
        begun = Record[int]()

        @MessagePattern("hangs")
        async def hangs() -> None:
            begun.add(1)
            await asyncio.Event().wait()

        await cluster.start(hangs, grace=0.1)
        client = await cluster.client()
        waiting = asyncio.ensure_future(client.send("hangs", timeout=50))
        await begun.reach(1)
        await cluster.site.drop_connections()
        begin = time.monotonic()
        with pytest.raises(WireloomError):
            await waiting
        assert time.monotonic() - begin < 10

    @needs_site("wrong_credentials")
    async def test_c26_wrong_credentials_end_the_start_with_a_clear_error(
        self, cluster: Cluster
    ) -> None:
        """At once, without trying again."""
        await cluster.start(ping, name="inside")
        options = cluster.site.wrong_credentials()
        app = Application("service", handlers=[ping], transports={TOKEN: options})
        begin = time.monotonic()
        with pytest.raises(ConnectionFailedError) as caught:
            await app.__aenter__()
        assert caught.value.fatal
        assert time.monotonic() - begin < 5

    @needs_site("freeze", "thaw")
    @pytest.mark.timeout(90)
    async def test_c27_an_application_is_ready_while_its_broker_answers(
        self, cluster: Cluster
    ) -> None:
        """Not before it is subscribed, and not when the broker has frozen."""
        app = await cluster.start(ping)
        client = await cluster.client()
        assert app.ready
        await cluster.site.freeze()
        try:
            await eventually(lambda: not app.ready, 2 * cluster.site.heartbeat)
        finally:
            await cluster.site.thaw()
        await eventually(lambda: app.ready, 2 * cluster.site.heartbeat + WITHIN)
        await _works(lambda: client.send("ping"))


async def _works(attempt: Callable[[], Awaitable[object]]) -> None:
    """Try until it works: a connection that was dropped comes back by itself."""
    async with asyncio.timeout(60):
        while True:
            try:
                await attempt()
            except WireloomError:
                await asyncio.sleep(0.02)
            else:
                return
