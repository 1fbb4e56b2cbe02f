"""Order: one at a time for each key, retries included, keys side by side."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.apps import Seen, running
from wireloom import Context, Event, EventPattern, Retry, fixed
from wireloom.server.ordering import key_reader
from wireloom.spi import Delivery, Kind, Message
from wireloom.testing import ManualClock, idle


def delivery(body: bytes, key: str | None = None) -> Delivery:
    return Delivery(Message(Kind.EVENT, "e", body, {}, "id", key=key))


@pytest.mark.parametrize(
    ("ordered", "body", "key", "found"),
    [
        (True, b"", "k", "k"),
        (True, b'{"id":1}', None, ""),
        ("id", b'{"id":1}', "k", "1"),
        ("id", b'{"id":null}', None, "None"),
        ("id", b'{"other":1}', None, ""),
        ("id", b"[1]", None, ""),
        ("id", b"{", None, ""),
        ("id", b"", None, ""),
    ],
)
def test_key_is_the_message_s_own_or_a_field_of_the_payload(
    ordered: bool | str, body: bytes, key: str | None, found: str
) -> None:
    assert key_reader(ordered)(delivery(body, key)) == found


@given(st.binary(max_size=40))
def test_any_body_has_a_key(body: bytes) -> None:
    assert isinstance(key_reader("id")(delivery(body)), str)


async def play(events: list[tuple[str, bool]]) -> tuple[dict[str, list[int]], bool]:
    """Emit events of these keys, some failing once; return the successes by key."""
    done: dict[str, list[int]] = defaultdict(list)
    active: set[str] = set()
    overlapped = False
    clock, seen = ManualClock(), Seen()

    @EventPattern("e", ordered=True, retry=Retry(2, backoff=fixed(3)), concurrency=4)
    async def handler(number: int, ctx: Context) -> None:
        nonlocal overlapped
        key = ctx.key or ""
        overlapped = overlapped or key in active
        active.add(key)
        for _ in range(number % 3):
            await asyncio.sleep(0)
        active.discard(key)
        if events[number][1] and ctx.attempt == 1:
            raise ValueError
        done[key].append(number)
        seen.add(number)

    async with running(handler, clock=clock) as bus:
        for number, (key, _) in enumerate(events):
            await bus.emit("e", number, key=key)
        while len(seen) < len(events):
            await clock.advance(1)
    return done, overlapped


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=12))
def test_events_of_a_key_never_overtake_each_other_whatever_fails(
    events: list[tuple[str, bool]],
) -> None:
    done, overlapped = asyncio.run(play(events))
    assert not overlapped
    for key, numbers in done.items():
        assert numbers == [number for number, event in enumerate(events) if event[0] == key]


async def test_retried_key_waits_while_others_go_on() -> None:
    clock, done = ManualClock(), Seen()

    @EventPattern(
        Event("e", dict[str, int], key="id"), ordered=True, retry=Retry(2, fixed(5), jitter=0)
    )
    async def handler(payload: dict[str, int], ctx: Context) -> None:
        if payload["id"] == 1 and ctx.attempt == 1:
            raise ValueError
        done.add((payload["id"], payload["n"], clock.monotonic()))

    event = Event("e", dict[str, int], key="id")
    async with running(handler, clock=clock) as bus:
        for number, key in enumerate((1, 1, 2, 2)):
            await bus.emit(event, {"id": key, "n": number})
        await idle()
        assert done == [(2, 2, 0), (2, 3, 0)]
        await clock.advance(20)
    assert done[2:] == [(1, 0, 5.0), (1, 1, 10.0)]


async def test_without_any_key_the_whole_subscription_is_in_order() -> None:
    done = Seen()

    @EventPattern("e", ordered=True, concurrency=8)
    async def handler(number: int) -> None:
        for _ in range(10 - number):
            await asyncio.sleep(0)
        done.add(number)

    async with running(handler) as bus:
        await bus.emit_many("e", range(10))
        assert await done.wait(10) == list(range(10))


async def test_foreign_producer_s_payload_may_hold_the_key() -> None:
    done = Seen()

    @EventPattern("e", ordered="id", concurrency=8)
    async def handler(payload: dict[str, int]) -> None:
        for _ in range(10 - payload["n"]):
            await asyncio.sleep(0)
        done.add((payload["id"], payload["n"]))

    async with running(handler) as bus:
        for number in range(10):
            await bus.emit("e", {"id": number % 2, "n": number})
        await done.wait(10)
    for key in (0, 1):
        assert [n for id_, n in done if id_ == key] == list(range(key, 10, 2))
