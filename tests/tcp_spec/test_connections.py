"""Sections 9 to 13: signs of life, leaving, limits, TLS."""

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from tests.tcp_spec.certificates import Authority
from tests.tcp_spec.conftest import NodeUnderTest, Start
from tests.tcp_spec.wire import IGNORABLE, REFUSED, Wire, raw

INTEREST = {"wl-name": "mine", "wl-group": "raw", "wl-pattern": "mine", "wl-kind": "request"}


async def test_9_1_ping_is_answered_with_its_stream_and_id(peer: Wire) -> None:
    peer.send("PING", 12, id=b"abc")
    frame = await peer.expect("PONG", 12)
    assert frame.id == b"abc"


async def test_9_2_a_silent_peer_is_asked_and_then_closed(start: Start) -> None:
    node = await start(ping_interval=0.1)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        assert [(await peer.receive()).type for _ in range(2)] == ["PING", "PING"]
        await peer.expect_closed()
        assert node.hub.counters.dead_peers == 1


async def test_9_2_whatever_comes_is_a_sign_of_life(start: Start) -> None:
    node = await start(ping_interval=0.1)
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        for _ in range(4):
            await peer.expect("PING")
            peer.send_bytes(raw(255, flags=IGNORABLE))


async def test_9_3_a_flood_of_pings_is_sent_away(peer: Wire) -> None:
    for _ in range(102):
        peer.send("PING")
    assert (await peer.until("GOAWAY")).headers["wl-error"] == "ENHANCE_YOUR_CALM"
    await peer.expect_closed()


@pytest.mark.parametrize("kind", ["CANCEL", "PONG", "REPLY", "SETTLED", "RETURNED"])
async def test_9_3_a_flood_without_work_behind_it_is_sent_away(peer: Wire, kind: str) -> None:
    for _ in range(102):
        peer.send(kind, 99)
    assert (await peer.until("GOAWAY")).headers["wl-error"] == "ENHANCE_YOUR_CALM"
    await peer.expect_closed()


async def test_9_3_a_flood_of_skipped_frames_is_sent_away(peer: Wire) -> None:
    for _ in range(102):
        peer.send_bytes(raw(255, flags=IGNORABLE))
    assert (await peer.until("GOAWAY")).headers["wl-error"] == "ENHANCE_YOUR_CALM"


async def test_9_3_subscribing_often_is_no_flood(peer: Wire) -> None:
    for number in range(1, 301):
        peer.send("INTEREST", number, headers=INTEREST)
        peer.send("PING", number)
    for number in range(1, 301):
        await peer.expect("PONG", number)


async def test_9_3_requests_with_cancels_are_work_and_no_flood(peer: Wire) -> None:
    for stream in range(1, 400, 2):
        peer.request(stream, "held", "held")
        peer.send("CANCEL", stream)
    await peer.still_lives()


async def test_9_4_a_peer_that_does_not_read_is_closed(start: Start) -> None:
    node = await start(write_timeout=0.3, write_buffer=65536)
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.setblocking(False)
        host, _, port = node.address.rpartition(":")
        await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
        reader, writer = await asyncio.open_connection(sock=small, limit=1024)
        peer = await Wire(reader, writer).greet()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for stream in range(1, 41, 2):
            peer.request(stream, "echo", "echo", b"x" * 1_000_000)
        async with asyncio.timeout(5):
            while not node.hub.counters.slow_consumers:
                async with await Wire.open(node.address) as other:
                    await (await other.greet()).still_lives()
        writer.transport.abort()


async def test_10_1_goaway_comes_with_the_last_subscription(
    node: NodeUnderTest, peer: Wire
) -> None:
    for subscriber in node.subscribers.values():
        await subscriber.stop()
    assert (await peer.until("GOAWAY")).headers["wl-error"] == "DRAINING"


