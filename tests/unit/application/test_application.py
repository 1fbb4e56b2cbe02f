"""The application: start, stop, and what is left when either fails."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest

from tests.unit.apps import TOKEN, Seen, application, memory, running, started
from wireloom import (
    Application,
    ClientProxy,
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    Controller,
    EventPattern,
    Inject,
    MessagePattern,
    NoHandlerError,
    RequestError,
    RpcError,
    Status,
    UnknownTransportError,
    provide,
)
from wireloom.testing import idle
from wireloom_memory import MemoryBroker
from wireloom_memory.delivery import EventDelivery
from wireloom_memory.link import _Listening
from wireloom_memory.transport import MemoryTransport


@MessagePattern("get")
async def get() -> int:
    return 1


def leftovers() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("wire")}


class TestLife:
    async def test_application_starts_and_stops_within_a_program(self) -> None:
        app = application(get)
        assert not app.ready
        async with app:
            assert app.ready
            assert await app.client(TOKEN).send("get") == 1
        assert not app.ready
        assert leftovers() == set()

    async def test_stopped_application_may_be_started_again(self) -> None:
        app = application(get)
        for _ in range(3):
            async with app:
                assert await app.client(TOKEN).send("get") == 1
            with pytest.raises(ClosedError):
                await app.client(TOKEN).send("get")

    def test_application_may_be_started_on_another_loop(self) -> None:
        app = application(get)

        async def main() -> None:
            async with app:
                assert await app.client(TOKEN).send("get") == 1

        for _ in range(2):
            asyncio.run(main())

    def test_timeouts_work_on_another_loop_although_one_was_armed_on_the_first(self) -> None:
        gate = asyncio.Event()

        @MessagePattern("silent")
        async def silent() -> None:
            await gate.wait()

        class Still:
            """A clock whose hand does not move between the two loops."""

            def monotonic(self) -> float:
                return 1000.0

            def now(self) -> float:
                return 0.0

            def call_at(self, when: float, call: Any) -> asyncio.TimerHandle:
                return asyncio.get_running_loop().call_later((when - 1000.0) / 10, call)

            async def sleep(self, seconds: float) -> None:
                await asyncio.Event().wait()

        app = application(get, silent, clock=Still(), grace=0.0)

        async def first() -> None:
            async with app:
                await app.client(TOKEN).send("get", timeout=1)

        async def second() -> None:
            async with app, asyncio.timeout(5):
                with pytest.raises(RequestError):
                    await app.client(TOKEN).send("silent", timeout=1)

        asyncio.run(first())
        asyncio.run(second())

    async def test_started_application_is_not_started_again(self) -> None:
        async with started(get) as app:
            with pytest.raises(ConfigurationError, match="started already"):
                await app.start()
            assert app.ready

    async def test_stopping_what_is_not_started_is_no_error(self) -> None:
        app = application(get)
        await app.stop()
        async with app:
            pass
        await app.stop()

    async def test_application_may_be_stopped_by_several_at_once(self) -> None:
        app = application(get)
        await app.start()
        await asyncio.gather(app.stop(), app.stop(), app.stop())
        assert leftovers() == set()
        async with app:
            assert app.ready

    async def test_lifespan_runs_it_inside_an_asgi_server(self) -> None:
        app = application(get)
        async with app.lifespan(object()):
            assert await app.client(TOKEN).send("get") == 1
        assert not app.ready

    async def test_application_without_a_transport_has_memory(self) -> None:
        app = Application("svc", handlers=[get])
        assert list(app.links) == ["main"]
        async with app:
            assert await app.client("main").send("get") == 1

    async def test_client_is_given_out_before_the_start_and_closed_until_then(self) -> None:
        app = application(get)
        bus = app.client(TOKEN)
        assert bus.status is Status.CLOSED
        for call in (bus.send("get"), bus.emit("e"), bus.emit_many("e", [1])):
            with pytest.raises(ClosedError):
                await call
        with pytest.raises(ClosedError):
            bus.subscribe("e")
        with pytest.raises(ClosedError):
            bus.stream("get")
        with pytest.raises(ClosedError):
            bus.blocking.send("get")
        async with app:
            assert bus is app.client(TOKEN)
            assert await bus.send("get") == 1

    def test_unknown_client_lists_the_tokens(self) -> None:
        with pytest.raises(UnknownTransportError, match="'train'; configured: bus"):
            application(get).client("train")


class TestFailingStart:
    async def test_one_failing_token_leaves_nothing_running(self) -> None:
        good, bad = MemoryBroker(), MemoryBroker()
        bad.stop()
        app = Application(
            "svc",
            handlers=[get],
            transports={"good": memory(good), "bad": memory(bad, startup_timeout=0.05)},
        )
        with pytest.raises(ConnectionFailedError):
            await app.start()
        assert good._links == []
        assert not app.ready
        assert leftovers() == set()
        bad.start()
        async with app:
            assert app.ready

    async def test_failure_in_the_middle_of_subscribing_leaves_nothing_running(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe, broker, closed = MemoryTransport.subscribe, MemoryBroker(), Seen()

        async def store() -> AsyncIterator[str]:
            yield "store"
            closed.add("closed")

        async def fails(self: Any, subscription: Any, intake: Any) -> Any:
            if subscription.name == "svc.second":
                raise ConnectionFailedError("in the middle", fatal=True)
            return await subscribe(self, subscription, intake)

        @MessagePattern("second")
        async def second(store: str) -> None: ...

        app = application(get, second, broker=broker, providers=[provide(store, type=str)])
        with monkeypatch.context() as patch:
            patch.setattr(MemoryTransport, "subscribe", fails)
            with pytest.raises(ConnectionFailedError, match="in the middle"):
                await app.start()
        assert (broker._links, leftovers(), closed) == ([], set(), ["closed"])
        async with running(broker=broker) as bus:
            with pytest.raises(NoHandlerError):
                await bus.send("get")
        async with app:
            assert app.ready

    async def test_wrong_program_fails_before_anything_is_connected(self) -> None:
        broker = MemoryBroker()

        @MessagePattern("x")
        async def wrong(nobody: Annotated[Any, Inject("nobody")]) -> None: ...

        app = application(wrong, broker=broker)
        with pytest.raises(UnknownTransportError):
            await app.start()
        assert broker._loop is None

    async def test_controller_that_cannot_be_made_fails_the_start(self) -> None:
        @Controller()
        class Users:
            def __init__(self) -> None:
                raise LookupError("no database")

            @MessagePattern("get")
            async def get(self) -> None: ...

        app = application(controllers=[Users])
        with pytest.raises(LookupError, match="no database"):
            await app.start()
        assert leftovers() == set()

    async def test_unreachable_broker_is_tried_again_until_it_is_there(self) -> None:
        broker = MemoryBroker()
        broker.stop()
        app = application(get, broker=broker)
        starting = asyncio.create_task(app.start())
        await asyncio.wait([starting], timeout=0.05)
        assert not starting.done()
        assert not app.ready
        broker.start()
        await asyncio.wait_for(starting, 5)
        assert app.ready
        await app.stop()

    async def test_start_that_is_cancelled_leaves_nothing_running(self) -> None:
        broker = MemoryBroker()
        broker.stop()
        app = application(get, broker=broker)
        starting = asyncio.create_task(app.start())
        await idle()
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert leftovers() == set()
        broker.start()
        async with app:
            assert app.ready

    async def test_stopping_while_starting_gives_the_start_up(self) -> None:
        broker = MemoryBroker()
        broker.stop()
        app = application(get, broker=broker)
        starting = asyncio.create_task(app.start())
        await idle()
        await asyncio.gather(app.stop(), app.stop())
        with pytest.raises(ClosedError, match="stopped while it was starting"):
            await starting
        assert not starting.cancelled()
        broker.start()
        await idle()
        assert (broker._links, leftovers(), app.ready) == ([], set(), False)
        async with app:
            assert await app.client(TOKEN).send("get") == 1

    async def test_cancelling_a_start_that_is_being_stopped_stays_a_cancellation(self) -> None:
        broker = MemoryBroker()
        broker.stop()
        app = application(get, broker=broker)
        starting = asyncio.create_task(app.start())
        await idle()
        starting.cancel()
        await app.stop()
        with pytest.raises(asyncio.CancelledError):
            await starting


class TestDrain:
    async def test_running_handlers_are_waited_for_up_to_the_grace_period(self) -> None:
        begun, gate, ended = Seen(), asyncio.Event(), Seen()

        @EventPattern("e")
        async def handler(number: int) -> None:
            begun.add(number)
            await gate.wait()
            ended.add(number)

        app = application(handler, grace=5.0)
        await app.start()
        for number in range(3):
            await app.client(TOKEN).emit("e", number)
        await begun.wait(3)
        stopping = asyncio.create_task(app.stop())
        await idle()
        assert (stopping.done(), app.ready) == (False, False)
        gate.set()
        await stopping
        assert sorted(ended) == [0, 1, 2]

    async def test_what_was_not_started_is_given_back_and_what_is_cancelled_is_redelivered(
        self,
    ) -> None:
        broker, first, second = MemoryBroker(), Seen(), Seen()

        @EventPattern("e", concurrency=1, name="work")
        async def slow(number: int) -> None:
            first.add(number)
            await asyncio.Event().wait()

        @EventPattern("e", concurrency=1, name="work")
        async def quick(number: int) -> None:
            second.add(number)

        async with started(slow, broker=broker, grace=0.05) as app:
            for number in range(4):
                await app.client(TOKEN).emit("e", number)
            await first.wait(1)
        async with running(quick, broker=broker):
            await second.wait(4)
        assert (first, sorted(second)) == ([0], [0, 1, 2, 3])

    async def test_requests_that_cannot_end_are_answered_unavailable(self) -> None:
        broker, begun = MemoryBroker(), Seen()

        @MessagePattern("slow", concurrency=1)
        async def slow(number: int) -> None:
            begun.add(number)
            await asyncio.Event().wait()

        serving = application(slow, broker=broker, grace=0.05)
        async with running(broker=broker) as bus:
            await serving.start()
            calls = [asyncio.ensure_future(bus.send("slow", number)) for number in range(3)]
            await begun.wait(1)
            await serving.stop()
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(one, "code", one) for one in outcomes] == ["UNAVAILABLE"] * 3
        assert begun == [0]

    async def test_calls_that_wait_when_the_application_stops_fail_at_once(self) -> None:
        broker = MemoryBroker()
        gate = asyncio.Event()

        @MessagePattern("silent")
        async def silent() -> None:
            await gate.wait()

        async with running(silent, broker=broker, grace=0.0):
            app = application(broker=broker)
            await app.start()
            call = asyncio.ensure_future(app.client(TOKEN).send("silent"))
            await idle()
            await app.stop()
            with pytest.raises(ConnectionLostError, match="stopping"):
                await asyncio.wait_for(call, 1)

    async def test_handler_that_will_not_end_does_not_hold_up_the_stop(self) -> None:
        begun, gate = Seen(), asyncio.Event()

        @EventPattern("e")
        async def stubborn() -> None:
            begun.add(1)
            while not gate.is_set():
                try:
                    await gate.wait()
                except asyncio.CancelledError:
                    continue

        app = application(stubborn, grace=0.05)
        await app.start()
        await app.client(TOKEN).emit("e")
        await begun.wait()
        began = asyncio.get_running_loop().time()
        await app.stop()
        assert asyncio.get_running_loop().time() - began < 5.05
        gate.set()
        await idle()

    async def test_stop_takes_grace_and_five_seconds_at_most_whatever_hangs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def hangs(*_: Any, **__: Any) -> None:
            await asyncio.Event().wait()

        begun = Seen()

        @EventPattern("e", concurrency=1)
        async def slow() -> None:
            begun.add(1)
            await asyncio.Event().wait()

        async def store() -> AsyncIterator[str]:
            yield "x"
            await hangs()

        app = application(slow, grace=0.2, providers=[provide(store, type=str)])
        await app.start()
        for _ in range(3):
            await app.client(TOKEN).emit("e")
        await begun.wait()
        for name in ("ack", "retry", "give_back", "dead_letter"):
            monkeypatch.setattr(EventDelivery, name, hangs)
        for name in ("stop", "close"):
            monkeypatch.setattr(_Listening, name, hangs)
        publish, close = MemoryTransport.publish, MemoryTransport.close
        monkeypatch.setattr(MemoryTransport, "publish", hangs)
        monkeypatch.setattr(MemoryTransport, "close", hangs)
        await app.client(TOKEN).emit("e", sync=False)
        await idle()
        began = asyncio.get_running_loop().time()
        await app.stop()
        took = asyncio.get_running_loop().time() - began
        monkeypatch.setattr(MemoryTransport, "publish", publish)
        monkeypatch.setattr(MemoryTransport, "close", close)
        assert took < 5.3

    async def test_failing_clean_up_of_a_provider_is_logged_and_does_not_stop_the_stop(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def store() -> AsyncIterator[str]:
            yield "x"
            raise LookupError("on closing")

        @MessagePattern("use")
        async def use(store: str) -> str:
            return store

        app = application(use, providers=[provide(store, type=str)])
        with caplog.at_level(logging.ERROR):
            async with app:
                assert await app.client(TOKEN).send("use") == "x"
        assert "while stopping" in caplog.text
        async with app:
            assert app.ready


class TestHealth:
    async def test_health_is_plain_values(self) -> None:
        async with started(get) as app:
            await app.client(TOKEN).send("get")
            health = app.health()
        assert json.loads(json.dumps(health)) == health
        assert (health["name"], health["ready"], health["in_flight"]) == ("svc", True, 0)
        link = health["transports"][TOKEN]
        assert (link["kind"], link["status"], link["error"]) == ("memory", "connected", None)
        assert link["pending_requests"] == 0
        assert link["counters"]["late_replies"] == 0

    async def test_application_is_not_ready_while_its_broker_is_away(self) -> None:
        broker = MemoryBroker()
        async with started(get, broker=broker) as app:
            broker.stop()
            assert not app.ready
            assert app.health()["transports"][TOKEN]["status"] == "reconnecting"
            broker.start()
            assert app.ready

    async def test_health_shows_no_secret(self) -> None:
        app = application(get, transports={TOKEN: memory(namespace="s3cret")})
        assert "s3cret" not in json.dumps(app.health())


class TestArguments:
    @pytest.mark.parametrize("name", ["", "a b", "a*", "a>", "a\n"])
    def test_name_that_could_be_no_group_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigurationError, match="Application"):
            Application(name)

    def test_negative_grace_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="grace=-1"):
            Application("svc", grace=-1)

    def test_token_under_transports_and_clients_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="'a' stands under transports= and clients="):
            Application("svc", transports={"a": memory()}, clients={"a": memory()})

    def test_one_address_of_one_broker_is_served_by_one_token(self) -> None:
        broker = MemoryBroker()
        with pytest.raises(ConfigurationError, match=r"'a' and 'b' serve the same"):
            Application("svc", transports={"a": memory(broker), "b": memory(broker)})
        Application("svc", transports={"a": memory(broker), "b": memory(broker, namespace="b")})
        Application("svc", transports={"a": memory(broker)}, clients={"b": memory(broker)})

    def test_emits_of_a_token_that_is_not_configured_are_refused(self) -> None:
        with pytest.raises(UnknownTransportError, match="'b'; configured: bus"):
            application(emits={"b": ["e"]}).check()


async def test_same_named_broker_is_one_place_in_a_process() -> None:
    async with (
        Application("one", handlers=[get], transports={"a": "memory://shared"}),
        Application("two", clients={"b": "memory://shared"}) as two,
    ):
        assert await two.client("b").send("get") == 1


async def test_handler_reaches_another_service_by_its_client() -> None:
    broker = MemoryBroker()

    @MessagePattern("ask")
    async def ask(billing: Annotated[ClientProxy, Inject("billing")]) -> int:
        return await billing.send("get", response_type=int)

    async with (
        running(get, broker=broker),
        running(ask, clients={"billing": memory(broker)}) as bus,
    ):
        assert await bus.send("ask") == 1


async def test_failure_of_a_call_is_no_failure_of_the_application() -> None:
    @MessagePattern("fail")
    async def fail() -> None:
        raise ValueError

    async with started(fail, get) as app:
        for _ in range(5):
            with pytest.raises(RpcError):
                await app.client(TOKEN).send("fail")
        assert app.ready
        assert await app.client(TOKEN).send("get") == 1
