"""Nodes with each other: starting, calling, leaving, coming back."""

import asyncio
import socket

import pytest

from tests.unit.tcp.nodes import BOUND, TestNode, echo, listening
from wireloom.errors import (
    ClosedError,
    ConnectionFailedError,
    NoHandlerError,
    PayloadTooLargeError,
    PublishError,
)
from wireloom.spi import Delivery, Kind, Message, Status
from wireloom_tcp.options import TcpOptions


def calling(*addresses: str, **fields: object) -> TcpOptions:
    """Return options of a node that only connects."""
    quick = {"reconnect_cap": 0.1} | fields
    return TcpOptions(listen=None, connect=addresses, **quick)  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def refuse(delivery: Delivery) -> None:
    await delivery.give_back()


async def keep(delivery: Delivery) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def test_a_request_is_answered_over_a_connection() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await a.serve("echo", echo)
        answer = await b.call("echo", b"hi")
        assert (answer.kind, answer.body, answer.id) == (Kind.REPLY, b"hi", "b-1")
        (delivery,) = intake.seen
        assert delivery.message.id == "b-1"
        assert delivery.remote_address.startswith("127.0.0.1:")  # type: ignore[attr-defined]


async def test_a_listener_calls_whoever_connected() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        await b.serve("echo", echo)
        assert (await a.call("echo", b"hi")).body == b"hi"


async def test_a_node_s_own_handlers_are_a_member() -> None:
    async with TestNode("a", listening()) as a:
        intake, _ = await a.serve("echo", echo)
        assert (await a.call("echo", b"hi")).body == b"hi"
        assert intake.seen[0].remote_address is None  # type: ignore[attr-defined]


async def test_requests_are_shared_between_members_and_this_node() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        here, _ = await a.serve("echo", echo, group="g")
        there, _ = await b.serve("echo", echo, group="g")
        for _ in range(20):
            await a.call("echo")
        assert len(here.seen) == len(there.seen) == 10


async def test_a_client_s_url_is_whom_it_calls() -> None:
    async with TestNode("a", listening()) as a:
        await a.serve("echo", echo)
        options = TcpOptions.from_url(f"tcp://{a.address}")
        async with TestNode("b", options, serves=False) as b:
            assert b.transport.address is None
            assert (await b.call("echo", b"hi")).body == b"hi"


async def test_a_request_that_nobody_handles_fails_at_once() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        with pytest.raises(NoHandlerError, match="nobody handles 'nothing'"):
            await b.call("nothing")


async def test_a_connect_address_that_is_not_there_does_not_block_the_start() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with TestNode("b", calling(address, route_wait=0.1)) as b:
        assert b.states[-1][0] is Status.RECONNECTING
        assert address in str(b.states[-1][1])
        with pytest.raises(NoHandlerError, match=address):
            await b.call("echo")
        options = TcpOptions(listen=address)
        async with TestNode("a", options) as a:
            await a.serve("echo", echo)
            await b.until(Status.CONNECTED)
            assert (await b.call("echo", b"hi")).body == b"hi"


async def test_what_can_be_served_is_served_while_another_address_is_down() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with TestNode("a", listening()) as a:
        await a.serve("echo", echo)
        async with TestNode("b", calling(nowhere, a.address)) as b:
            assert b.states[-1][0] is Status.RECONNECTING
            assert (await b.call("echo", b"hi")).body == b"hi"


async def test_a_request_waits_for_a_connection_that_comes_back() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with TestNode("b", calling(address, route_wait=BOUND)) as b:
        asking = asyncio.create_task(b.call("echo", b"hi"))
        async with TestNode("a", TcpOptions(listen=address)) as a:
            await a.serve("echo", echo)
            assert (await asking).body == b"hi"


async def test_a_restarted_peer_is_found_again() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with TestNode("b", calling(address)) as b:
        for name in ("first", "second"):
            async with TestNode(name, TcpOptions(listen=address)) as a:
                await a.serve("echo", echo)
                await b.until(Status.CONNECTED)
                assert (await b.call("echo", b"hi")).body == b"hi"
            await b.until(Status.RECONNECTING)


async def test_pending_requests_fail_at_once_when_their_connection_is_lost() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        intake, _ = await a.serve("keep", keep)
        answers = [await b.send("keep") for _ in range(5)]
        await intake.get(5)
        for peer in a.transport.unwrap().peers:  # type: ignore[union-attr]
            peer.link.abort()
        for queue in answers:
            async with asyncio.timeout(1):
                message = await queue.get()
            assert dict(message.headers) == {"wl-error": "UNAVAILABLE", "wl-lost": "1"}
        assert b.hub.counters.lost_requests == 5
        assert not b.hub.requests


