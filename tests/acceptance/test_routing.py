"""Scenarios 19, 20 and 22–25: what reaches which handler."""

import asyncio
import enum
from typing import Annotated, Any

import pytest

from wireloom import (
    Application,
    Context,
    Ctx,
    EventPattern,
    MessagePattern,
    Retry,
    UnsupportedOptionError,
    fixed,
)
from wireloom.discovery import load_transport
from wireloom.testing.conformance import TOKEN, Cluster, Record, Site
from wireloom_memory import MemoryContext, MemoryOptions
from wireloom_tcp import TcpContext, TcpOptions


class Command(enum.Enum):
    SUM = "sum"
    COUNT = 7


async def test_19_literal_objects_numbers_and_enums_are_patterns(cluster: Cluster) -> None:
    @MessagePattern({"cmd": "sum", "v": 1})
    async def of_object(values: list[int]) -> int:
        return sum(values)

    @MessagePattern(42)
    async def of_number() -> str:
        return "number"

    @MessagePattern(Command.SUM)
    async def of_enum() -> str:
        return "enum"

    @EventPattern(Command.COUNT)
    async def of_event(value: int) -> None:
        counted.add(value)

    counted = Record[int]()
    await cluster.start(of_object, of_number, of_enum, of_event)
    client = await cluster.client()
    assert await client.send({"cmd": "sum", "v": 1}, [1, 2]) == 3
    assert await client.send({"v": 1, "cmd": "sum"}, [3, 4]) == 7
    assert await client.send(42) == "number"
    assert await client.send(Command.SUM) == "enum"
    assert await client.send("sum") == "enum"
    await client.emit(7, 5)
    assert [*await counted.reach(1)] == [5]


async def test_20_wildcards_match_one_token_or_all_that_follow(cluster: Cluster) -> None:
    seen = Record[tuple[str, str]]()

    @EventPattern("user.*")
    async def one(ctx: Annotated[Context, Ctx()]) -> None:
        seen.add(("*", ctx.address))

    @EventPattern("user.>")
    async def all_that_follow(ctx: Annotated[Context, Ctx()]) -> None:
        seen.add((">", ctx.address))

    capabilities = load_transport(cluster.site.join().kind).capabilities
    if not capabilities.wildcards:
        with pytest.raises(UnsupportedOptionError, match="pattern"):
            await cluster.start(one, all_that_follow)
        return
    await cluster.start(one, all_that_follow, emits=["user.created", "user.a.b"])
    client = await cluster.client()
    await client.emit("user.created")
    await client.emit("user.a.b")
    await seen.reach(3)
    assert sorted(await seen.stays(3)) == [
        ("*", "user.created"),
        (">", "user.a.b"),
        (">", "user.created"),
    ]


async def test_22_of_two_handlers_the_one_that_raises_does_not_disturb_the_other(
    cluster: Cluster,
) -> None:
    seen = Record[str]()

    @EventPattern("both", retry=Retry(attempts=2, backoff=fixed(0.01)))
    async def raises() -> None:
        seen.add("raises")
        raise ValueError("planted")

    @EventPattern("both")
    async def works() -> None:
        await asyncio.sleep(0.01)
        seen.add("works")

    await cluster.start(raises, works)
    await (await cluster.client()).emit("both")
    await seen.reach(3)
    assert sorted(await seen.stays(3)) == ["raises", "raises", "works"]


FACTS = (
    "pattern",
    "address",
    "token",
    "transport",
    "is_event",
    "message_id",
    "correlation_id",
    "attempt",
    "body",
    "key",
    "replayed",
    "deadline",
)


async def test_23_a_context_of_a_transport_that_is_not_configured_is_refused(site: Site) -> None:
    options = site.join()
    other: Any = TcpContext if options.kind == "memory" else MemoryContext

    @EventPattern("narrow")
    async def narrowed(ctx: Annotated[other, Ctx()]) -> None: ...

    app = Application("x", handlers=[narrowed], transports={TOKEN: options})
    with pytest.raises(UnsupportedOptionError) as caught:
        await app.start()
    text = str(caught.value)
    assert "narrowed" in text
    assert other.__name__ in text
    assert "test_routing.py" in text
    assert options.kind in text


