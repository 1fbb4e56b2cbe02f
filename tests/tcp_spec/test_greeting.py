"""Sections 4 and 5: who is there, and what it takes."""

import hashlib
import hmac

import pytest

from tests.tcp_spec.conftest import NodeUnderTest, Start
from tests.tcp_spec.wire import NUMBERS, REMOVE, Wire, raw
from wireloom.spi import Kind

TOKEN = "a token of thirty-two characters"
NONCE = "0123456789abcdef0123"


def proof(role: str, listener_nonce: str, token: str = TOKEN) -> str:
    text = f"wireloom/1 {role}\n{NONCE}\n{listener_nonce}"
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()


async def test_4_2_hello_is_answered_by_hello_ok(wire: Wire) -> None:
    wire.hello()
    headers = (await wire.expect("HELLO_OK", 0)).headers
    assert headers["wl-versions"] == "1"
    assert headers["wl-instance"] == "node"
    assert headers["wl-group"] == "node"
    assert headers["wl-namespace"] == ""
    assert int(headers["wl-max-in-flight"]) == 1024
    assert int(headers["wl-max-payload"]) == 1_048_576


async def test_4_2_unknown_features_are_not_taken_up(wire: Wire) -> None:
    wire.hello(features="telepathy,zip")
    assert (await wire.expect("HELLO_OK")).headers["wl-features"] == ""


async def test_4_3_a_listener_with_a_token_asks_for_proof_and_gives_it(start: Start) -> None:
    node = await start(token=TOKEN)
    async with await Wire.open(node.address) as wire:
        wire.hello(nonce=NONCE)
        nonce = (await wire.expect("AUTH")).headers["wl-nonce"]
        assert len(nonce) >= 16
        wire.send("AUTH", headers={"wl-proof": proof("dialler", nonce)})
        headers = (await wire.expect("HELLO_OK")).headers
        assert headers["wl-proof"] == proof("listener", nonce)
        await wire.until("READY")


@pytest.mark.parametrize("role", ["listener", "dialler "])
async def test_4_3_a_proof_for_another_role_is_refused(start: Start, role: str) -> None:
    node = await start(token=TOKEN)
    async with await Wire.open(node.address) as wire:
        wire.hello(nonce=NONCE)
        nonce = (await wire.expect("AUTH")).headers["wl-nonce"]
        wire.send("AUTH", headers={"wl-proof": proof(role, nonce)})
        await wire.expect_error("UNAUTHENTICATED")


async def test_4_3_a_proof_with_another_token_is_refused(start: Start) -> None:
    node = await start(token=TOKEN)
    async with await Wire.open(node.address) as wire:
        wire.hello(nonce=NONCE)
        nonce = (await wire.expect("AUTH")).headers["wl-nonce"]
        wire.send("AUTH", headers={"wl-proof": proof("dialler", nonce, "another")})
        await wire.expect_error("UNAUTHENTICATED")


async def test_4_3_no_proof_is_refused(start: Start) -> None:
    node = await start(token=TOKEN)
    async with await Wire.open(node.address) as wire:
        wire.hello(nonce=NONCE)
        await wire.expect("AUTH")
        wire.send("AUTH")
        await wire.expect_error("UNAUTHENTICATED")


async def test_4_3_nonces_are_never_used_twice(start: Start) -> None:
    node = await start(token=TOKEN)
    nonces = set()
    for _ in range(3):
        async with await Wire.open(node.address) as wire:
            wire.hello(nonce=NONCE)
            nonces.add((await wire.expect("AUTH")).headers["wl-nonce"])
    assert len(nonces) == 3


async def test_4_1_a_nonce_is_needed_where_a_token_is(start: Start) -> None:
    node = await start(token=TOKEN)
    async with await Wire.open(node.address) as wire:
        wire.hello(nonce="short")
        await wire.expect_error("PROTOCOL_ERROR")


