"""Events on their way: receipts, refusals, delays, many at once, without waiting, subscribed to."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tests.unit.apps import TOKEN, Seen, application, memory, running, started, until
from wireloom import (
    Context,
    Event,
    EventPattern,
    InvalidPayloadError,
    OverloadedError,
    PayloadTooLargeError,
    PublishError,
    Receipt,
)
from wireloom.testing import ManualClock, idle
from wireloom_memory import MemoryBroker


class User(BaseModel):
    id: int
    name: str = ""


USER_CREATED = Event("user.created", User, key="id")


async def test_receipt_says_what_is_known() -> None:
    @EventPattern("e")
    async def handler() -> None: ...

    async with running(handler) as bus:
        receipt = await bus.emit("e", uid="u-1")
        assert (receipt.id, receipt.transport, receipt.acknowledged) == ("u-1", "memory", True)
        assert (receipt.routed, receipt.duplicate) == (True, False)
        assert (await bus.emit("nobody")).routed is False


async def test_event_without_a_uid_has_an_id_of_its_own() -> None:
    async with running() as bus:
        ids = {(await bus.emit("e", 1)).id for _ in range(50)}
        assert len(ids) == 50


async def test_nobody_listening_is_an_error_only_if_a_route_is_required() -> None:
    async with running() as bus:
        with pytest.raises(PublishError, match="nobody listens to 'e'"):
            await bus.emit("e", require_route=True)


@pytest.mark.parametrize("payload", ["x", {"id": "x"}, None, 5])
async def test_payload_that_is_not_what_the_contract_says_is_never_published(payload: Any) -> None:
    got = Seen()

    @EventPattern("user.*")
    async def handler(anything: Any) -> None:
        got.add(anything)

    async with running(handler) as bus:
        for call in (
            bus.emit(USER_CREATED, payload),
            bus.emit_many(USER_CREATED, [User(id=1), payload]),
        ):
            with pytest.raises(InvalidPayloadError):
                await call
        await idle()
        assert got == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delay": -1}, "delay=-1"),
        ({"delay": float("nan")}, "delay=nan"),
        ({"delay": float("inf")}, "delay=inf"),
        ({"at": datetime(2030, 1, 1)}, "aware datetime"),
        ({"at": datetime.now(UTC), "delay": 1}, "in place of delay"),
        ({"ttl": 0}, "ttl=0"),
        ({"headers": {"wl-x": "1"}}, "wl-x"),
        ({"headers": {"Tenant": "1"}}, "Tenant"),
    ],
)
async def test_option_that_cannot_be_honoured_is_refused_by_name(
    options: dict[str, Any], said: str
) -> None:
    async with running() as bus:
        with pytest.raises(ValueError, match=said):
            await bus.emit("e", 1, **options)


async def test_event_is_handled_at_the_time_it_is_given() -> None:
    clock, got = ManualClock(), Seen()

    @EventPattern("e")
    async def handler(number: int) -> None:
        got.add((number, clock.monotonic()))

    async with running(handler, clock=clock) as bus:
        now = datetime.fromtimestamp(clock.now(), UTC)
        await bus.emit("e", 1, at=now + timedelta(seconds=5))
        await bus.emit("e", 2, at=now - timedelta(seconds=5))
        await clock.advance(10)
    assert got == [(2, 0), (1, 5)]


async def test_event_over_the_limit_is_refused_and_the_client_goes_on() -> None:
    async with running(transports={TOKEN: memory(max_payload=100)}) as bus:
        with pytest.raises(PayloadTooLargeError, match="100"):
            await bus.emit("e", "x" * 99)
        assert (await bus.emit("e", "x" * 98)).acknowledged


async def test_broker_that_does_not_answer_is_an_error_in_time() -> None:
    broker = MemoryBroker()
    async with running(broker=broker) as bus:
        broker.freeze()
        with pytest.raises(PublishError, match=r"no answer in 0\.02 s"):
            await bus.emit("e", timeout=0.02)
        with pytest.raises(PublishError, match="some may have been taken"):
            await bus.emit_many("e", [1, 2], timeout=0.02)
        broker.thaw()


class TestMany:
    async def test_many_are_published_in_order_with_a_receipt_each(self) -> None:
        got = Seen()

        @EventPattern("e", concurrency=1)
        async def handler(number: int, ctx: Context) -> None:
            got.add((number, ctx.message_id, ctx.headers["tenant"]))

        async with running(handler) as bus:
            receipts = await bus.emit_many("e", range(3), uid=str, headers={"tenant": "x"})
            assert [receipt.id for receipt in receipts] == ["0", "1", "2"]
            assert await got.wait(3) == [(0, "0", "x"), (1, "1", "x"), (2, "2", "x")]
            assert await bus.emit_many("e", []) == []

    async def test_outcomes_say_what_became_of_each(self) -> None:
        broker = MemoryBroker()
        async with running(broker=broker) as bus:
            broker.fail_next_publish(PublishError("full"))
            with pytest.raises(PublishError, match="1 of 3 events were not taken") as caught:
                await bus.emit_many("e", [1, 2, 3])
        kinds = [type(outcome) for outcome in caught.value.outcomes]
        assert kinds == [PublishError, Receipt, Receipt]


class TestWithoutWaiting:
    async def test_event_is_handed_over_and_published_soon(self) -> None:
        got = Seen()

        @EventPattern("e")
        async def handler(number: int) -> None:
            got.add(number)

        async with running(handler) as bus:
            receipt = await bus.emit("e", 5, sync=False)
            assert (receipt.acknowledged, receipt.routed) == (False, None)
            assert await got.wait() == [5]

    async def test_failure_is_counted_and_reported(self) -> None:
        broker, failures = MemoryBroker(), Seen()
        async with started(broker=broker) as app:
            bus = app.client(TOKEN)
            bus.on_emit_failure(lambda message, error: failures.add((message.address, str(error))))
            broker.fail_next_publish(PublishError("full"))
            await bus.emit("e", sync=False)
            assert await failures.wait() == [("e", "full")]
            assert app.links[TOKEN].counters.failed_emits == 1

    async def test_what_waits_is_bounded(self) -> None:
        broker = MemoryBroker()
        async with running(transports={TOKEN: memory(broker, pending_bytes=2000)}) as bus:
            broker.freeze()
            for _ in range(5):
                await bus.emit("e", "x" * 100, sync=False)
            with pytest.raises(OverloadedError, match="pending_bytes=2000"):
                await bus.emit("e", "x" * 1000, sync=False)
            broker.thaw()

    async def test_what_waits_is_published_before_the_application_ends(self) -> None:
        broker, got = MemoryBroker(), Seen()

        @EventPattern("e")
        async def handler(number: int) -> None:
            got.add(number)

        async with running(handler, broker=broker):
            async with running(broker=broker) as bus:
                for number in range(100):
                    await bus.emit("e", number, sync=False)
            await got.wait(100)

    async def test_what_could_not_be_published_by_then_is_counted(self) -> None:
        broker = MemoryBroker()
        app = application(broker=broker)
        await app.start()
        broker.freeze()
        for _ in range(3):
            await app.client(TOKEN).emit("e", sync=False)
        await app.stop()
        assert app.links[TOKEN].counters.failed_emits == 3
        broker.thaw()


class TestSubscribe:
    async def test_events_come_with_their_context_from_now_on(self) -> None:
        async with running() as bus:
            await bus.emit(USER_CREATED, User(id=1))
            async with bus.subscribe(USER_CREATED) as events:
                await bus.emit(USER_CREATED, User(id=2), headers={"tenant": "x"})
                async for user, ctx in events:
                    assert (user, ctx.headers["tenant"]) == (User(id=2), "x")
                    assert (ctx.address, ctx.token) == ("user.created", TOKEN)
                    break

    async def test_pattern_with_wildcards_and_a_type_is_subscribed_to(self) -> None:
        async with running() as bus, bus.subscribe("user.*", payload_type=User) as events:
            await bus.emit("user.a", {"id": 1})
            await bus.emit("user.b", {"id": 2})
            got = [await anext(iterator) for iterator in [aiter(events)] for _ in range(2)]
            assert [(user, ctx.address) for user, ctx in got] == [
                (User(id=1), "user.a"),
                (User(id=2), "user.b"),
            ]

    async def test_event_that_cannot_be_read_is_passed_over(self) -> None:
        async with running() as bus, bus.subscribe("e", payload_type=int) as events:
            await bus.emit("e", "x")
            await bus.emit("e", 5)
            assert (await anext(aiter(events)))[0] == 5

    async def test_each_subscriber_gets_each_event(self) -> None:
        broker = MemoryBroker()
        async with (
            running(broker=broker) as one,
            running(broker=broker) as other,
            one.subscribe("e", payload_type=int) as first,
            other.subscribe("e", payload_type=int) as second,
        ):
            await one.emit("e", 1)
            assert (await anext(aiter(first)))[0] == (await anext(aiter(second)))[0] == 1

    async def test_leaving_ends_the_subscription(self) -> None:
        async with running() as bus:
            async with bus.subscribe("e"):
                assert (await bus.emit("e")).routed
            assert (await bus.emit("e")).routed is False

    async def test_iteration_ends_when_the_application_stops(self) -> None:
        app = application()
        await app.start()

        async def read() -> None:
            async with app.client(TOKEN).subscribe("e") as events:
                async for _ in events:
                    pass

        reading = asyncio.ensure_future(read())
        await idle()
        await app.stop()
        await asyncio.wait([reading], timeout=2)
        assert reading.done()
        assert not reading.cancelled()
        reading.exception()


class TestStatus:
    async def test_listeners_hear_every_change_until_they_are_removed(self) -> None:
        broker, heard, gone = MemoryBroker(), Seen(), Seen()
        app = application(broker=broker)
        bus = app.client(TOKEN)
        bus.on_status(lambda status, error: heard.add(status.value))
        remove = bus.on_status(lambda status, error: gone.add(status.value))
        remove()
        async with app:
            assert bus.status.value == "connected"
            broker.stop()
            broker.start()
        assert heard == ["connecting", "connected", "reconnecting", "connected", "closed"]
        assert gone == []

    async def test_listener_that_fails_harms_nobody(self) -> None:
        app, heard = application(), Seen()

        def fails(status: Any, error: Any) -> None:
            raise LookupError

        app.client(TOKEN).on_status(fails)
        app.client(TOKEN).on_status(lambda status, error: heard.add(status.value))
        async with app:
            assert app.ready
        assert heard == ["connecting", "connected", "closed"]

    async def test_native_client_is_given_out_once_started(self) -> None:
        broker = MemoryBroker()
        app = application(broker=broker)
        assert app.client(TOKEN).unwrap() is None
        async with app:
            assert app.client(TOKEN).unwrap() is broker


async def test_contract_s_field_keys_its_events() -> None:
    keys = Seen()

    @EventPattern(USER_CREATED)
    async def handler(user: User, ctx: Context) -> None:
        keys.add(ctx.key)

    async with running(handler) as bus:
        await bus.emit(USER_CREATED, User(id=5))
        await bus.emit(USER_CREATED, User(id=5), key="own")
        assert sorted(await keys.wait(2)) == ["5", "own"]


async def test_counters_begin_at_nothing() -> None:
    async with started() as app:
        await until(lambda: app.ready)
        counters = app.health()["transports"][TOKEN]["counters"]
        assert set(counters.values()) == {0}