async def test_a_request_that_was_never_written_goes_to_another_member() -> None:
    async with (
        TestNode("a", listening()) as a,
        TestNode("c", listening()) as c,
        TestNode("b", calling(a.address, c.address)) as b,
    ):
        await a.serve("echo", echo)
        await c.serve("echo", echo)
        answers = [await b.send("echo", b"%d" % number) for number in range(4)]
        # Still in the same turn of the loop: nothing has reached a socket.
        (doomed, *_) = b.transport.unwrap().peers  # type: ignore[union-attr]
        doomed.link.abort()
        async with asyncio.timeout(BOUND):
            bodies = [(await queue.get()).body for queue in answers]
        assert bodies == [b"0", b"1", b"2", b"3"]
        assert b.hub.counters.rerouted_requests == 2


async def test_a_request_given_back_goes_to_another_member() -> None:
    async with (
        TestNode("a", listening()) as a,
        TestNode("c", listening()) as c,
        TestNode("b", calling(a.address, c.address)) as b,
    ):
        await a.serve("echo", refuse)
        await c.serve("echo", echo)
        for _ in range(4):
            assert (await b.call("echo")).kind is Kind.REPLY


async def test_a_member_that_drains_gets_nothing_new_and_finishes() -> None:
    async with (
        TestNode("a", listening()) as a,
        TestNode("c", listening()) as c,
        TestNode("b", calling(a.address, c.address)) as b,
    ):
        release = asyncio.Event()

        async def held(delivery: Delivery) -> None:
            await release.wait()
            await echo(delivery)

        first, subscriber = await a.serve("work", held)
        answers = await b.send("work", b"begun")
        await first.get(1)
        second, _ = await c.serve("work", echo)
        await subscriber.stop()
        for _ in range(5):
            assert (await b.call("work")).kind is Kind.REPLY
        assert len(second.seen) == 5
        release.set()
        async with asyncio.timeout(BOUND):
            assert (await answers.get()).body == b"begun"


async def test_large_bodies_pass_both_ways_and_larger_ones_do_not() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        await a.serve("echo", echo)
        body = bytes(range(256)) * 4096
        assert len(body) == 1_048_576
        assert (await b.call("echo", body)).body == body
        with pytest.raises(PayloadTooLargeError):
            await b.call("echo", body + b"x")
        assert (await b.call("echo", b"hi")).body == b"hi"


async def test_a_peer_that_takes_less_is_respected() -> None:
    async with (
        TestNode("a", listening(max_payload=100)) as a,
        TestNode("b", calling(a.address)) as b,
    ):
        await a.serve("echo", echo)
        with pytest.raises(PayloadTooLargeError, match="100"):
            await b.call("echo", b"x" * 101)
        assert (await b.call("echo", b"x" * 100)).kind is Kind.REPLY


async def test_an_id_or_headers_that_do_not_fit_a_frame_are_refused() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        await a.serve("echo", echo)
        with pytest.raises(PublishError, match="headers"):
            await b.send("echo", headers={"a": "x" * 9000})
        long = Message(Kind.REQUEST, "echo", b"", {}, "i" * 256, reply_to=b.inbox)
        with pytest.raises(PublishError, match="255"):
            await b.transport.publish(long)
        assert (await b.call("echo", b"hi")).body == b"hi"


async def test_a_thousand_requests_at_once_get_their_own_answers() -> None:
    async with (
        TestNode("a", listening(max_in_flight=50)) as a,
        TestNode("b", calling(a.address)) as b,
    ):
        await a.serve("echo", echo)
        answers = await asyncio.gather(*(b.call("echo", b"%d" % number) for number in range(1000)))
        assert [int(answer.body) for answer in answers] == list(range(1000))
        assert not b.hub.requests
        assert a.hub.in_flight == 0


async def test_cancelling_one_that_waits_for_room_leaves_the_others_their_turn() -> None:
    async with (
        TestNode("a", listening(max_in_flight=1)) as a,
        TestNode("b", calling(a.address)) as b,
    ):
        release = asyncio.Event()

        async def held(delivery: Delivery) -> None:
            await release.wait()
            await echo(delivery)

        intake, _ = await a.serve("held", held)
        calls = [asyncio.create_task(b.call("held", b"%d" % number)) for number in range(6)]
        await intake.get(1)
        for number in (1, 3, 5):
            calls[number].cancel()
        release.set()
        async with asyncio.timeout(BOUND):
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(one, "body", None) for one in outcomes] == [
            b"0",
            None,
            b"2",
            None,
            b"4",
            None,
        ]


async def test_a_cancel_finds_a_request_by_its_id_before_any_answer() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        await a.serve("keep", keep)
        await b.send("keep")
        await b.control_message(Kind.CANCEL, b.last_id())
        async with asyncio.timeout(BOUND):
            message = await a.control.get()
        assert (message.kind, message.id) == (Kind.CANCEL, b.last_id())
        assert not b.hub.requests


