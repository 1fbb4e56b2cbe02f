"""One connection's streams that this side opened: requests and events sent to the peer."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from wireloom.errors import ConnectionLostError, PayloadTooLargeError
from wireloom.spi import Kind, Message
from wireloom_tcp.decoder import Sinks
from wireloom_tcp.frames import (
    FRAME_START,
    MAX_ID,
    PREFIX,
    REFUSED,
    RESENT,
    FrameType,
    frame,
)
from wireloom_tcp.greeting import Greeting
from wireloom_tcp.headers import EMPTY
from wireloom_tcp.hub import Hub
from wireloom_tcp.link import Link
from wireloom_tcp.outgoing import Outgoing
from wireloom_tcp.routes import Offer

__all__ = ["Calling"]

LAST_PLAIN: Final = 0xFFFFFFFF - 2
"""The last stream number that another one of the same side follows."""
_REQUEST: Final = int(FrameType.REQUEST)
_REPLY: Final = Kind.REPLY
_pack = FRAME_START.pack


class Calling:
    """What was sent to one peer and is not answered, accepted or settled. A member of the routes.

    Never more is open than the peer said it takes, so that a peer need not stop reading, which
    would keep it from answers that its own handlers wait for.
    """

    def __init__(
        self, hub: Hub, link: Link, peer: Greeting, *, dialled: bool, on_idle: Callable[[], None]
    ) -> None:
        self.instance = peer.instance
        self._hub = hub
        self._link = link
        self._on_idle = on_idle
        self._window = peer.max_in_flight
        self._max_payload = peer.max_payload
        self._peer_inbox = f"inbox.{peer.instance}"
        self._first = self._next = 1 if dialled else 2
        self._wrapped = False
        self._used = 0
        self._granted = 0
        self._waiters: deque[asyncio.Future[bool]] = deque()
        self._pending: dict[int, Message] = {}
        self._cancelled: set[int] = set()
        self._sent: dict[int, Outgoing] = {}

    @property
    def sinks(self) -> Sinks:
        """Return what takes the peer's frames about these streams."""
        return {
            FrameType.REPLY: self._on_reply,
            FrameType.ITEM: self._on_item,
            FrameType.END: self._on_end,
            FrameType.ACCEPTED: self._on_accepted,
            FrameType.SETTLED: self._on_settled,
            FrameType.RETURNED: self._on_returned,
            FrameType.ATTEMPT: self._on_attempt,
        }

    @property
    def load(self) -> int:
        """Return how much is open: not answered, not accepted."""
        return self._used

    @property
    def full(self) -> bool:
        """Tell whether it takes no more for now, or others wait for their turn already."""
        return (
            self._used >= self._window
            or self._link.congested
            or bool(self._waiters)
            or bool(self._granted)
        )

    async def wait_for_room(self) -> bool:
        """Wait for a turn, first come first served; False if the connection was lost instead."""
        if self._used + self._granted >= self._window or self._waiters:
            waiter: asyncio.Future[bool] = self._hub.loop.create_future()
            self._waiters.append(waiter)
            try:
                if not await waiter:
                    return False
            finally:
                if waiter.done() and not waiter.cancelled() and waiter.result():
                    self._granted -= 1
                    self._wake()
        try:
            await self._link.drained()
        except ConnectionLostError:
            return False
        return True

    def request(self, message: Message, offer: Offer, *, waited: bool = False) -> bool:
        """Send a request; False if there is no room for it now.

        :raises PayloadTooLargeError: if the peer does not take as much.
        :raises ValueError: if its headers or id are too long.
        """
        link = self._link
        if not waited and (
            self._used >= self._window or link.congested or self._waiters or self._granted
        ):
            return False
        hub = self._hub
        body = message.body
        if len(body) > self._max_payload:
            raise PayloadTooLargeError(len(body), self._max_payload)
        ident = message.id.encode()
        id_size = len(ident)
        if id_size > MAX_ID:
            raise ValueError(f"an id takes at most {MAX_ID} bytes, not {id_size}")
        if message.headers is not offer.headers or message.address != offer.address:
            offer.block = hub.blocks.encode_to(offer.number, message.address, message.headers)
            offer.headers, offer.address = message.headers, message.address
        block = offer.block
        stream = self._next
        if stream > LAST_PLAIN or self._wrapped:
            stream = self._next_free()
        else:
            self._next = stream + 2
        self._used += 1
        size = len(block)
        length = 3 + size + id_size + len(body)
        start = _pack(PREFIX, _REQUEST, 0, stream, length, size, id_size)
        self._pending[stream] = message
        hub.requests[message.id] = (self, stream)
        link.write(start + block + ident + body)
        return True

    def event(self, outgoing: Outgoing) -> None:
        """Send an event.

        :raises PayloadTooLargeError: if the peer does not take as much.
        :raises ValueError: if its headers or id are too long.
        """
        message = outgoing.message
        if len(message.body) > self._max_payload:
            raise PayloadTooLargeError(len(message.body), self._max_payload)
        ident = message.id.encode()
        if len(ident) > MAX_ID:
            raise ValueError(f"an id takes at most {MAX_ID} bytes, not {len(ident)}")
        block = outgoing.block(self._hub.blocks, self._hub.clock.monotonic())
        stream = outgoing.stream = self._next_free()
        self._used += 1
        outgoing.counted = True
        self._sent[stream] = outgoing
        flags = RESENT if outgoing.deliveries > 1 else 0
        self._link.write(frame(FrameType.EVENT, stream, block, ident, message.body, flags))

    def cancel(self, stream: int, message: Message) -> None:
        """Tell the peer that nobody waits for this answer. It still counts until it has ended."""
        if self._pending.pop(stream, None) is not None:
            self._hub.requests.pop(message.id, None)
            self._cancelled.add(stream)
            self._link.write(frame(FrameType.CANCEL, stream))

    def credit(self, stream: int, message: Message) -> None:
        """Allow the peer more items of this answer."""
        self._link.write(frame(FrameType.CREDIT, stream, body=message.body))

    def lost(self) -> tuple[list[Message], list[Outgoing]]:
        """Fail the requests that may have been run; return those that were never written, and all
        events, in the order they were sent in.
        """
        unsent = _streams(self._link.unsent)
        again = [message for stream, message in self._pending.items() if stream in unsent]
        gone = [message for stream, message in self._pending.items() if stream not in unsent]
        events = list(self._sent.values())
        self._pending.clear()
        self._sent.clear()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(False)
        self._waiters.clear()
        for message in gone:
            self._hub.counters.lost_requests += 1
            self._hub.fail(message, "UNAVAILABLE", lost=True)
        return again, events

    def _next_free(self) -> int:
        """Return the next stream that is not in use; after the largest the numbers begin anew."""
        stream = self._next
        while stream in self._pending or stream in self._sent or stream in self._cancelled:
            stream = stream + 2 if stream <= LAST_PLAIN else self._first
        self._wrapped = self._wrapped or stream > LAST_PLAIN
        self._next = stream + 2 if stream <= LAST_PLAIN else self._first
        return stream

    def _close(self) -> None:
        """Note that something open has ended."""
        self._used -= 1
        if self._waiters or self._hub.outbox.waiting:
            self._make_way()

    def _make_way(self) -> None:
        """Let in what waits for room."""
        if self._waiters:
            self._wake()
        else:
            self._hub.outbox.kick()

    def _uncount(self, outgoing: Outgoing) -> None:
        if outgoing.counted:
            outgoing.counted = False
            self._close()

    def _wake(self) -> None:
        while self._waiters and self._used + self._granted < self._window:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._granted += 1
                waiter.set_result(True)

    def _ended(self, stream: int) -> Message | None:
        """Take a request out that has its last answer; None if nobody waits for it."""
        message = self._pending.pop(stream, None)
        if message is not None:
            self._hub.requests.pop(message.id, None)
            self._close()
        elif stream in self._cancelled:
            self._cancelled.discard(stream)
            self._hub.counters.late_answers += 1
            self._close()
        else:
            self._hub.counters.late_answers += 1
            self._on_idle()
        return message

    def _on_reply(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        message = self._pending.pop(stream, None)
        if message is None:
            self._ended(stream)
            return
        hub = self._hub
        request_id = message.id
        hub.requests.pop(request_id, None)
        self._used -= 1
        if self._waiters or hub.outbox.waiting:
            self._make_way()
        headers = hub.blocks.decode(block).headers if block else EMPTY
        hub.receive(Message(_REPLY, hub.inbox, body, headers, request_id))

    def _on_item(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        message = self._pending.get(stream)
        if message is None:
            self._hub.counters.late_answers += 1
            if stream not in self._cancelled:
                self._on_idle()
            return
        headers = self._hub.blocks.decode(block).headers
        inbox, back = self._hub.inbox, self._peer_inbox
        self._hub.receive(Message(Kind.ITEM, inbox, body, headers, message.id, reply_to=back))

    def _on_end(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        message = self._ended(stream)
        if message is not None:
            headers = self._hub.blocks.decode(block).headers
            self._hub.receive(Message(Kind.END, self._hub.inbox, body, headers, message.id))

    def on_error(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        """Take the error that one of these streams ends with."""
        headers = self._hub.blocks.decode(block).headers
        message = self._ended(stream)
        if message is None:
            return
        if flags & REFUSED:
            self._hub.refused(message, self, headers.get("wl-error", "UNAVAILABLE"))
        else:
            self._hub.receive(Message(Kind.ERROR, self._hub.inbox, body, headers, message.id))

    def _on_accepted(
        self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes
    ) -> None:
        outgoing = self._sent.get(stream)
        if outgoing is not None:
            self._uncount(outgoing)
            outgoing.accepted()

    def _on_settled(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        outgoing = self._sent.pop(stream, None)
        if outgoing is None:
            self._on_idle()
        else:
            self._uncount(outgoing)
            self._hub.outbox.settled(outgoing)

    def _on_returned(
        self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes
    ) -> None:
        headers = self._hub.blocks.decode(block)
        outgoing = self._sent.pop(stream, None)
        if outgoing is None:
            self._on_idle()
        else:
            self._uncount(outgoing)
            code = headers.headers.get("wl-error", "UNAVAILABLE")
            self._hub.outbox.returned(outgoing, code, headers.delay)

    def _on_attempt(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        outgoing = self._sent.get(stream)
        if outgoing is not None:
            outgoing.attempt = self._hub.blocks.decode(block).attempt


def _streams(frames: list[bytes]) -> set[int]:
    """Return the streams of requests among frames that were never sent."""

    def streams() -> Iterator[int]:
        for data in frames:
            _, kind, _, stream, *_ = FRAME_START.unpack_from(data)
            if kind == _REQUEST:
                yield stream

    return set(streams())
