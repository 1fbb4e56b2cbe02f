"""Observables: cold, one request for each subscriber, disposed of without a trace."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import reactivex
from reactivex import operators

from tests.unit.apps import TOKEN, Seen, application, running, started, until
from wireloom import ClosedError, MessagePattern, RequestTimeoutError, RpcError
from wireloom.testing import ManualClock, idle


@MessagePattern("silent", timeout=None)
async def silent() -> None:
    await asyncio.Event().wait()


@MessagePattern("count")
async def count(to: int) -> AsyncIterator[int]:
    for number in range(to):
        yield number


class Watcher:
    """What a subscriber was told."""

    def __init__(self) -> None:
        self.events = Seen()

    def on_next(self, value: Any) -> None:
        self.events.add(("next", value))

    def on_error(self, error: Exception) -> None:
        self.events.add(("error", error))

    def on_completed(self) -> None:
        self.events.add(("completed", None))

    @property
    def callbacks(self) -> dict[str, Any]:
        return {
            "on_next": self.on_next,
            "on_error": self.on_error,
            "on_completed": self.on_completed,
        }


async def test_nothing_is_sent_until_it_is_subscribed_to_and_then_once_for_each() -> None:
    ran, watcher = Seen(), Watcher()

    @MessagePattern("get")
    async def get() -> int:
        ran.add(1)
        return len(ran)

    async with running(get) as bus:
        observable = bus.send_as_observable("get", response_type=int)
        await idle()
        assert ran == []
        for _ in range(2):
            observable.subscribe(**watcher.callbacks)
            await idle()
        assert watcher.events == [
            ("next", 1),
            ("completed", None),
            ("next", 2),
            ("completed", None),
        ]


async def test_awaited_form_gives_a_plain_cold_observable_and_sends_nothing() -> None:
    ran, watcher = Seen(), Watcher()

    @MessagePattern("get")
    async def get() -> int:
        ran.add(1)
        return 5

    async with running(get) as bus:
        users = await bus.send_as_observable("get")
        await idle()
        assert (type(users), ran) == (reactivex.Observable, [])
        users.subscribe(**watcher.callbacks)
        await watcher.events.wait(2)
        assert watcher.events[0] == ("next", 5)


async def test_streamed_answer_is_its_items() -> None:
    watcher = Watcher()
    async with running(count) as bus:
        doubled = bus.send_as_observable("count", 4, response_type=int).pipe(
            operators.map(lambda number: number * 2)
        )
        doubled.subscribe(**watcher.callbacks)
        await watcher.events.wait(5)
    assert [value for _, value in watcher.events] == [0, 2, 4, 6, None]


async def test_errors_go_to_on_error() -> None:
    @MessagePattern("fail")
    async def fail() -> None:
        raise RpcError("no", "NO")

    clock = ManualClock()
    async with running(fail, silent, clock=clock, grace=0.0) as bus:
        watcher = Watcher()
        bus.send_as_observable("fail").subscribe(**watcher.callbacks)
        bus.send_as_observable("silent", timeout=2).subscribe(**watcher.callbacks)
        await clock.advance(3)
        kinds = [type(error) for _, error in watcher.events]
        assert kinds == [RpcError, RequestTimeoutError]


async def test_errors_before_anything_is_sent_go_to_on_error_too() -> None:
    async with running() as bus:
        watcher = Watcher()
        bus.send_as_observable("a.*").subscribe(**watcher.callbacks)
        bus.send_as_observable("a", headers={"wl-x": "1"}).subscribe(**watcher.callbacks)
        await watcher.events.wait(2)
        assert [kind for kind, _ in watcher.events] == ["error", "error"]


async def test_disposing_cancels_and_leaves_no_pending_entry() -> None:
    watcher = Watcher()
    async with started(silent, grace=0.0) as app:
        link = app.links[TOKEN]
        subscription = app.client(TOKEN).send_as_observable("silent").subscribe(**watcher.callbacks)
        await idle()
        assert len(link.pending) == 1
        subscription.dispose()
        await idle()
        assert (link.pending, watcher.events) == ({}, [])


async def test_disposing_in_a_callback_ends_the_handler() -> None:
    ended, got = Seen(), Seen()

    @MessagePattern("forever")
    async def forever() -> AsyncIterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            ended.add(1)

    async with started(forever) as app:
        first = app.client(TOKEN).send_as_observable("forever").pipe(operators.take(3))
        first.subscribe(got.add)
        await ended.wait(within=1.0)
        await until(lambda: app.links[TOKEN].pending == {})
        assert got == [0, 1, 2]


async def test_callback_that_fails_is_logged_and_ends_the_iteration(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(value: int) -> None:
        raise LookupError("in the subscriber")

    with caplog.at_level(logging.ERROR):
        async with started(count) as app:
            app.client(TOKEN).send_as_observable("count", 1000).subscribe(fails)
            await until(lambda: "in the subscriber" in caplog.text)
            await until(lambda: app.health()["in_flight"] == 0)
            assert app.links[TOKEN].pending == {}


async def test_stopping_application_is_an_error_to_whoever_waits() -> None:
    watcher = Watcher()
    app = application(silent, grace=0.0)
    async with app:
        app.client(TOKEN).send_as_observable("silent").subscribe(**watcher.callbacks)
        await idle()
    ((kind, error),) = watcher.events
    assert kind == "error"
    assert isinstance(error, (ClosedError, Exception))


async def test_callbacks_run_on_the_loop() -> None:
    loops = Seen()
    async with running(count) as bus:
        bus.send_as_observable("count", 1).subscribe(
            lambda _: loops.add(asyncio.get_running_loop())
        )
        assert await loops.wait() == [asyncio.get_running_loop()]
