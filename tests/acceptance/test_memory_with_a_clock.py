"""Scenario 51: the memory transport, with a clock that is moved, and without a single sleep."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest

from tests.conformance.memory_site import MemorySite
from wireloom import (
    Application,
    ClientProxy,
    Context,
    Ctx,
    Dedup,
    EventPattern,
    MessagePattern,
    Retry,
    RpcError,
    fixed,
)
from wireloom.spi import DeadLetter
from wireloom.testing import ManualClock, idle

EPOCH = 1_700_000_000.0


class World:
    """Applications on one broker and one clock."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.clock = ManualClock(epoch=EPOCH)
        self.site = MemorySite()
        self._stack = stack

    async def start(self, *handlers: Callable[..., Any], name: str = "service") -> Application:
        app = Application(
            name, handlers=handlers, transports={"bus": self.site.join()}, clock=self.clock, grace=0
        )
        return await self._stack.enter_async_context(app)

    async def client(self) -> ClientProxy:
        return (await self.start(name="caller")).client("bus")

    async def letters(self, app: Application, subscription: str) -> list[DeadLetter]:
        return [one async for one in app.links["bus"].transport.dead_letters.read(subscription)]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


async def test_02_03_05_every_failure_of_a_request_is_an_error_at_once(world: World) -> None:
    @MessagePattern("fails")
    async def fails(how: str) -> object:
        if how == "rpc":
            raise RpcError("no", code=404, details="d")
        if how == "bug":
            raise ValueError("secret")
        return object() if how == "result" else how

    await world.start(fails)
    client = await world.client()
    codes: list[object] = []
    for how in ("rpc", "bug", "result"):
        with pytest.raises(RpcError) as caught:
            await client.send("fails", how)
        codes.append(caught.value.code)
    assert codes == [404, "INTERNAL", "INTERNAL"]
    assert await client.send("fails", "fine") == "fine"


async def test_22_two_handlers_settle_apart(world: World) -> None:
    seen: list[str] = []

    @EventPattern("both", retry=Retry(attempts=1))
    async def raises() -> None:
        seen.append("raises")
        raise ValueError("planted")

    @EventPattern("both")
    async def works() -> None:
        seen.append("works")

    app = await world.start(raises, works)
    await (await world.client()).emit("both")
    await world.clock.advance(100)
    assert sorted(seen) == ["raises", "works"]
    assert len(await world.letters(app, "service.raises")) == 1


async def test_27_a_new_group_starts_where_it_asks_to(world: World) -> None:
    seen: dict[str, list[int]] = defaultdict(list)

    def handler(group: str, start_from: Any) -> Callable[..., Any]:
        @EventPattern("history", group=group, start_from=start_from)
        async def handle(number: int) -> None:
            seen[group].append(number)

        return handle

    client = await world.client()
    for number in range(5):
        await client.emit("history", number)
        await world.clock.advance(10)
    moment = datetime.fromtimestamp(EPOCH + 25, UTC)
    starts = {"first": "first", "time": moment, "sequence": 3, "last": "last", "new": "new"}
    await world.start(*(handler(group, start) for group, start in starts.items()))
    await client.emit("history", 5)
    await idle()
    assert seen == {
        "first": [0, 1, 2, 3, 4, 5],
        "time": [3, 4, 5],
        "sequence": [2, 3, 4, 5],
        "last": [4, 5],
        "new": [5],
    }


async def test_32_runs_are_spaced_by_the_backoff(world: World) -> None:
    seen: list[tuple[int, float]] = []

    @EventPattern("fails", retry=Retry(backoff=fixed(0.2, 0.4), jitter=0))
    async def handle(ctx: Annotated[Context, Ctx()]) -> None:
        seen.append((ctx.attempt, round(world.clock.monotonic(), 6)))
        if ctx.attempt < 3:
            raise ValueError("planted")

    app = await world.start(handle)
    await (await world.client()).emit("fails")
    await world.clock.advance(60)
    assert seen == [(1, 0.0), (2, 0.2), (3, 0.6)]
    assert await world.letters(app, "service.handle") == []