async def test_10_1_what_is_under_way_is_finished_after_goaway(
    node: NodeUnderTest, peer: Wire
) -> None:
    peer.request(1, "held", "held", b"x")
    await node.intakes["held"].get(1)
    for subscriber in node.subscribers.values():
        await subscriber.stop()
    await peer.until("GOAWAY")
    peer.request(3, "echo", "echo")
    assert (await peer.expect("ERROR", 3)).flags == REFUSED
    node.release.set()
    assert (await peer.expect("REPLY", 1)).body == b"x"


async def test_10_1_newcomers_are_told_at_once(node: NodeUnderTest) -> None:
    for subscriber in node.subscribers.values():
        await subscriber.stop()
    async with await Wire.open(node.address) as wire:
        await wire.greet()
        assert not wire.interests
        assert (await wire.expect("GOAWAY")).headers["wl-error"] == "DRAINING"


async def test_10_1_a_peer_that_goes_away_gets_nothing_new(node: NodeUnderTest, peer: Wire) -> None:
    peer.send("INTEREST", 1, headers=INTEREST | {"wl-kind": "event"})
    peer.send("GOAWAY", headers={"wl-error": "DRAINING"})
    await peer.still_lives()
    assert (await node.emit("mine")).routed is False


async def test_10_1_a_peer_that_goes_away_may_still_ask(node: NodeUnderTest, peer: Wire) -> None:
    peer.send("GOAWAY", headers={"wl-error": "DRAINING"})
    peer.request(1, "echo", "echo", b"x")
    assert (await peer.expect("REPLY", 1)).body == b"x"


async def test_10_2_subscribing_again_takes_goaway_back(node: NodeUnderTest, peer: Wire) -> None:
    peer.send("GOAWAY", headers={"wl-error": "DRAINING"})
    peer.send("INTEREST", 1, headers=INTEREST)
    await peer.still_lives()
    await node.send("mine")
    await peer.expect("REQUEST")


async def test_10_3_goaway_for_another_reason_is_the_end(peer: Wire) -> None:
    peer.send("GOAWAY", headers={"wl-error": "ENHANCE_YOUR_CALM"})
    await peer.expect_closed()


async def test_10_1_closing_says_goaway_first(start: Start) -> None:
    node = await start()
    async with await Wire.open(node.address) as wire:
        peer = await wire.greet()
        await node.transport.close()
        assert (await peer.until("GOAWAY")).headers["wl-error"] == "DRAINING"
        await peer.until_closed()


async def test_11_an_error_on_stream_0_is_the_end(peer: Wire) -> None:
    peer.send("ERROR", 0, headers={"wl-error": "WHATEVER"})
    await peer.expect_closed()


async def test_11_an_error_says_why_and_nothing_of_the_inside(peer: Wire) -> None:
    peer.send_bytes(raw(0))
    frame = await peer.expect("ERROR", 0)
    assert frame.headers.keys() == {"wl-error", "wl-message"}
    assert "Traceback" not in frame.headers["wl-message"]
    assert ".py" not in frame.headers["wl-message"]
    assert frame.body == b""


async def test_12_1_connections_above_the_limit_are_told(start: Start) -> None:
    node = await start(max_connections=2)
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        await one.greet()
        await two.greet()
        async with await Wire.open(node.address) as three:
            await three.expect_error("TOO_MANY_CONNECTIONS")
        await one.close()
        await two.still_lives()
        await connect_again(node, 1)


async def connect_again(node: NodeUnderTest, count: int) -> None:
    """Connect until there is room again, for as long as tests wait."""
    async with asyncio.timeout(5):
        for _ in range(count):
            while True:
                async with await Wire.open(node.address) as wire:
                    wire.hello()
                    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                        if (await wire.receive()).type == "HELLO_OK":
                            break


async def test_12_2_connections_of_one_address_are_limited(start: Start) -> None:
    node = await start(max_connections_per_ip=1)
    async with await Wire.open(node.address) as one, await Wire.open(node.address) as two:
        await two.expect_error("TOO_MANY_CONNECTIONS")
        await (await one.greet()).still_lives()