async def test_23_an_option_that_the_transport_lacks_is_refused() -> None:
    @EventPattern("old", start_from="first")
    async def replays() -> None: ...

    app = Application("x", handlers=[replays], transports={TOKEN: TcpOptions(listen=None)})
    with pytest.raises(UnsupportedOptionError) as caught:
        await app.start()
    assert caught.value.option == "start_from"
    assert caught.value.transport == "tcp"
    assert "replays" in str(caught.value)


async def test_24_a_context_shows_what_its_transport_knows(cluster: Cluster) -> None:
    shown = Record[dict[str, object]]()
    transport = load_transport(cluster.site.join().kind)
    pattern = "shown.{part}" if transport.capabilities.wildcards else "shown.here"

    @EventPattern(pattern)
    async def everywhere(payload: int, ctx: Annotated[Context, Ctx()]) -> None:
        shown.add({name: getattr(ctx, name) for name in FACTS} | {"tenant": ctx.headers["tenant"]})

    await cluster.start(everywhere)
    client = await cluster.client()
    await client.emit("shown.here", 5, uid="u", key="k", headers={"tenant": "t"})
    (facts,) = await shown.reach(1)
    assert facts == {
        "pattern": pattern,
        "address": "shown.here",
        "token": TOKEN,
        "transport": transport.kind,
        "is_event": True,
        "message_id": "u",
        "correlation_id": "u",
        "attempt": 1,
        "body": b"5",
        "key": "k",
        "replayed": False,
        "deadline": None,
        "tenant": "t",
    }


OWN_FACTS = {
    "memory": "sequence deliveries",
    "tcp": "remote_address",
    "nats": "subject stream stream_sequence deliveries",
    "redis": "stream entry_id consumer deliveries",
    "rabbitmq": "exchange routing_key queue delivery_tag priority",
    "kafka": "topic partition offset timestamp group",
}


async def test_24_a_context_of_its_transport_shows_that_ones_own_facts(cluster: Cluster) -> None:
    shown = Record[dict[str, object]]()
    transport = load_transport(cluster.site.join().kind)
    own: Any = transport.context_type

    @EventPattern("own")
    async def narrowed(ctx: Annotated[own, Ctx()]) -> None:
        assert isinstance(ctx, own)
        shown.add({name: getattr(ctx, name) for name in OWN_FACTS[transport.kind].split()})

    await cluster.start(narrowed)
    await (await cluster.client()).emit("own")
    (facts,) = await shown.reach(1)
    assert all(value is not None for name, value in facts.items() if name != "priority"), facts


async def test_25_stacked_patterns_are_both_handled(cluster: Cluster) -> None:
    seen = Record[str]()

    @EventPattern("a")
    @EventPattern("b")
    async def both(ctx: Annotated[Context, Ctx()]) -> None:
        seen.add(ctx.pattern)

    await cluster.start(both)
    client = await cluster.client()
    await client.emit("a")
    await client.emit("b")
    await seen.reach(2)
    assert sorted(await seen.stays(2)) == ["a", "b"]


async def test_21_a_handler_without_context_listens_on_every_token() -> None:
    seen = Record[str]()

    @EventPattern("everywhere")
    async def everywhere(ctx: Annotated[Context, Ctx()]) -> None:
        seen.add(ctx.token)

    @EventPattern("everywhere")
    async def narrowed(ctx: Annotated[TcpContext, Ctx()]) -> None:
        seen.add(f"narrowed {ctx.token}")

    transports = {
        "memory": MemoryOptions("everywhere-1"),
        "other": MemoryOptions("everywhere-2"),
        "tcp": TcpOptions(listen="127.0.0.1:0"),
    }
    async with Application("x", handlers=[everywhere, narrowed], transports=transports) as app:
        for token in transports:
            await app.client(token).emit("everywhere")
        await seen.reach(4)
        assert sorted(await seen.stays(4)) == ["memory", "narrowed tcp", "other", "tcp"]
