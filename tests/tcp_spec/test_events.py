"""Section 8: events."""

import asyncio
import hashlib
import zlib

import pytest

from tests.tcp_spec.conftest import NodeUnderTest, Start
from tests.tcp_spec.wire import RESENT, Frame, Wire
from wireloom.errors import PublishError

INTEREST = {"wl-name": "mine", "wl-group": "raw", "wl-pattern": "mine", "wl-kind": "event"}


async def announce(peer: Wire, number: int = 1, **changes: str) -> None:
    """Have the node know that this peer takes events of `mine`."""
    headers = INTEREST | {f"wl-{name}": value for name, value in changes.items()}
    peer.send("INTEREST", number, headers=headers)
    await peer.still_lives()


async def emit(node: NodeUnderTest, **more: object) -> "asyncio.Task[object]":
    return asyncio.create_task(node.emit("mine", b"news", **more))


async def test_8_2_an_event_is_accepted_then_settled(node: NodeUnderTest, peer: Wire) -> None:
    peer.event(1, "note", "note", b"hi", headers={"tenant": "a", "wl-key": "k"})
    await peer.expect("ACCEPTED", 1)
    await peer.expect("SETTLED", 1)
    message = node.intakes["note"].seen[0].message
    assert (message.id, message.body, message.key) == ("e1", b"hi", "k")
    assert dict(message.headers) == {"tenant": "a"}


async def test_8_2_it_is_not_settled_before_its_handler_ends(
    node: NodeUnderTest, peer: Wire
) -> None:
    peer.event(1, "kept", "kept")
    await peer.expect("ACCEPTED", 1)
    await peer.still_lives()
    await node.intakes["kept"].seen[0].ack()
    await peer.expect("SETTLED", 1)


async def test_8_2_it_is_accepted_when_there_is_room(start: Start) -> None:
    node = await start(max_queued=1)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        for stream in (1, 3, 5):
            peer.event(stream, "busy", "busy")
        await peer.expect("ACCEPTED", 1)
        await peer.expect("ACCEPTED", 3)
        await peer.still_lives()
        (first,) = node.intakes["busy"].seen
        await first.ack()
        node.intakes["busy"].finish(first)
        await peer.expect("SETTLED", 1)
        for delivery in (await node.intakes["busy"].get(2))[1:]:
            node.intakes["busy"].finish(delivery)
        await peer.expect("ACCEPTED", 5)


async def test_8_1_an_event_waits_as_long_as_it_says(node: NodeUnderTest, peer: Wire) -> None:
    peer.event(1, "note", "note", b"late", headers={"wl-delay-ms": "300"})
    peer.event(3, "note", "note", b"now")
    assert (await peer.expect("ACCEPTED")).stream == 1
    assert [(await peer.expect(kind)).stream for kind in ("ACCEPTED", "SETTLED")] == [3, 3]
    began = asyncio.get_running_loop().time()
    await peer.expect("SETTLED", 1)
    assert asyncio.get_running_loop().time() - began > 0.1
    late = node.intakes["note"].seen[1]
    assert (late.message.body, late.attempt) == (b"late", 1)


async def test_8_1_attempt_deliveries_and_age_arrive(node: NodeUnderTest, peer: Wire) -> None:
    own = {"wl-attempt": "3", "wl-deliveries": "7", "wl-age-ms": "1500"}
    peer.event(1, "note", "note", headers=own)
    await peer.expect("ACCEPTED", 1)
    (delivery,) = node.intakes["note"].seen
    assert (delivery.attempt, delivery.deliveries, delivery.age) == (3, 7, 1.5)


async def test_8_3_a_dead_letter_is_kept_and_settled(node: NodeUnderTest, peer: Wire) -> None:
    peer.event(1, "kept", "kept", b"bad", headers={"a": "b"})
    await peer.expect("ACCEPTED", 1)
    await node.intakes["kept"].seen[0].dead_letter({"wl-dead-reason": "it is bad"})
    await peer.expect("SETTLED", 1)
    (letter,) = [one async for one in node.transport.dead_letters.read("kept")]
    assert (letter.body, dict(letter.headers), letter.message_id) == (b"bad", {"a": "b"}, "e1")


async def test_8_4_what_is_given_back_is_returned(node: NodeUnderTest, peer: Wire) -> None:
    peer.event(1, "kept", "kept")
    await peer.expect("ACCEPTED", 1)
    await node.intakes["kept"].seen[0].give_back()
    assert (await peer.expect("RETURNED", 1)).headers["wl-error"] == "UNAVAILABLE"


async def test_8_4_what_waits_is_returned_when_its_subscription_ends(
    node: NodeUnderTest, peer: Wire
) -> None:
    peer.event(1, "busy", "busy")
    peer.event(3, "busy", "busy")
    await peer.expect("ACCEPTED", 1)
    await peer.expect("ACCEPTED", 3)
    await node.subscribers["busy"].stop()
    assert (await peer.until("RETURNED")).stream == 3