async def test_12_3_connections_that_have_not_greeted_are_limited(start: Start) -> None:
    node = await start(max_handshakes_per_ip=2)
    async with (
        await Wire.open(node.address) as one,
        await Wire.open(node.address) as two,
        await Wire.open(node.address) as three,
    ):
        await three.expect_error("TOO_MANY_CONNECTIONS")
        for wire in (one, two):
            await wire.greet()
        async with await Wire.open(node.address) as four:
            await (await four.greet()).still_lives()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def client_context(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority.path)


async def start_tls(start: Start, authority: Authority, **more: object) -> NodeUnderTest:
    files = authority.issue("node.test")
    node: NodeUnderTest = await start(
        tls=True, tls_certificate=files.certificate, tls_key=files.key, **more
    )
    return node


async def test_13_1_frames_travel_in_tls(start: Start, authority: Authority) -> None:
    node = await start_tls(start, authority)
    async with await Wire.open(node.address, ssl=client_context(authority)) as wire:
        peer = await wire.greet()
        peer.request(1, "echo", "echo", b"x" * 200_000)
        assert len((await peer.expect("REPLY", 1)).body) == 200_000


async def test_13_1_tls_before_1_2_is_refused(start: Start, authority: Authority) -> None:
    node = await start_tls(start, authority)
    context = client_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await Wire.open(node.address, ssl=context)


async def test_13_1_plain_bytes_at_a_tls_port_are_closed(
    start: Start, authority: Authority
) -> None:
    node = await start_tls(start, authority)
    async with await Wire.open(node.address) as wire:
        wire.hello()
        await wire.until_closed()
    async with await Wire.open(node.address, ssl=client_context(authority)) as wire:
        await (await wire.greet()).still_lives()


async def test_12_3_whoever_never_finishes_tls_counts(start: Start, authority: Authority) -> None:
    node = await start_tls(start, authority, max_handshakes_per_ip=1, handshake_timeout=0.5)
    async with await Wire.open(node.address) as idle, await Wire.open(node.address) as other:
        await other.expect_closed()
        await idle.until_closed()


async def test_13_2_a_client_certificate_is_asked_for(start: Start, authority: Authority) -> None:
    more = {"tls_ca": authority.path, "tls_client_certificates": True}
    node = await start_tls(start, authority, **more)
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        async with await Wire.open(node.address, ssl=client_context(authority)) as wire:
            await wire.greet()


async def test_13_2_the_principal_is_the_first_alternative_name(
    start: Start, authority: Authority
) -> None:
    more = {"tls_ca": authority.path, "tls_client_certificates": True}
    node = await start_tls(start, authority, **more)
    context = client_context(authority)
    files = authority.issue("billing.test")
    context.load_cert_chain(files.certificate, files.key)
    async with await Wire.open(node.address, ssl=context) as wire:
        peer = await wire.greet()
        peer.request(1, "echo", "echo")
        await peer.expect("REPLY")
    (delivery,) = node.intakes["echo"].seen
    assert delivery.principal == "billing.test"  # type: ignore[attr-defined]


async def test_13_3_a_principal_sends_only_what_it_may(start: Start, authority: Authority) -> None:
    node = await start_tls(
        start,
        authority,
        tls_ca=authority.path,
        tls_client_certificates=True,
        allow={"billing.test": ["echo", "note"]},
    )
    context = client_context(authority)
    files = authority.issue("billing.test")
    context.load_cert_chain(files.certificate, files.key)
    async with await Wire.open(node.address, ssl=context) as wire:
        peer = await wire.greet()
        peer.request(1, "echo", "echo")
        await peer.expect("REPLY", 1)
        peer.request(3, "fail", "fail")
        frame = await peer.expect("ERROR", 3)
        assert (frame.headers["wl-error"], frame.flags) == ("PERMISSION_DENIED", 0)
        peer.event(5, "kept", "kept")
        frame = await peer.expect("RETURNED", 5)
        assert frame.headers["wl-error"] == "PERMISSION_DENIED"
        assert not node.intakes["kept"].seen