async def test_the_end_of_a_caller_cancels_its_streams_alone() -> None:
    async with TestNode("a", listening()) as a:

        async def stream(delivery: Delivery) -> None:
            request = delivery.message
            await delivery.reply(Message(Kind.ITEM, request.reply_to or "", b"1", {}, request.id))

        await a.serve("stream", stream)
        await a.serve("keep", keep)
        async with TestNode("b", calling(a.address)) as b:
            await b.send("keep")
            assert (await b.call("stream")).kind is Kind.ITEM
            streaming = b.last_id()
        async with asyncio.timeout(BOUND):
            message = await a.control.get()
        assert (message.kind, message.id) == (Kind.CANCEL, streaming)
        assert a.control.empty()


async def test_a_node_connected_to_itself_is_complete() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with TestNode("a", TcpOptions(listen=address, connect=address)) as a:
        assert a.states[-1][0] is Status.CONNECTED
        await a.serve("echo", echo)
        assert (await a.call("echo", b"hi")).body == b"hi"


async def test_a_port_in_use_is_fatal_and_says_what_to_do() -> None:
    async with TestNode("a", listening()) as a:
        with pytest.raises(ConnectionFailedError, match="in use; stop what has it") as raised:
            await TestNode("c", TcpOptions(listen=a.address)).transport.connect()
        assert raised.value.fatal
        assert a.address in str(raised.value)


async def test_processes_share_a_port_on_request() -> None:
    address = f"127.0.0.1:{free_port()}"
    options = TcpOptions(listen=address, reuse_port=True)
    async with TestNode("a", options) as a, TestNode("c", options) as c:
        assert a.address == c.address == address


async def test_several_connections_reach_several_processes_that_share_a_port() -> None:
    address = f"127.0.0.1:{free_port()}"
    options = TcpOptions(listen=address, reuse_port=True)
    async with (
        TestNode("a", options),
        TestNode("c", options),
        TestNode("d", options),
        TestNode("b", calling(address, connections=16)) as b,
    ):
        peers = b.transport.unwrap().peers  # type: ignore[union-attr]
        assert len(peers) == 16
        assert len({peer.instance for peer in peers}) > 1


async def test_another_namespace_is_another_world() -> None:
    async with TestNode("a", listening(namespace="one")) as a:
        with pytest.raises(ConnectionFailedError, match="WRONG_NAMESPACE") as raised:
            await TestNode("b", calling(a.address, namespace="two")).transport.connect()
        assert raised.value.fatal


@pytest.mark.parametrize("token", ["another", None])
async def test_a_wrong_token_fails_the_start_at_once(token: str | None) -> None:
    async with TestNode("a", listening(token="right")) as a:
        b = TestNode("b", calling(a.address, token=token))
        with pytest.raises(ConnectionFailedError, match="UNAUTHENTICATED") as raised:
            await b.transport.connect()
        assert raised.value.fatal
        assert "right" not in str(raised.value)


async def test_a_listener_that_does_not_know_the_token_is_refused() -> None:
    async with TestNode("a", listening()) as a:
        b = TestNode("b", calling(a.address, token="secret"))
        with pytest.raises(ConnectionFailedError, match="does not know the token"):
            await b.transport.connect()


async def test_the_right_token_connects() -> None:
    async with TestNode("a", listening(token="right")) as a:
        await a.serve("echo", echo)
        async with TestNode("b", calling(a.address, token="right")) as b:
            assert (await b.call("echo", b"hi")).body == b"hi"


async def test_a_token_that_is_revoked_while_running_is_a_failure() -> None:
    address = f"127.0.0.1:{free_port()}"
    async with TestNode("b", calling(address, token="right")) as b:
        async with TestNode("a", TcpOptions(listen=address, token="right")):
            await b.until(Status.CONNECTED)
        async with TestNode("c", TcpOptions(listen=address, token="other")):
            await b.until(Status.FAILED)


async def test_closing_is_idempotent_and_ends_everything() -> None:
    node = TestNode("a", listening())
    await node.transport.close()
    async with node:
        await node.serve("echo", echo)
    await node.transport.close()
    with pytest.raises(ClosedError):
        await node.send("echo")
    assert node.transport.unwrap() is None


async def test_closing_while_it_connects_leaves_nothing_open() -> None:
    node = TestNode("a", listening(connect=f"127.0.0.1:{free_port()}"))
    starting = asyncio.create_task(node.transport.connect())
    await asyncio.sleep(0)
    await node.transport.close()
    with pytest.raises(ClosedError):
        await starting
    assert node.transport.address is None


async def test_a_probe_is_a_round_trip_to_every_peer() -> None:
    async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
        await a.transport.probe()
        await b.transport.probe()


async def test_no_task_is_left_behind() -> None:
    before = len(asyncio.all_tasks())
    for _ in range(3):
        async with TestNode("a", listening()) as a, TestNode("b", calling(a.address)) as b:
            await a.serve("echo", echo)
            await b.call("echo")
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= before