async def test_8_4_a_delay_that_is_left_is_returned_with_it(
    node: NodeUnderTest, peer: Wire
) -> None:
    peer.event(1, "note", "note", headers={"wl-delay-ms": "60000"})
    await peer.expect("ACCEPTED", 1)
    await node.subscribers["note"].stop()
    left = int((await peer.until("RETURNED")).headers["wl-delay-ms"])
    assert 50_000 < left <= 60_000


async def test_8_4_a_returned_event_goes_to_another_member(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        first, second = await one.greet(), await two.greet()
        await announce(first)
        emitting = await emit(node)
        frame = await first.expect("EVENT")
        await announce(second)
        first.send("INTEREST", 1, flags=1)
        first.send("RETURNED", frame.stream, headers={"wl-error": "UNAVAILABLE"})
        again = await second.expect("EVENT")
        assert (again.id, again.body, again.flags) == (frame.id, b"news", RESENT)
        second.send("ACCEPTED", again.stream)
        await emitting


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "RESOURCE_EXHAUSTED"])
async def test_8_4_a_refusal_fails_the_publisher(
    node: NodeUnderTest, peer: Wire, code: str
) -> None:
    await announce(peer)
    emitting = await emit(node)
    frame = await peer.expect("EVENT")
    peer.send("RETURNED", frame.stream, headers={"wl-error": code})
    with pytest.raises(PublishError, match=code):
        await emitting


async def test_8_5_a_failed_run_is_told_and_run_again_here(node: NodeUnderTest, peer: Wire) -> None:
    peer.event(1, "kept", "kept")
    await peer.expect("ACCEPTED", 1)
    await node.intakes["kept"].seen[0].retry(0.05, 2)
    assert (await peer.expect("ATTEMPT", 1)).headers["wl-attempt"] == "2"
    again = (await node.intakes["kept"].get(2))[1]
    assert (again.attempt, again.message.id) == (2, "e1")
    await again.ack()
    await peer.expect("SETTLED", 1)


async def take_one(peer: Wire) -> Frame:
    """Accept the next event without settling it."""
    frame = await peer.expect("EVENT")
    peer.send("ACCEPTED", frame.stream)
    return frame


