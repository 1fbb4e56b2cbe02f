"""C19: requests."""

import asyncio
import time
from contextlib import suppress
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from wireloom import (
    Context,
    Ctx,
    MessagePattern,
    NoHandlerError,
    RequestTimeoutError,
    RpcError,
)
from wireloom.testing.conformance.base import Conformance, needs
from wireloom.testing.conformance.cluster import TOKEN, Cluster
from wireloom.testing.conformance.record import Record, eventually

__all__ = ["RequestCases"]


class Question(BaseModel):
    number: int


class Answer(BaseModel):
    text: str


@MessagePattern("answer")
async def answer(question: Question) -> Answer:
    return Answer(text=f"{question.number}")


class RequestCases(Conformance):
    """One question, one answer, whatever happens."""

    @needs("requests")
    async def test_c19_a_request_is_answered_with_the_type_that_was_asked_for(
        self, cluster: Cluster
    ) -> None:
        """Models on both sides."""
        await cluster.start(answer)
        client = await cluster.client()
        got = await client.send("answer", Question(number=3), response_type=Answer)
        assert got == Answer(text="3")

    @needs("requests")
    @pytest.mark.parametrize("code", ["NOT_FOUND", "OWN_CODE", 404])
    async def test_c19_an_error_arrives_as_it_was_raised_and_at_once(
        self, cluster: Cluster, code: str | int
    ) -> None:
        """Code, message and details."""

        @MessagePattern("raises")
        async def raises() -> None:
            raise RpcError("no", code=code, details={"d": [1, None]})

        await cluster.start(raises)
        client = await cluster.client()
        begin = time.monotonic()
        with pytest.raises(RpcError) as caught:
            await client.send("raises")
        assert time.monotonic() - begin < 1
        error = caught.value
        assert (error.code, error.message, error.details) == (code, "no", {"d": [1, None]})

    @needs("requests")
    async def test_c19_an_unexpected_error_tells_nothing_but_an_id(self, cluster: Cluster) -> None:
        """INTERNAL, at once, and the service serves the next call."""

        @MessagePattern("breaks")
        async def breaks(number: int) -> int:
            if number == 0:
                raise ValueError("secret")
            return number

        await cluster.start(breaks)
        client = await cluster.client()
        with pytest.raises(RpcError) as caught:
            await client.send("breaks", 0, timeout=5)
        assert caught.value.code == "INTERNAL"
        assert "secret" not in str(caught.value)
        assert caught.value.error_id
        assert await client.send("breaks", 7, response_type=int) == 7

    @needs("requests")
    async def test_c19_an_invalid_payload_is_answered_with_the_field(
        self, cluster: Cluster
    ) -> None:
        """INVALID_ARGUMENT."""
        await cluster.start(answer)
        client = await cluster.client()
        with pytest.raises(RpcError) as caught:
            await client.send("answer", {"number": "secret"}, timeout=5)
        assert caught.value.code == "INVALID_ARGUMENT"
        assert "number" in str(caught.value.details)
        assert "secret" not in f"{caught.value} {caught.value.details}"

    @needs("requests")
    async def test_c19_no_answer_in_time_is_a_timeout_and_a_late_one_is_dropped(
        self, cluster: Cluster
    ) -> None:
        """Dropped and counted; the next call is not confused by it."""
        gate = asyncio.Event()

        @MessagePattern("slow")
        async def slow(number: int) -> int:
            while number == 0 and not gate.is_set():
                with suppress(asyncio.CancelledError):
                    await gate.wait()
            return number

        await cluster.start(slow)
        caller = await cluster.start(name="caller")
        client = caller.client(TOKEN)
        begin = time.monotonic()
        with pytest.raises(RequestTimeoutError) as caught:
            await client.send("slow", 0, timeout=0.5)
        assert isinstance(caught.value, TimeoutError)
        assert 0.5 <= time.monotonic() - begin < 1.5
        gate.set()
        await eventually(lambda: caller.links[TOKEN].counters.late_replies == 1)
        assert await client.send("slow", 1, response_type=int) == 1
        assert not caller.links[TOKEN].pending

    @needs("requests", "no_handler")
    async def test_c19_a_pattern_that_nobody_handles_fails_at_once(self, cluster: Cluster) -> None:
        """NoHandlerError, also after the service that did has gone."""
        app = await cluster.start(answer)
        client = await cluster.client()
        begin = time.monotonic()
        with pytest.raises(NoHandlerError):
            await client.send("unknown", 1)
        assert time.monotonic() - begin < 1
        await client.send("answer", Question(number=1))
        await cluster.stop(app)
        begin = time.monotonic()
        with pytest.raises(NoHandlerError):
            await client.send("answer", Question(number=1))
        assert time.monotonic() - begin < 1

    @needs("requests")
    @pytest.mark.timeout(60)
    async def test_c19_a_thousand_requests_at_once_get_their_own_answers(
        self, cluster: Cluster
    ) -> None:
        """Answered out of order."""

        @MessagePattern("double", concurrency=1000)
        async def double(number: int) -> int:
            for _ in range(number * 7919 % 17):
                await asyncio.sleep(0)
            return number * 2

        await cluster.start(double)
        client = await cluster.client()
        answers = await asyncio.gather(
            *(client.send("double", n, response_type=int, timeout=30) for n in range(1000))
        )
        assert answers == [n * 2 for n in range(1000)]

    @needs("requests")
    async def test_c19_one_failing_request_among_many_fails_alone(self, cluster: Cluster) -> None:
        """One error, nine answers, and the eleventh call succeeds."""

        @MessagePattern("one.fails")
        async def handle(number: int) -> int:
            if number == 4:
                raise RpcError("four", code="ABORTED")
            return number

        await cluster.start(handle)
        client = await cluster.client()
        outcomes = await asyncio.gather(
            *(client.send("one.fails", n) for n in range(10)), return_exceptions=True
        )
        assert isinstance(outcomes.pop(4), RpcError)
        assert outcomes == [n for n in range(10) if n != 4]
        assert await client.send("one.fails", 11) == 11

    @needs("requests")
    async def test_c19_an_answer_to_a_requester_that_is_gone_disturbs_nobody(
        self, cluster: Cluster
    ) -> None:
        """The handler runs once and to its end."""
        gate = asyncio.Event()
        runs = Record[str]()

        @MessagePattern("orphan")
        async def orphan(payload: str) -> str:
            runs.add(f"begin {payload}")
            if payload == "1":
                await asyncio.shield(gate.wait())
            runs.add(f"end {payload}")
            return payload

        await cluster.start(orphan)
        gone = await cluster.start(name="gone")
        waiting = asyncio.ensure_future(gone.client(TOKEN).send("orphan", "1"))
        await runs.reach(1)
        await cluster.stop(gone)
        await asyncio.gather(waiting, return_exceptions=True)
        gate.set()
        client = await cluster.client()
        assert await client.send("orphan", "2") == "2"
        assert [run for run in runs if run.startswith("begin")] == ["begin 1", "begin 2"]

    @needs("requests")
    async def test_c19_three_replicas_share_requests_and_run_each_once(
        self, cluster: Cluster
    ) -> None:
        """300 requests, 300 runs, some at each."""
        ran = Record[tuple[int, int]]()

        def replica(instance: int) -> Any:
            @MessagePattern("share")
            async def share(number: int) -> int:
                ran.add((instance, number))
                return number

            return share

        for instance in range(3):
            await cluster.start(replica(instance))
        client = await cluster.client()
        for start in range(0, 300, 30):
            await asyncio.gather(*(client.send("share", start + n) for n in range(30)))
        assert sorted(number for _, number in ran) == list(range(300))
        assert {instance for instance, _ in ran} == {0, 1, 2}

    @needs("requests")
    async def test_c19_deadline_and_correlation_are_passed_on(self, cluster: Cluster) -> None:
        """What is left of the caller's patience is all that a nested call gets."""
        seen = Record[tuple[float | None, str]]()

        @MessagePattern("inner")
        async def inner(ctx: Annotated[Context, Ctx()]) -> None:
            left = (
                None if ctx.deadline is None else ctx.deadline - asyncio.get_running_loop().time()
            )
            seen.add((left, ctx.correlation_id))

        nested = await cluster.start(inner, name="nested")

        @MessagePattern("outer")
        async def outer(ctx: Annotated[Context, Ctx()]) -> None:
            seen.add((None, ctx.correlation_id))
            await nested.client(TOKEN).send("inner", timeout=60)

        await cluster.start(outer, name="outer")
        await (await cluster.client()).send("outer", timeout=5)
        (_, correlation), (left, passed_on) = await seen.reach(2)
        assert left is not None
        assert 0 < left <= 5
        assert passed_on == correlation

    @needs("requests")
    async def test_c19_nothing_is_left_over_after_a_thousand_calls(self, cluster: Cluster) -> None:
        """Pending calls and tasks are back where they were."""
        await cluster.start(answer)
        caller = await cluster.start(name="caller")
        client = caller.client(TOKEN)
        await client.send("answer", Question(number=0))
        before = len(asyncio.all_tasks())
        for start in range(0, 1000, 100):
            await asyncio.gather(
                *(client.send("answer", Question(number=start + n)) for n in range(100))
            )
        await eventually(lambda: len(asyncio.all_tasks()) <= before + 5)
        assert not caller.links[TOKEN].pending
