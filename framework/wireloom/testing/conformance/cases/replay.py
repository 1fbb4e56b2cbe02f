"""History for new groups, and events that wait."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from wireloom import Context, Ctx, EventPattern, Receipt, Retry
from wireloom.testing.conformance.base import Conformance, needs
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.record import Record

__all__ = ["ReplayCases"]


class ReplayCases(Conformance):
    """Where a new group starts, and when a delayed event arrives."""

    @needs("replay")
    async def test_replay_a_new_group_starts_where_it_asks_to(self, cluster: Cluster) -> None:
        """From the first, a sequence, a time, the last; "new" gets none of the past."""
        seen = Record[tuple[str, int, bool]]()

        def handler(group: str, start_from: Any) -> Callable[..., Any]:
            @EventPattern("history", group=group, start_from=start_from, concurrency=1)
            async def handle(number: int, ctx: Annotated[Context, Ctx()]) -> None:
                seen.add((group, number, ctx.replayed))

            return handle

        declaring = await cluster.start(handler("declares", "new"), name="declares")
        client = await cluster.client()
        receipts = [await client.emit("history", n) for n in range(3)]
        await asyncio.sleep(0.02)
        moment = datetime.now(UTC)
        await asyncio.sleep(0.02)
        receipts += [await client.emit("history", n) for n in range(3, 6)]
        await seen.reach(6)
        await cluster.stop(declaring)
        seen.items.clear()
        starts = {
            "first": ("first", [0, 1, 2, 3, 4, 5]),
            "time": (moment, [3, 4, 5]),
            "last": ("last", [5]),
            "new": ("new", list[int]()),
        }
        if (place := _place(receipts[2])) is not None:
            starts["place"] = (place, [2, 3, 4, 5])
        for group, (start_from, _) in starts.items():
            await cluster.start(handler(group, start_from), name=group)
        await client.emit("history", 6)
        await seen.reach(sum(len(numbers) + 1 for _, numbers in starts.values()))
        for group, (_, numbers) in starts.items():
            assert [n for name, n, _ in seen if name == group] == [*numbers, 6]
        assert all(replayed for _, number, replayed in seen if number < 6)

    @needs("delay")
    async def test_delay_an_event_arrives_when_it_is_due_and_uses_up_no_run(
        self, cluster: Cluster
    ) -> None:
        """`delay=0.5` with a single attempt."""
        seen = Record[tuple[int, float]]()

        @EventPattern("delayed", retry=Retry(attempts=1))
        async def handle(ctx: Annotated[Context, Ctx()]) -> None:
            seen.add((ctx.attempt, asyncio.get_running_loop().time()))

        await cluster.start(handle)
        client = await cluster.client()
        begin = asyncio.get_running_loop().time()
        await client.emit("delayed", delay=0.5)
        (attempt, arrived) = (await seen.reach(1))[0]
        assert attempt == 1
        assert 0.5 <= arrived - begin < 2.5
        await seen.stays(1)


def _place(receipt: Receipt) -> int | None:
    """Return the sequence that a group can start from, where a receipt has one."""
    return receipt.sequence if isinstance(receipt.sequence, int) else None