async def test_4_4_the_version_is_chosen_from_a_list(wire: Wire) -> None:
    wire.hello(versions="3,2,1")
    await wire.expect("HELLO_OK")


@pytest.mark.parametrize("versions", ["2", "", None, "11"])
async def test_4_4_no_common_version_is_refused(wire: Wire, versions: str | None) -> None:
    wire.hello(versions=versions)
    await wire.expect_error("UNSUPPORTED_VERSION")


async def test_4_5_another_namespace_is_refused(wire: Wire) -> None:
    wire.hello(namespace="other")
    await wire.expect_error("WRONG_NAMESPACE")


async def test_4_6_the_same_instance_is_told_so(wire: Wire) -> None:
    wire.hello(instance="node")
    await wire.expect_error("SELF")


async def test_4_7_a_silent_connection_is_ended(start: Start) -> None:
    node = await start(handshake_timeout=0.2)
    async with await Wire.open(node.address) as wire:
        await wire.expect_error("TIMEOUT")


async def test_4_7_a_greeting_that_dribbles_in_is_ended(start: Start) -> None:
    node = await start(handshake_timeout=0.2, token=TOKEN)
    async with await Wire.open(node.address) as wire:
        wire.hello(nonce=NONCE)
        await wire.expect("AUTH")
        await wire.expect_error("TIMEOUT")


async def test_4_8_a_greeting_over_4096_bytes_is_refused(wire: Wire) -> None:
    wire.send_bytes(raw(NUMBERS["HELLO"], header_block=b"x" * 4094))
    await wire.expect_error("FRAME_TOO_LARGE")


async def test_4_8_a_greeting_with_a_body_is_refused(wire: Wire) -> None:
    wire.send_bytes(raw(NUMBERS["HELLO"], body=b"x"))
    await wire.expect_error("FRAME_TOO_LARGE")


@pytest.mark.parametrize("kind", ["REQUEST", "EVENT", "INTEREST", "READY", "PING", "REPLY", "AUTH"])
async def test_4_9_nothing_else_may_come_before_hello(wire: Wire, kind: str) -> None:
    wire.send(kind, 1)
    await wire.expect_error("PROTOCOL_ERROR")


async def test_4_9_hello_after_the_greeting_is_out_of_place(peer: Wire) -> None:
    peer.hello()
    await peer.expect_error("PROTOCOL_ERROR")


async def test_4_9_an_error_instead_of_a_greeting_ends_the_connection(wire: Wire) -> None:
    wire.send("ERROR", headers={"wl-error": "WHATEVER"})
    await wire.expect_closed()


@pytest.mark.parametrize("missing", ["instance", "max_in_flight", "max_payload"])
async def test_4_10_a_greeting_without_identity_or_limits_is_refused(
    wire: Wire, missing: str
) -> None:
    wire.hello(**{missing: None})
    await wire.expect_error("PROTOCOL_ERROR")


@pytest.mark.parametrize("limit", ["0", "-5", "many", "99999999999"])
async def test_4_10_a_limit_that_makes_no_sense_is_refused(wire: Wire, limit: str) -> None:
    wire.hello(max_in_flight=limit)
    await wire.expect_error("PROTOCOL_ERROR")


async def test_5_1_interests_come_before_ready(wire: Wire) -> None:
    await wire.greet()
    assert {"echo", "items", "note", "wild.*"} <= wire.interests.keys()
    assert all(number > 0 for number in wire.interests.values())


async def test_5_1_an_interest_names_everything(wire: Wire, node: NodeUnderTest) -> None:
    wire.hello()
    await wire.expect("HELLO_OK")
    frame = await wire.expect("INTEREST")
    assert frame.headers == {
        "wl-name": "echo",
        "wl-group": "node",
        "wl-pattern": "echo",
        "wl-kind": "request",
        "wl-sharing": "compete",
        "wl-shards": "0",
    }


