"""Running one id once: natively, at the consumer, and by a shared store."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.apps import TOKEN, Seen, running, started, until
from wireloom import Dedup, EventPattern, Retry, fixed
from wireloom.server import dedup
from wireloom.server.dedup import Duplicates
from wireloom.spi import Kind, Message
from wireloom.testing import ManualClock, idle
from wireloom_memory import MemoryBroker
from wireloom_memory.stream import SeenIds


def message(id_: str, address: str = "e") -> Message:
    return Message(Kind.EVENT, address, b"1", {}, id_)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the broker deliver a second message of an id, as most brokers do."""
    monkeypatch.setattr(SeenIds, "add", lambda *_: True)


class Store:
    """What several processes share."""

    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()
        self.fails = False
        self.gate: asyncio.Event | None = None

    async def seen(self, subscription: str, message_id: str) -> bool:
        if self.fails:
            raise ConnectionError("the store is away")
        if self.gate is not None:
            await self.gate.wait()
        return (subscription, message_id) in self.known

    async def remember(self, subscription: str, message_id: str, window: float) -> None:
        self.known.add((subscription, message_id))


async def test_uid_emitted_twice_is_handled_once_and_the_receipt_tells() -> None:
    ran = Seen()

    @EventPattern("e")
    async def handler(number: int) -> None:
        ran.add(number)

    async with running(handler) as bus:
        first = await bus.emit("e", 1, uid="x")
        second = await bus.emit("e", 2, uid="x")
        await idle()
        assert (first.duplicate, second.duplicate, ran) == (False, True, [1])


async def test_same_uid_at_two_addresses_is_two_events() -> None:
    ran = Seen()

    @EventPattern("*", dedup=Dedup())
    async def handler(number: int) -> None:
        ran.add(number)

    async with running(handler) as bus:
        await bus.emit("a", 1, uid="x")
        await bus.emit("b", 2, uid="x")
        assert sorted(await ran.wait(2)) == [1, 2]


@pytest.mark.usefixtures("forgetful")
class TestAtTheConsumer:
    async def test_second_arrival_is_acknowledged_without_a_run_and_counted(self) -> None:
        ran = Seen()

        @EventPattern("e", dedup=Dedup())
        async def handler(number: int) -> None:
            ran.add(number)

        async with started(handler) as app:
            transport = app.links[TOKEN].transport
            for _ in range(3):
                await transport.publish(message("x"))
            await until(lambda: app.links[TOKEN].counters.duplicates == 2)
            assert (ran, app.health()["in_flight"]) == ([1], 0)

    async def test_second_arrival_while_the_first_runs_waits_for_its_outcome(self) -> None:
        runs, gate = Seen(), asyncio.Event()

        @EventPattern("e", dedup=Dedup(), retry=Retry(1), concurrency=4)
        async def handler(number: int) -> None:
            runs.add(1)
            if len(runs) == 1:
                await gate.wait()
                raise ValueError

        async with started(handler) as app:
            transport = app.links[TOKEN].transport
            await transport.publish(message("x"))
            await runs.wait()
            await transport.publish(message("x"))
            await transport.publish(message("y"))
            await runs.wait(2)
            await idle()
            assert len(runs) == 2
            gate.set()
            await runs.wait(3)
            assert app.links[TOKEN].counters.dead_lettered == 1

    async def test_id_is_forgotten_after_its_window(self) -> None:
        clock, runs = ManualClock(), Seen()

        @EventPattern("e", dedup=Dedup(window=10))
        async def handler(number: int) -> None:
            runs.add(clock.monotonic())

        async with started(handler, clock=clock) as app:
            transport = app.links[TOKEN].transport
            for _ in range(3):
                await transport.publish(message("x"))
                await clock.advance(6)
        assert runs == [0, 12]

    async def test_failed_run_is_no_handled_one(self) -> None:
        runs = Seen()

        @EventPattern("e", dedup=Dedup(), retry=Retry(3, fixed(0)))
        async def handler(number: int) -> None:
            runs.add(1)
            if len(runs) < 3:
                raise ValueError

        async with started(handler) as app:
            await app.links[TOKEN].transport.publish(message("x"))
            await runs.wait(3)

    async def test_messages_without_an_id_are_never_duplicates(self) -> None:
        runs = Seen()

        @EventPattern("e", dedup=Dedup())
        async def handler(number: int) -> None:
            runs.add(1)

        async with started(handler) as app:
            for _ in range(3):
                await app.links[TOKEN].transport.publish(message(""))
            await runs.wait(3)

    async def test_switched_off_every_arrival_is_run(self) -> None:
        runs = Seen()

        @EventPattern("e", dedup=False)
        async def handler(number: int) -> None:
            runs.add(1)

        async with started(handler) as app:
            for _ in range(3):
                await app.links[TOKEN].transport.publish(message("x"))
            await runs.wait(3)


@pytest.mark.usefixtures("forgetful")
class TestStore:
    async def test_two_processes_with_one_store_run_an_id_once(self) -> None:
        store, runs = Store(), Seen()

        @EventPattern("e", dedup=Dedup(store=store))
        async def handler(number: int) -> None:
            runs.add(1)

        for broker in (MemoryBroker(), MemoryBroker()):
            async with started(handler, broker=broker) as app:
                await app.links[TOKEN].transport.publish(message("x"))
                await until(lambda app=app: app.health()["in_flight"] == 0)  # type: ignore[misc]
        assert runs == [1]

    async def test_two_arrivals_at_once_are_run_once_however_slow_the_store_is(self) -> None:
        store, runs = Store(), Seen()
        store.gate = asyncio.Event()

        @EventPattern("e", dedup=Dedup(store=store), concurrency=4)
        async def handler(number: int) -> None:
            runs.add(1)

        async with started(handler) as app:
            for _ in range(3):
                await app.links[TOKEN].transport.publish(message("x"))
            await idle()
            store.gate.set()
            await until(lambda: app.health()["in_flight"] == 0)
        assert runs == [1]

    async def test_store_that_is_away_is_a_failed_run_and_ends_no_worker(self) -> None:
        store, runs = Store(), Seen()
        store.fails = True

        @EventPattern(
            "e", dedup=Dedup(store=store), concurrency=1, retry=Retry(2, fixed(0.2), jitter=0)
        )
        async def handler(number: int) -> None:
            runs.add(1)

        clock = ManualClock()
        async with started(handler, clock=clock) as app:
            await app.links[TOKEN].transport.publish(message("x"))
            await idle()
            store.fails = False
            await clock.advance(1)
            await app.links[TOKEN].transport.publish(message("y"))
            await idle()
            assert (runs, app.health()["in_flight"]) == ([1, 1], 0)


@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_each_id_is_claimed_once_within_the_window(ids: list[str]) -> None:
    async def main() -> list[str]:
        duplicates = Duplicates(Dedup(), "s", ManualClock())
        claimed = []
        for id_ in ids:
            if not await duplicates.claim(message(id_)):
                claimed.append(id_)
                await duplicates.remember(message(id_))
        return claimed

    assert asyncio.run(main()) == list(dict.fromkeys(ids))


async def test_memory_of_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedup, "MOST", 100)
    duplicates = Duplicates(Dedup(), "s", ManualClock())
    for number in range(500):
        await duplicates.claim(message(str(number)))
        await duplicates.remember(message(str(number)))
    assert len(duplicates._handled) <= 100
    assert not duplicates._running
