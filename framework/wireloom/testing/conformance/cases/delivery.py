"""C1–C6: who gets which events."""

import asyncio
import json
from collections import Counter
from typing import Annotated, Any

import pytest

from wireloom import Context, Ctx, EventPattern
from wireloom.testing.conformance.base import Conformance, needs
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.record import Record

__all__ = ["DeliveryCases"]

TEXTS = ("plain", "ä€😀", 'quo"ted\\', "line\nfeed\ttab", "", "x" * 5000)


class DeliveryCases(Conformance):
    """Events arrive as they were sent, at those who should get them."""

    async def test_c01_a_hundred_messages_arrive_byte_for_byte(self, cluster: Cluster) -> None:
        """Payload, headers, content type, id and key."""
        seen = Record[tuple[str, bytes, dict[str, str], str | None]]()

        @EventPattern("round.trip")
        async def handle(payload: Any, ctx: Annotated[Context, Ctx()]) -> None:
            seen.add((ctx.message_id, ctx.body, dict(ctx.headers), ctx.key))

        await cluster.start(handle)
        client = await cluster.client()
        sent = {f"id-{n}": (TEXTS[n % len(TEXTS)], f"value {n} ä", f"k{n}") for n in range(100)}
        for uid, (text, header, sent_key) in sent.items():
            await client.emit("round.trip", text, uid=uid, key=sent_key, headers={"x-own": header})
        for uid, body, headers, key in await seen.reach(100):
            assert sent.pop(uid) == (json.loads(body), headers["x-own"], key)
            assert body.decode() == _json(json.loads(body))
            assert headers["content-type"] == "application/json"
        assert not sent

    @needs("durable")
    async def test_c02_what_was_published_before_any_consumer_waits_for_its_group(
        self, cluster: Cluster
    ) -> None:
        """The group existed, and was away."""
        seen = Record[int]()

        @EventPattern("waits")
        async def handle(number: int) -> None:
            seen.add(number)

        client = await cluster.client()
        service = await cluster.start(handle)
        await cluster.stop(service)
        for number in range(100):
            await client.emit("waits", number)
        await cluster.start(handle)
        assert sorted(await seen.reach(100)) == list(range(100))

    @pytest.mark.timeout(90)
    async def test_c03_fifty_publishers_and_ten_consumers_lose_and_repeat_nothing(
        self, cluster: Cluster
    ) -> None:
        """5,000 events in all; every one handled once."""
        seen = Record[int]()

        @EventPattern("many")
        async def handle(number: int) -> None:
            seen.add(number)

        for _ in range(10):
            await cluster.start(handle)
        clients = [await cluster.client() for _ in range(5)]

        async def publish(publisher: int) -> None:
            for number in range(100):
                await clients[publisher % 5].emit("many", publisher * 100 + number)

        await asyncio.gather(*(publish(publisher) for publisher in range(50)))
        await seen.reach(5000, within=60)
        await seen.stays(5000)
        assert set(seen) == set(range(5000))

    async def test_c04_twenty_patterns_do_not_mix(self, cluster: Cluster) -> None:
        """Each handler gets what was sent to its own pattern."""
        seen = Record[tuple[str, str]]()

        def handler(pattern: str) -> Any:
            @EventPattern(pattern, name=f"handler-{pattern}")
            async def handle(payload: str) -> None:
                seen.add((pattern, payload))

            return handle

        patterns = [f"part{n}.of.{n % 3}" for n in range(20)]
        await cluster.start(*(handler(pattern) for pattern in patterns))
        client = await cluster.client()
        for pattern in patterns:
            await client.emit(pattern, pattern)
        await seen.reach(20)
        assert Counter(seen) == Counter((pattern, pattern) for pattern in patterns)
        await seen.stays(20)

    @needs("wildcards")
    async def test_c04_wildcards_match_exactly_what_is_documented(self, cluster: Cluster) -> None:
        """`*` and `{name}` are one token, `>` is one or more."""
        seen = Record[tuple[str, str]]()

        @EventPattern("user.*")
        async def one(payload: str) -> None:
            seen.add(("one", payload))

        @EventPattern("user.>")
        async def more(payload: str) -> None:
            seen.add(("more", payload))

        @EventPattern("user.{id}.moved")
        async def named(id: str, payload: str) -> None:
            seen.add((f"named {id}", payload))

        await cluster.start(one, more, named)
        client = await cluster.client()
        for address in ("user.a", "user.a.moved", "user.a.b.c", "user", "users.a", "a.user.a"):
            await client.emit(address, address)
        expected = {
            ("one", "user.a"),
            ("more", "user.a"),
            ("more", "user.a.moved"),
            ("more", "user.a.b.c"),
            ("named a", "user.a.moved"),
        }
        await seen.reach(len(expected))
        await seen.stays(len(expected))
        assert set(seen) == expected

    @needs("groups")
    async def test_c05_every_group_gets_all_and_its_members_share(self, cluster: Cluster) -> None:
        """Two groups of three; each event is handled by one member of each."""
        seen = Record[tuple[str, int]]()

        def member(group: str) -> Any:
            @EventPattern("shared", group=group)
            async def handle(number: int) -> None:
                seen.add((group, number))

            return handle

        for group in ("red", "blue"):
            for _ in range(3):
                await cluster.start(member(group))
        client = await cluster.client()
        for number in range(60):
            await client.emit("shared", number)
        await seen.reach(120)
        await seen.stays(120)
        assert set(seen) == {(group, n) for group in ("red", "blue") for n in range(60)}

    @needs("broadcast")
    async def test_c06_a_broadcast_reaches_every_instance(self, cluster: Cluster) -> None:
        """Three replicas, three copies."""
        seen = Record[tuple[int, int]]()

        def replica(instance: int) -> Any:
            @EventPattern("news", broadcast=True)
            async def handle(number: int) -> None:
                seen.add((instance, number))

            return handle

        for instance in range(3):
            await cluster.start(replica(instance))
        client = await cluster.client()
        for number in range(10):
            await client.emit("news", number)
        await seen.reach(30)
        await seen.stays(30)
        assert set(seen) == {(instance, n) for instance in range(3) for n in range(10)}


def _json(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'