async def test_8_6_unsettled_events_are_sent_again_elsewhere(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        first, second = await one.greet(), await two.greet()
        await announce(first)
        emitting = await emit(node, key="k", headers={"a": "b"})
        frame = await take_one(first)
        assert frame.flags == 0
        await emitting
        first.send("ATTEMPT", frame.stream, headers={"wl-attempt": "3"})
        await first.still_lives()
        await announce(second)
        await first.close()
        again = await second.expect("EVENT")
        assert (again.id, again.body, again.flags) == (frame.id, b"news", RESENT)
        assert again.headers["a"] == "b"
        assert again.headers["wl-key"] == "k"
        assert again.headers["wl-attempt"] == "3"
        assert again.headers["wl-deliveries"] == "4"
        assert int(again.headers["wl-age-ms"]) >= 0


async def test_8_6_they_wait_for_a_member_to_come_back(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    emitting = [await emit(node) for _ in range(3)]
    frames = [await take_one(peer) for _ in range(3)]
    await asyncio.gather(*emitting)
    await peer.close()
    async with await Wire.open(node.address) as other:
        await other.greet()
        other.send("INTEREST", 9, headers=INTEREST)
        again = [await other.expect("EVENT") for _ in range(3)]
        assert [each.id for each in again] == [each.id for each in frames]
        assert {each.headers["wl-to"] for each in again} == {"9"}


async def test_8_6_settled_events_are_not_sent_again(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    emitting = await emit(node)
    frame = await take_one(peer)
    peer.send("SETTLED", frame.stream)
    await emitting
    await peer.still_lives()
    await peer.close()
    async with await Wire.open(node.address) as other:
        await announce(await other.greet())


async def test_8_6_an_event_still_here_is_taken_up_and_not_run_twice(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        first = await one.greet(instance="sender")
        first.event(1, "kept", "kept", id=b"same")
        await first.expect("ACCEPTED", 1)
        await first.close()
        second = await two.greet(instance="sender")
        second.event(5, "kept", "kept", id=b"same", flags=RESENT)
        await second.expect("ACCEPTED", 5)
        (delivery,) = node.intakes["kept"].seen
        await delivery.ack()
        await second.expect("SETTLED", 5)


async def test_8_6_an_event_settled_meanwhile_is_answered_so(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        first = await one.greet(instance="sender")
        first.event(1, "kept", "kept", id=b"same")
        await first.expect("ACCEPTED", 1)
        await first.close()
        second = await two.greet(instance="sender")
        (delivery,) = node.intakes["kept"].seen
        await delivery.ack()
        second.event(5, "kept", "kept", id=b"same", flags=RESENT)
        await second.expect("SETTLED", 5)
        assert len(node.intakes["kept"].seen) == 1


async def test_8_6_another_sender_s_event_of_that_id_is_its_own(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        for wire, flags in ((one, 0), (two, RESENT)):
            await wire.greet()
            wire.event(1, "kept", "kept", id=b"same", flags=flags)
            await wire.expect("ACCEPTED", 1)
        assert len(node.intakes["kept"].seen) == 2


async def test_8_7_an_unknown_subscription_returns(peer: Wire) -> None:
    peer.event(1, "nothing", "note")
    assert (await peer.expect("RETURNED", 1)).headers["wl-error"] == "UNAVAILABLE"


async def test_8_7_an_address_that_does_not_match_returns(peer: Wire) -> None:
    peer.event(1, "note", "other")
    await peer.expect("RETURNED", 1)


async def test_8_1_members_of_a_name_share_and_names_get_a_copy_each(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        first, second = await one.greet(), await two.greet()
        await announce(first)
        await announce(second)
        await announce(second, number=2, name="another")
        emitting = [await emit(node) for _ in range(2)]
        assert [(await take_one(first)).headers["wl-to"] for _ in range(1)] == ["1"]
        taken = sorted([(await take_one(second)).headers["wl-to"] for _ in range(3)])
        assert taken == ["1", "2", "2"]
        await asyncio.gather(*emitting)


async def test_8_1_sharing_each_gets_a_copy_for_every_instance(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        peers = [await one.greet(), await two.greet()]
        for peer in peers:
            await announce(peer, sharing="each")
        emitting = await emit(node)
        for peer in peers:
            await take_one(peer)
        await emitting


async def test_1_2_two_connections_of_an_instance_get_one_copy(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        peers = [await one.greet(instance="twice"), await two.greet(instance="twice")]
        for peer in peers:
            await announce(peer, sharing="each")
        emitting = await emit(node)
        await take_one(peers[0])
        await emitting
        await peers[1].still_lives()


def owner(shard: int, instances: list[str]) -> str:
    def weight(instance: str) -> bytes:
        text = f"{shard}:('raw', 'mine'):{instance}"
        return hashlib.blake2b(text.encode(), digest_size=8).digest()

    return max(instances, key=weight)


async def test_8_8_one_key_goes_to_the_owner_of_its_shard(node: NodeUnderTest) -> None:
    names = ["one", "two", "three"]
    wires = {name: await (await Wire.open(node.address)).greet(instance=name) for name in names}
    for wire in wires.values():
        await announce(wire, shards="4")
    for key in ("a", "b", "c", "d", "e"):
        emitting = await emit(node, key=key)
        expected = owner(zlib.crc32(key.encode()) % 4, names)
        frame = await take_one(wires[expected])
        assert frame.headers["wl-key"] == key
        wires[expected].send("SETTLED", frame.stream)
        await emitting
    for wire in wires.values():
        await wire.close()


async def test_8_8_a_shard_stays_where_events_of_it_are_unsettled(node: NodeUnderTest) -> None:
    best = owner(0, ["first", "second", "third"])
    worse = "first" if best != "first" else "second"
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        old = await one.greet(instance=worse)
        await announce(old, shards="1")
        emitting = await emit(node)
        first = await take_one(old)
        await emitting
        new = await two.greet(instance=best)
        await announce(new, shards="1")
        emitting = await emit(node)
        second = await take_one(old)
        await emitting
        for frame in (first, second):
            old.send("SETTLED", frame.stream)
        await old.still_lives()
        emitting = await emit(node)
        await take_one(new)
        await emitting


async def test_8_6_an_accepted_event_over_the_limit_is_refused_at_its_source(start: Start) -> None:
    node = await start(pending_bytes=2000)
    async with await Wire.open(node.address) as wire:
        await announce(await wire.greet())
        emitting = asyncio.create_task(node.emit("mine", b"x" * 1000))
        await take_one(wire)
        await emitting
        with pytest.raises(PublishError, match="pending_bytes"):
            await node.emit("mine", b"x" * 1000)


async def test_8_2_events_keep_their_order(node: NodeUnderTest, peer: Wire) -> None:
    for number in range(200):
        peer.event(2 * number + 1, "note", "note", b"%d" % number)
    for _ in range(200):
        await peer.until("SETTLED")
    bodies = [int(delivery.message.body) for delivery in node.intakes["note"].seen]
    assert bodies == list(range(200))


async def test_8_1_an_event_nobody_takes_is_not_routed(node: NodeUnderTest) -> None:
    receipt = await node.emit("unheard")
    assert (receipt.routed, receipt.acknowledged) == (False, False)


async def test_8_2_the_publisher_waits_for_accepted(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    emitting = await emit(node)
    frame = await peer.expect("EVENT")
    await peer.still_lives()
    assert not emitting.done()
    peer.send("ACCEPTED", frame.stream)
    receipt = await emitting
    assert receipt.routed  # type: ignore[attr-defined]
    assert receipt.acknowledged  # type: ignore[attr-defined]


async def test_8_3_settled_without_accepted_is_enough(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    emitting = await emit(node)
    peer.send("SETTLED", (await peer.expect("EVENT")).stream)
    await emitting
    assert len(node.hub.outbox) == 0


async def test_8_7_a_request_s_subscription_takes_no_events(peer: Wire) -> None:
    peer.event(1, "echo", "echo")
    await peer.expect("RETURNED", 1)


async def test_8_1_the_subscription_kinds_do_not_mix(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer, kind="request")
    assert (await node.emit("mine")).routed is False
    assert node.intakes["note"].seen == []
