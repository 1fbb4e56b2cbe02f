"""Sections 6 and 7: streams and requests."""

import asyncio
import json

import pytest

from tests.tcp_spec.conftest import NodeUnderTest, Start
from tests.tcp_spec.wire import REFUSED, Wire
from wireloom.spi import Kind

INTEREST = {"wl-name": "mine", "wl-group": "raw", "wl-pattern": "mine", "wl-kind": "request"}


async def announce(peer: Wire, **changes: str) -> None:
    """Have the node know that this peer takes requests to `mine`."""
    headers = INTEREST | {f"wl-{name}": value for name, value in changes.items()}
    peer.send("INTEREST", 1, headers=headers)
    await peer.still_lives()


@pytest.mark.parametrize("stream", [0, 2, 4_294_967_294])
async def test_6_1_a_dialler_opens_odd_streams_only(peer: Wire, stream: int) -> None:
    peer.request(stream, "echo", "echo")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_6_1_an_event_too_needs_an_odd_stream(peer: Wire) -> None:
    peer.event(2, "note", "note")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_6_1_a_listener_opens_even_streams(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    await node.send("mine")
    await node.send("mine")
    assert [(await peer.expect("REQUEST")).stream for _ in range(2)] == [2, 4]


async def test_6_1_the_largest_stream_number_works(peer: Wire) -> None:
    peer.request(4_294_967_295, "echo", "echo", b"x")
    await peer.expect("REPLY", 4_294_967_295)


async def test_6_2_a_stream_in_use_cannot_be_opened_again(peer: Wire) -> None:
    peer.request(1, "held", "held")
    peer.request(1, "held", "held")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_6_2_an_event_in_use_cannot_be_opened_again(peer: Wire) -> None:
    peer.event(1, "kept", "kept")
    await peer.expect("ACCEPTED")
    peer.event(1, "kept", "kept")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_6_2_a_stream_that_has_ended_may_be_used_again(peer: Wire) -> None:
    for body in (b"one", b"two"):
        peer.request(1, "echo", "echo", body)
        assert (await peer.expect("REPLY", 1)).body == body


async def test_6_3_a_node_keeps_to_the_window_of_its_peer(node: NodeUnderTest, wire: Wire) -> None:
    peer = await wire.greet(max_in_flight="2")
    await announce(peer)
    sending = [asyncio.create_task(node.send("mine")) for _ in range(3)]
    first, second = await peer.expect("REQUEST"), await peer.expect("REQUEST")
    await peer.still_lives()  # and no third one
    peer.send("REPLY", first.stream)
    third = await peer.expect("REQUEST")
    assert len({first.stream, second.stream, third.stream}) == 3
    await asyncio.gather(*sending)


async def test_6_3_beyond_its_window_a_node_stops_reading(start: Start) -> None:
    node = await start(max_in_flight=2)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        for stream in (1, 3, 5, 7):
            peer.request(stream, "held", "held")
        peer.send("PING", 9)
        await node.intakes["held"].get(3)
        async with await Wire.open(node.address) as other:
            await (await other.greet()).still_lives()
        assert len(node.intakes["held"].seen) == 3
        node.release.set()
        assert sorted([(await peer.until("REPLY")).stream for _ in range(3)]) == [1, 3, 5]


async def test_6_3_reading_stops_for_bodies_that_wait(start: Start) -> None:
    node = await start(max_buffered=1000, max_queued=0)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        peer.event(1, "busy", "busy")
        await peer.expect("ACCEPTED", 1)
        for stream in (3, 5):
            peer.event(stream, "busy", "busy", b"x" * 600)
        peer.request(9, "echo", "echo")
        async with await Wire.open(node.address) as other:
            await (await other.greet()).still_lives()
        assert not node.intakes["echo"].seen
        for delivery in await node.intakes["busy"].get(1):
            await delivery.ack()
            node.intakes["busy"].finish(delivery)
        await peer.expect("SETTLED", 1)
        await peer.expect("ACCEPTED", 3)
        await peer.until("REPLY")


@pytest.mark.parametrize("kind", ["REPLY", "ITEM", "END", "ERROR", "CANCEL", "SETTLED", "RETURNED"])
async def test_6_4_frames_about_streams_not_in_use_are_ignored(peer: Wire, kind: str) -> None:
    peer.send(kind, 4711)
    peer.send(kind, 4711)
    await peer.still_lives()


async def test_7_1_a_request_carries_id_headers_and_body(node: NodeUnderTest, peer: Wire) -> None:
    headers = {"tenant": "a", "wl-deadline-ms": "1500"}
    peer.request(1, "echo", "echo", b"hi", id="Grüße".encode(), headers=headers)
    await peer.expect("REPLY", 1)
    message = node.intakes["echo"].seen[0].message
    assert (message.id, message.address, message.body) == ("Grüße", "echo", b"hi")
    assert dict(message.headers) == headers


async def test_7_1_an_id_that_is_not_utf8_ends_the_connection(peer: Wire) -> None:
    peer.request(1, "echo", "echo", id=b"\xff")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_7_2_a_reply_ends_the_stream(peer: Wire) -> None:
    peer.request(1, "echo", "echo", b"hi")
    frame = await peer.expect("REPLY", 1)
    assert (frame.body, frame.headers, frame.flags) == (b"hi", {"a": "b"}, 0)


async def test_7_2_answers_come_on_their_own_streams(peer: Wire) -> None:
    for stream in range(1, 200, 2):
        peer.request(stream, "echo", "echo", b"%d" % stream)
    for _ in range(1, 200, 2):
        frame = await peer.expect("REPLY")
        assert frame.body == b"%d" % frame.stream


async def test_7_3_an_error_carries_code_and_body(peer: Wire) -> None:
    peer.request(1, "fail", "fail")
    frame = await peer.expect("ERROR", 1)
    assert frame.headers["wl-error"] == "NOT_FOUND"
    assert json.loads(frame.body) == {"code": "NOT_FOUND", "message": "no"}
    assert not frame.flags & REFUSED


async def test_7_4_a_stream_is_items_and_an_end(peer: Wire) -> None:
    peer.request(1, "items", "items", b"3")
    assert [(await peer.expect("ITEM", 1)).body for _ in range(3)] == [b"0", b"1", b"2"]
    await peer.expect("END", 1)


async def test_7_5_no_more_than_32_items_come_unasked(peer: Wire) -> None:
    peer.request(1, "items", "items", b"40")
    for _ in range(32):
        await peer.expect("ITEM", 1)
    await peer.still_lives()
    peer.send("CREDIT", 1, body=b"8")
    for _ in range(8):
        await peer.expect("ITEM", 1)
    await peer.expect("END", 1)


async def test_7_5_credit_of_zero_is_a_sign_of_life(peer: Wire) -> None:
    peer.request(1, "held", "held")
    peer.send("CREDIT", 1, body=b"0")
    await peer.still_lives()


@pytest.mark.parametrize("body", [b"", b"-1", b"many", b"1000001", b"9" * 30, b"1.5", b"\xff"])
async def test_7_5_credit_that_is_no_number_ends_the_connection(peer: Wire, body: bytes) -> None:
    peer.request(1, "held", "held")
    peer.send("CREDIT", 1, body=body)
    await peer.expect_error("PROTOCOL_ERROR")


async def test_7_6_cancel_stops_the_handler_and_the_stream_still_ends(peer: Wire) -> None:
    peer.request(1, "items", "items", b"1000")
    await peer.expect("ITEM", 1)
    peer.send("CANCEL", 1)
    frame = await peer.until("ERROR")
    assert (frame.stream, frame.headers["wl-error"]) == (1, "CANCELLED")


async def test_7_6_a_cancelled_request_counts_until_its_end(start: Start) -> None:
    node = await start(max_in_flight=1)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        peer.request(1, "held", "held")
        peer.send("CANCEL", 1)
        peer.request(3, "held", "held")
        peer.request(5, "held", "held")
        await node.intakes["held"].get(2)
        async with await Wire.open(node.address) as other:
            await (await other.greet()).still_lives()
        assert len(node.intakes["held"].seen) == 2
        node.release.set()
        await peer.expect("REPLY", 1)


async def test_7_6_a_node_cancels_and_still_counts(node: NodeUnderTest, wire: Wire) -> None:
    peer = await wire.greet(max_in_flight="1")
    await announce(peer)
    await node.send("mine")
    first = await peer.expect("REQUEST")
    await node.control_message(Kind.CANCEL, node.last_id())
    await peer.expect("CANCEL", first.stream)
    sending = asyncio.create_task(node.send("mine"))
    await peer.still_lives()
    peer.send("ERROR", first.stream, headers={"wl-error": "CANCELLED"})
    await peer.expect("REQUEST")
    await sending


async def test_7_5_a_node_sends_credit_on_the_stream(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    answers = await node.send("mine")
    stream = (await peer.expect("REQUEST")).stream
    peer.send("ITEM", stream, body=b"1")
    item = await answers.get()
    assert (item.kind, item.body, bool(item.reply_to)) == (Kind.ITEM, b"1", True)
    await node.control_message(Kind.CREDIT, node.last_id(), b"16")
    assert (await peer.expect("CREDIT", stream)).body == b"16"
    peer.send("END", stream)
    assert (await answers.get()).kind is Kind.END


async def test_7_7_a_refused_request_goes_to_another_member(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        first, second = await one.greet(), await two.greet()
        await announce(first)
        await node.send("mine", b"work")
        frame = await first.expect("REQUEST")
        await announce(second)
        first.send("ERROR", frame.stream, headers={"wl-error": "UNAVAILABLE"}, flags=REFUSED)
        again = await second.expect("REQUEST")
        assert (again.body, again.id) == (b"work", frame.id)


async def test_7_7_refused_by_all_is_an_error(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    answers = await node.send("mine")
    frame = await peer.expect("REQUEST")
    peer.send("ERROR", frame.stream, headers={"wl-error": "UNAVAILABLE"}, flags=REFUSED)
    answer = await answers.get()
    assert (answer.kind, answer.headers["wl-error"]) == (Kind.ERROR, "UNAVAILABLE")


async def test_7_8_an_unknown_subscription_is_refused(peer: Wire) -> None:
    peer.request(1, "nothing", "echo")
    frame = await peer.expect("ERROR", 1)
    assert (frame.headers["wl-error"], frame.flags) == ("UNIMPLEMENTED", REFUSED)
    await peer.still_lives()


async def test_7_8_an_address_that_does_not_match_is_refused(peer: Wire) -> None:
    peer.request(1, "echo", "other")
    frame = await peer.expect("ERROR", 1)
    assert (frame.headers["wl-error"], frame.flags) == ("UNIMPLEMENTED", REFUSED)


async def test_7_8_an_event_s_subscription_takes_no_requests(peer: Wire) -> None:
    peer.request(1, "note", "note")
    assert (await peer.expect("ERROR", 1)).flags == REFUSED


async def test_7_8_a_request_without_address_is_refused(peer: Wire) -> None:
    peer.send("REQUEST", 1, id=b"x")
    assert (await peer.expect("ERROR", 1)).flags == REFUSED


async def test_7_8_a_wildcard_takes_what_it_matches(peer: Wire) -> None:
    peer.request(1, "wild.*", "wild.one")
    await peer.expect("REPLY", 1)
    peer.request(3, "wild.*", "wild.one.two")
    assert (await peer.expect("ERROR", 3)).flags == REFUSED


async def test_7_8_a_subscription_that_has_just_ended_refuses(
    node: NodeUnderTest, peer: Wire
) -> None:
    await node.subscribers["echo"].stop()
    peer.request(1, "echo", "echo")
    assert (await peer.until("ERROR")).flags == REFUSED


async def test_7_9_a_request_that_nobody_answers_is_ended(peer: Wire, node: NodeUnderTest) -> None:
    peer.request(1, "never", "never")
    await node.intakes["never"].get(1)
    node.intakes["never"].seen.clear()
    frame = await peer.expect("ERROR", 1)
    assert frame.headers["wl-error"] == "CANCELLED"


async def test_7_9_a_second_end_is_ignored(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer)
    answers = await node.send("mine")
    stream = (await peer.expect("REQUEST")).stream
    peer.send("END", stream)
    peer.send("END", stream)
    peer.send("REPLY", stream)
    await peer.still_lives()
    assert (await answers.get()).kind is Kind.END
    assert answers.empty()


async def test_10_4_requests_of_a_lost_connection_fail_at_once(
    node: NodeUnderTest, peer: Wire
) -> None:
    await announce(peer)
    answers = await node.send("mine")
    await peer.expect("REQUEST")
    await peer.close()
    async with asyncio.timeout(2):
        answer = await answers.get()
    assert answer.kind is Kind.ERROR
    assert answer.headers == {"wl-error": "UNAVAILABLE", "wl-lost": "1"}


async def test_14_the_very_address_comes_before_wildcards(node: NodeUnderTest, peer: Wire) -> None:
    await announce(peer, pattern="wild.one")
    for _ in range(3):
        await node.send("wild.one")
        await peer.expect("REQUEST")


async def test_14_the_least_busy_member_is_next(node: NodeUnderTest) -> None:
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        peers = [await one.greet(), await two.greet()]
        for peer in peers:
            await announce(peer)
        for _ in range(10):
            await node.send("mine")
        for peer in peers:
            for _ in range(5):
                await peer.expect("REQUEST")