async def test_5_1_numbers_are_the_same_on_every_connection(
    node: NodeUnderTest, peer: Wire
) -> None:
    async with await Wire.open(node.address) as other:
        assert (await other.greet()).interests == peer.interests


INTEREST = {"wl-name": "mine", "wl-group": "raw", "wl-pattern": "mine", "wl-kind": "request"}


async def test_5_2_a_peer_takes_part_from_ready_on(node: NodeUnderTest, wire: Wire) -> None:
    wire.hello()
    await wire.until("READY")
    wire.send("INTEREST", 3, headers=INTEREST)
    wire.send("READY")
    await wire.still_lives()
    await node.send("mine", b"for you")
    frame = await wire.expect("REQUEST")
    assert frame.headers["wl-to"] == "3"
    assert frame.headers["wl-address"] == "mine"
    assert frame.body == b"for you"


async def test_5_2_ready_comes_once(peer: Wire) -> None:
    peer.send("READY")
    await peer.expect_error("PROTOCOL_ERROR")


async def test_5_3_a_subscription_may_come_later(node: NodeUnderTest, peer: Wire) -> None:
    peer.send("INTEREST", 8, headers=INTEREST)
    await peer.still_lives()
    await node.send("mine")
    assert (await peer.expect("REQUEST")).headers["wl-to"] == "8"


async def test_5_3_a_removed_subscription_gets_nothing(node: NodeUnderTest, peer: Wire) -> None:
    event = INTEREST | {"wl-kind": "event"}
    peer.send("INTEREST", 8, headers=event)
    peer.send("INTEREST", 8, flags=REMOVE)
    await peer.still_lives()
    assert (await node.emit("mine")).routed is False


async def test_5_3_the_same_number_again_replaces(node: NodeUnderTest, peer: Wire) -> None:
    peer.send("INTEREST", 8, headers=INTEREST)
    peer.send("INTEREST", 8, headers=INTEREST | {"wl-pattern": "other"})
    await peer.still_lives()
    await node.send("other")
    assert (await peer.expect("REQUEST")).headers["wl-address"] == "other"


async def test_5_3_the_node_announces_its_own_changes(node: NodeUnderTest, peer: Wire) -> None:
    _, subscriber = await node.serve("later", kind=Kind.EVENT, name="later")
    frame = await peer.expect("INTEREST")
    assert frame.headers["wl-name"] == "later"
    await subscriber.stop()
    await peer.until("INTEREST")


BAD_INTERESTS = {
    "no name": INTEREST | {"wl-name": ""},
    "no kind": {name: value for name, value in INTEREST.items() if name != "wl-kind"},
    "another kind": INTEREST | {"wl-kind": "reply"},
    "no pattern": INTEREST | {"wl-pattern": ""},
    "a pattern with an empty token": INTEREST | {"wl-pattern": "a..b"},
    "a wildcard in the middle": INTEREST | {"wl-pattern": "a.>.b"},
    "unknown sharing": INTEREST | {"wl-sharing": "steal"},
    "too many shards": INTEREST | {"wl-shards": "99999999"},
}


@pytest.mark.parametrize("case", BAD_INTERESTS)
async def test_5_4_an_interest_that_makes_no_sense_is_refused(peer: Wire, case: str) -> None:
    peer.send("INTEREST", 1, headers=BAD_INTERESTS[case])
    await peer.expect_error("PROTOCOL_ERROR")


async def test_5_4_number_zero_is_refused(peer: Wire) -> None:
    peer.send("INTEREST", 0, headers=INTEREST)
    await peer.expect_error("PROTOCOL_ERROR")


async def test_5_4_more_than_ten_thousand_subscriptions_are_refused(wire: Wire) -> None:
    wire.hello()
    await wire.until("READY")
    for number in range(1, 10_002):
        wire.send("INTEREST", number, headers=INTEREST)
    await wire.expect_error("PROTOCOL_ERROR")
