"""Contexts: read-only facts of one call."""

from typing import Annotated

import pytest

from tests.unit.apps import TOKEN, Seen, running
from wireloom import Context, Ctx, EventPattern, MessagePattern
from wireloom.spi import current_context
from wireloom_memory.context import MemoryContext


async def test_event_context_shows_every_documented_fact() -> None:
    seen = Seen()

    @EventPattern("user.{id}.*")
    async def handler(id: str, payload: int, ctx: Annotated[Context, Ctx()]) -> None:
        seen.add(ctx)

    async with running(handler) as bus:
        await bus.emit("user.7.left", 5, uid="u-1", key="k", headers={"tenant": "a"}, ttl=30)
        (ctx,) = await seen.wait()
    assert (ctx.pattern, ctx.address) == ("user.{id}.*", "user.7.left")
    assert (ctx.token, ctx.transport, ctx.subscription) == (TOKEN, "memory", "svc.handler")
    assert (ctx.is_event, ctx.message_id, ctx.correlation_id) == (True, "u-1", "u-1")
    assert (ctx.headers["tenant"], ctx.key, ctx.body, ctx.attempt) == ("a", "k", b"5", 1)
    assert (ctx.pending, ctx.replayed) == (0, False)
    assert ctx.deadline is None or ctx.deadline > 0


async def test_request_context_knows_its_deadline() -> None:
    seen = Seen()

    @MessagePattern("get")
    async def get(ctx: Annotated[MemoryContext, Ctx()]) -> None:
        seen.add(ctx)

    async with running(get) as bus:
        await bus.send("get", timeout=5)
    assert not seen[0].is_event
    assert seen[0].deadline is not None


async def test_context_needs_no_marker() -> None:
    @MessagePattern("get")
    async def get(ctx: Context) -> str:
        return type(ctx).__name__

    async with running(get) as bus:
        assert await bus.send("get") == "MemoryContext"


async def test_current_context_is_that_of_the_call_being_served() -> None:
    @MessagePattern("get")
    async def get(ctx: Context) -> bool:
        return current_context.get() is ctx

    @MessagePattern("thread")
    def thread(ctx: Context) -> bool:
        return current_context.get() is ctx

    async with running(get, thread) as bus:
        assert await bus.send("get")
        assert await bus.send("thread")
    assert current_context.get() is None


async def test_facts_of_the_message_cannot_be_changed() -> None:
    @MessagePattern("get")
    async def get(ctx: Context) -> str:
        with pytest.raises(AttributeError):
            ctx.address = "other"  # type: ignore[misc]
        with pytest.raises(AttributeError):
            ctx.invented = 1  # type: ignore[attr-defined]
        return "same"

    async with running(get) as bus:
        assert await bus.send("get") == "same"