async def test_33_a_permanent_failure_is_one_dead_letter_and_replay_handles_it(
    world: World,
) -> None:
    runs: list[int] = []
    broken = True

    @EventPattern("never", retry=Retry(attempts=3, backoff=fixed(1)))
    async def handle(payload: int, ctx: Annotated[Context, Ctx()]) -> None:
        runs.append(ctx.attempt)
        if broken:
            raise ValueError("planted")

    app = await world.start(handle)
    await (await world.client()).emit("never", 5, headers={"tenant": "t"})
    await world.clock.advance(60)
    assert runs == [1, 2, 3]
    (letter,) = await world.letters(app, "service.handle")
    assert (letter.body, letter.headers["tenant"]) == (b"5", "t")
    assert letter.facts["wl-dead-attempts"] == "3"
    broken = False
    await app.links["bus"].transport.dead_letters.replay(letter)
    await idle()
    assert runs == [1, 2, 3, 1]
    assert await world.letters(app, "service.handle") == []


async def test_34_malformed_bytes_are_a_dead_letter_without_a_run(world: World) -> None:
    seen: list[int] = []

    @EventPattern("foreign")
    async def handle(number: int) -> None:
        seen.append(number)

    app = await world.start(handle)
    await world.site.publish_foreign("foreign", b"\xff{")
    await world.site.publish_foreign("foreign", b"7")
    await world.clock.advance(60)
    assert seen == [7]
    (letter,) = await world.letters(app, "service.handle")
    assert (letter.body, letter.facts["wl-dead-attempts"]) == (b"\xff{", "1")


async def test_35_a_delayed_event_is_handled_once_when_it_is_due(world: World) -> None:
    seen: list[tuple[int, float]] = []

    @EventPattern("delayed", retry=Retry(attempts=1))
    async def handle(ctx: Annotated[Context, Ctx()]) -> None:
        seen.append((ctx.attempt, world.clock.monotonic()))

    await world.start(handle)
    await (await world.client()).emit("delayed", delay=2)
    await world.clock.advance(1.99)
    assert seen == []
    await world.clock.advance(10)
    assert seen == [(1, 2.0)]


async def test_36_an_id_that_comes_twice_is_handled_once(world: World) -> None:
    seen: list[int] = []

    @EventPattern("once")
    async def handle(number: int) -> None:
        seen.append(number)

    await world.start(handle)
    first, second = await world.client(), await world.client()
    receipts = [await first.emit("once", 1, uid="x"), await second.emit("once", 2, uid="x")]
    await idle()
    assert [receipt.duplicate for receipt in receipts] == [False, True]
    assert seen == [1]
    await world.clock.advance(121)
    await first.emit("once", 3, uid="x")
    await idle()
    assert seen == [1, 3]


async def test_37_what_was_handled_and_not_acknowledged_is_not_run_again(world: World) -> None:
    seen: list[int] = []

    @EventPattern("handled", dedup=Dedup(window=60))
    async def handle(number: int) -> None:
        seen.append(number)
        world.site.broker.stop()

    app = await world.start(handle)
    await (await world.client()).emit("handled", 1, uid="x")
    await idle()
    assert seen == [1]
    world.site.broker.start()
    await idle()
    assert seen == [1]
    assert app.links["bus"].counters.duplicates == 1
    queue = world.site.broker.queue("service.handle")
    assert queue is not None
    assert (queue.backlog, queue.unsettled) == (0, 0)


async def test_39_keys_keep_their_order_across_replicas_also_with_a_retry(world: World) -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    replicas: dict[str, set[int]] = defaultdict(set)

    def replica(instance: int) -> Callable[..., Any]:
        @EventPattern("keyed", ordered=True, shards=4, retry=Retry(backoff=fixed(5), jitter=0))
        async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
            await asyncio.sleep(0)
            if number == 50 and ctx.attempt == 1:
                raise ValueError("planted")
            seen[str(ctx.key)].append(number)
            replicas[str(ctx.key)].add(instance)

        return handle

    for instance in range(4):
        await world.start(replica(instance))
    client = await world.client()
    for number in range(200):
        await client.emit("keyed", number, key=f"k{number % 10}")
    await idle()
    assert sum(map(len, seen.values())) == 200 - 15
    await world.clock.advance(5)
    assert {key: sorted(numbers) for key, numbers in seen.items()} == seen
    assert sum(map(len, seen.values())) == 200
    assert all(len(instances) == 1 for instances in replicas.values())
    assert len(set.union(*replicas.values())) > 1
