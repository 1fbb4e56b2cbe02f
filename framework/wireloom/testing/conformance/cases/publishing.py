"""C14, C15, C22, C23: what a publisher is told."""

import asyncio
from typing import Any

import pytest

from wireloom import (
    EventPattern,
    InvalidPatternError,
    MessagePattern,
    PayloadTooLargeError,
    PublishError,
)
from wireloom.testing.conformance.base import Conformance, needs, needs_site
from wireloom.testing.conformance.cluster import Cluster
from wireloom.testing.conformance.record import Record, eventually

__all__ = ["PublishingCases"]

MIB = 1024 * 1024


class PublishingCases(Conformance):
    """Receipts, limits, and what is under way when a publisher closes."""

    @needs("publisher_ack")
    async def test_c14_emit_returns_when_the_broker_has_the_event(self, cluster: Cluster) -> None:
        """The receipt says so."""
        seen = Record[int]()

        @EventPattern("acked")
        async def handle(number: int) -> None:
            seen.add(number)

        await cluster.start(handle)
        receipt = await (await cluster.client()).emit("acked", 1, uid="u")
        assert receipt.acknowledged
        assert (receipt.id, receipt.transport) == ("u", self.transport.kind)
        assert receipt.routed in (True, None)
        await seen.reach(1)

    async def test_c14_nobody_listening_is_no_error_unless_asked(self, cluster: Cluster) -> None:
        """`routed` is False where it is known, and then `require_route=True` raises."""
        client = await cluster.client()
        receipt = await client.emit("nobody", 1)
        assert receipt.routed in (False, None)
        if receipt.routed is False:
            with pytest.raises(PublishError, match="nobody"):
                await client.emit("nobody", 1, require_route=True)

    @pytest.mark.timeout(90)
    async def test_c15_a_publisher_that_closes_drops_nothing_silently(
        self, cluster: Cluster
    ) -> None:
        """10,000 events under way: handled, or an error for each."""
        seen = Record[int]()
        failed = Record[str]()

        @EventPattern("flood", concurrency=64)
        async def handle(number: int) -> None:
            seen.add(number)

        await cluster.start(handle)
        publisher = await cluster.start(name="publisher")
        client = publisher.client("bus")
        client.on_emit_failure(lambda message, error: failed.add(message.id))
        for number in range(10_000):
            await client.emit("flood", number, sync=False)
        await cluster.stop(publisher)
        await seen.reach(10_000 - len(failed), within=60)
        assert len(set(seen)) + len(failed) >= 10_000

    @needs_site("freeze", "thaw")
    @pytest.mark.timeout(60)
    async def test_c15_a_publisher_that_closes_reports_what_a_frozen_broker_did_not_take(
        self, cluster: Cluster
    ) -> None:
        """A hundred events under way: an error for each that is not handled later."""
        seen = Record[int]()
        failed = Record[str]()

        @EventPattern("stuck")
        async def handle(number: int) -> None:
            seen.add(number)

        await cluster.start(handle)
        publisher = await cluster.start(name="publisher")
        client = publisher.client("bus")
        client.on_emit_failure(lambda message, error: failed.add(message.id))
        await cluster.site.freeze()
        try:
            for number in range(100):
                await client.emit("stuck", number, sync=False)
            await cluster.stop(publisher)
        finally:
            await cluster.site.thaw()
        await eventually(lambda: len(set(seen)) + len(failed) >= 100)

    @pytest.mark.parametrize("kind", ["event", "request"])
    async def test_c22_what_is_too_large_is_refused_here_and_the_largest_passes(
        self, cluster: Cluster, kind: str
    ) -> None:
        """1,000,000 bytes pass, 1 MiB + 1 does not, and the connection goes on."""
        seen = Record[int]()

        @EventPattern("large")
        async def handle(text: str) -> None:
            seen.add(len(text))

        await cluster.start(handle, _echo())
        client = await cluster.client()
        call: Any = client.emit if kind == "event" else client.send
        pattern = "large" if kind == "event" else "echo"
        with pytest.raises(PayloadTooLargeError) as caught:
            await call(pattern, "x" * (MIB - 1))
        assert caught.value.limit == MIB
        assert caught.value.size == MIB + 1
        answer = await call(pattern, "x" * 999_998)
        if kind == "event":
            await seen.reach(1)
            assert [*seen] == [999_998]
        else:
            assert len(answer) == 999_998

    @pytest.mark.parametrize(
        "headers",
        [
            {"x": "a\r\nb"},
            {"x": "a\x00b"},
            {"x\n": "a"},
            {"X": "a"},
            {"": "a"},
            {"wl-attempt": "3"},
            {f"h{n}": "v" for n in range(65)},
            {"x": "v" * 9000},
        ],
        ids=["crlf", "nul", "name", "upper", "empty", "ours", "many", "long"],
    )
    async def test_c23_headers_that_a_broker_would_garble_are_refused(
        self, cluster: Cluster, headers: dict[str, str]
    ) -> None:
        """Before anything is sent."""
        client = await cluster.client()
        with pytest.raises(ValueError, match="header"):
            await client.emit("headers", 1, headers=headers)
        with pytest.raises(ValueError, match="header"):
            await client.send("headers", 1, headers=headers)

    async def test_c23_addresses_that_a_broker_would_misread_are_refused(
        self, cluster: Cluster
    ) -> None:
        """Line ends, spaces, empty tokens, and wildcards to publish to."""
        client = await cluster.client()
        for address in ("a\r\nPUB b", "a b", "a..b", "", "a.\x00", "a.*", "a.>", "a" * 600):
            with pytest.raises(InvalidPatternError):
                await client.emit(address, 1)
            with pytest.raises(InvalidPatternError):
                await client.send(address, 1)

    async def test_c23_names_that_brokers_have_other_plans_for_round_trip(
        self, cluster: Cluster
    ) -> None:
        """Legal in a pattern, special somewhere: they are escaped, not misread."""
        seen = Record[str]()
        names = ("rpc.a", "inbox.x", "a#b", "a/b", "a:b", "ümlaut.ж", "a%41")

        def handler(address: str) -> Any:
            @EventPattern(address, name=f"name-{names.index(address)}")
            async def handle(payload: str) -> None:
                assert payload == address
                seen.add(payload)

            return handle

        await cluster.start(*(handler(name) for name in names))
        client = await cluster.client()
        for name in names:
            await client.emit(name, name)
        assert set(await seen.reach(len(names))) == set(names)


def _echo() -> Any:
    @MessagePattern("echo")
    async def echo(text: str) -> str:
        await asyncio.sleep(0)
        return text

    return echo
