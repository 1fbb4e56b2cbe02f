"""One connection's streams that the peer opened: its requests and events, on their way through
the handlers of this node.
"""

from collections.abc import Callable
from typing import Final

from wireloom.errors import ConnectionLostError, PayloadTooLargeError
from wireloom.pattern import Pattern
from wireloom.spi import Kind, Message
from wireloom.spi.headers import bounded_int
from wireloom_tcp.decoder import Sinks
from wireloom_tcp.deliveries import EventDelivery, RequestDelivery
from wireloom_tcp.frames import (
    FRAME_START,
    PREFIX,
    REFUSED,
    RESENT,
    FrameType,
    ProtocolError,
    frame,
)
from wireloom_tcp.greeting import Greeting
from wireloom_tcp.headers import DELAY, ERROR, Fields, encode_block
from wireloom_tcp.hub import Hub
from wireloom_tcp.inlet import Inlet
from wireloom_tcp.link import Link
from wireloom_tcp.received import Received

__all__ = ["Serving"]

MAX_CREDIT: Final = 1_000_000
_ANSWERS: Final[dict[int, int]] = {
    Kind.REPLY: int(FrameType.REPLY),
    Kind.ITEM: int(FrameType.ITEM),
    Kind.END: int(FrameType.END),
    Kind.ERROR: int(FrameType.ERROR),
}
_REQUEST: Final = Kind.REQUEST
_REPLY: Final = Kind.REPLY
_REPLY_FRAME: Final = int(FrameType.REPLY)
_ITEM: Final = Kind.ITEM
_pack = FRAME_START.pack


class Serving:
    """What one peer asked for and has not been told the end of.

    Reading stops while more is in flight than the options allow, on this connection or over all.
    """

    def __init__(
        self,
        hub: Hub,
        link: Link,
        peer: Greeting,
        *,
        dialled: bool,
        remote_address: str,
        principal: str | None,
        on_idle: Callable[[], None],
    ) -> None:
        self._on_idle = on_idle
        self.hub = hub
        self.link = link
        self.instance = peer.instance
        self.remote_address: str | None = remote_address
        self.principal = principal
        self._max_payload = peer.max_payload
        self._inbox = f"inbox.{peer.instance}"
        # The peer's streams are odd if it was the one to connect.
        self._parity = 0 if dialled else 1
        self._requests: dict[int, str] = {}
        self._streaming: dict[int, str] = {}
        self._events: set[int] = set()
        self._in_flight = 0
        self._buffered = 0
        self._most = hub.options.max_in_flight
        self._most_in_all = hub.options.max_in_flight_total
        self._allowed = _compiled(hub, principal)
        self._targets = hub.targets[Kind.REQUEST]
        self._last_headers: object = None
        self._last_block = b""

    @property
    def sinks(self) -> Sinks:
        """Return what takes the peer's frames about these streams."""
        return {
            FrameType.REQUEST: self._on_request,
            FrameType.EVENT: self._on_event,
            FrameType.CREDIT: self._on_credit,
        }

    @property
    def open_requests(self) -> int:
        """Return how many requests have no last answer yet."""
        return len(self._requests)

    def cancel(self, stream: int) -> bool:
        """Stop a request's handler; tell whether there is one. It counts until it has ended."""
        request_id = self._requests.get(stream)
        if request_id is None:
            return False
        self._control(Kind.CANCEL, b"", request_id)
        return True

    def lost(self) -> None:
        """Note the end of the connection: streams end, everything else is finished."""
        for request_id in list(self._streaming.values()):
            self._control(Kind.CANCEL, b"", request_id)
        self._requests.clear()
        self._streaming.clear()
        self._events.clear()
        self.hub.in_flight -= self._in_flight
        self._in_flight = 0
        self.hub.held.discard(self)
        self.hub.ease()

    def answer(self, delivery: RequestDelivery, message: Message) -> None:
        """Send an answer, or an item of one. The last one to a caller that is gone is counted.

        :raises ConnectionLostError: if the caller of a stream is gone.
        :raises PayloadTooLargeError: if the caller does not take as much.
        """
        stream = delivery.stream
        body = message.body
        if len(body) > self._max_payload:
            raise PayloadTooLargeError(len(body), self._max_payload)
        if message.headers is not self._last_headers:
            # Answers that are alike share one mapping of headers.
            self._last_block = self.hub.blocks.encode(message.headers)
            self._last_headers = message.headers
        block = self._last_block
        kind = message.kind
        if kind is _ITEM:
            self._start_streaming(delivery)
        else:
            delivery.stream = 0
            if self._requests.pop(stream, None) is None:
                self.hub.counters.unheard_answers += 1
                return
            if delivery.streaming:
                self._streaming.pop(stream, None)
            self._out_of_flight()
        size = len(block)
        code = _REPLY_FRAME if kind is _REPLY else _ANSWERS[kind]
        start = _pack(PREFIX, code, 0, stream, 3 + size + len(body), size, 0)
        self.link.write(start + block + body)

    def refuse(self, delivery: RequestDelivery, code: str) -> None:
        """Tell the caller that a request was not run."""
        stream, delivery.stream = delivery.stream, 0
        if self._requests.pop(stream, None) is not None:
            self._refuse(stream, code)
            self._out_of_flight()

    def forsaken(self, stream: int) -> None:
        """End a request that nobody will answer: expired, cancelled, or dropped by a bug."""
        if not self.link.closed and not self.hub.loop.is_closed():
            self.hub.loop.call_soon_threadsafe(self._end_forsaken, stream)

    def queued(self, delivery: RequestDelivery) -> None:
        """Note that a request waits for room."""
        self.buffer(len(delivery.message.body))

    def unqueued(self, delivery: RequestDelivery) -> None:
        """Note that it waits no more."""
        self.unbuffer(len(delivery.message.body))

    def buffer(self, size: int) -> None:
        """Count a body that waits for room."""
        self._buffered += size
        if self._buffered > self.hub.options.max_buffered:
            self.hub.hold(self)

    def unbuffer(self, size: int) -> None:
        """Count it no more."""
        self._buffered -= size
        if self.hub.held:
            self.hub.ease()

    def ease(self) -> None:
        """Go on reading if there is room for it now."""
        if self.link.held and not self._is_full():
            self.link.release()

    def event_taken(self) -> None:
        """Note that an event was taken, or sent back."""
        if not self.link.closed:
            self._out_of_flight()

    def event_ended(self, stream: int) -> None:
        """Note that an event's sender needs to hear nothing more."""
        self._events.discard(stream)

    def _on_request(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        if stream & 1 != self._parity or not stream or stream in self._requests:
            raise ProtocolError(f"a request cannot use stream {stream} now")
        hub = self.hub
        found = self._targets.get(block) or hub.target(_REQUEST, block)
        if found is None:
            hub.counters.unknown_targets += 1
            self._refuse(stream, "UNIMPLEMENTED")
            return
        inlet, fields = found
        if self._allowed is not None and not self._may(fields.address):
            self._forbid(stream)
            return
        try:
            request_id = ident.decode()
        except UnicodeDecodeError:
            raise ProtocolError("an id is not UTF-8") from None
        message = Message(
            _REQUEST, fields.address, body, fields.headers, request_id, reply_to=self._inbox
        )
        self._requests[stream] = request_id
        self._in_flight += 1
        hub.in_flight += 1
        if self._in_flight > self._most or hub.in_flight > self._most_in_all:
            hub.hold(self)
        inlet.put(RequestDelivery(message, self, stream))

    def _on_event(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        if stream & 1 != self._parity or not stream or stream in self._events:
            raise ProtocolError(f"an event cannot use stream {stream} now")
        found = self.hub.target(Kind.EVENT, block)
        if found is None:
            self.hub.counters.unknown_targets += 1
            self._return(stream, "UNAVAILABLE")
        elif self._allowed is not None and not self._may(found[1].address):
            self.hub.counters.forbidden += 1
            self._return(stream, "PERMISSION_DENIED")
        else:
            self._receive(flags, stream, *found, _text(ident), body)

    def _receive(
        self, flags: int, stream: int, inlet: Inlet, fields: Fields, event_id: str, body: bytes
    ) -> None:
        key = (self.instance, inlet.interest.number, event_id)
        self._into_flight()
        if flags & RESENT and self._knows(key, stream):
            return
        source = Received(self, stream, key, len(body))
        self._events.add(stream)
        message = Message(
            Kind.EVENT, fields.address, body, fields.headers, event_id, key=fields.key
        )
        delivery = EventDelivery(
            message,
            inlet,
            source,
            self.hub.dead_letters,
            attempt=fields.attempt,
            deliveries=fields.deliveries,
            age=fields.age,
        )
        if fields.delay:
            source.accepted(queued=False)
            inlet.put_later(delivery, fields.delay)
        else:
            inlet.put(delivery)

    def _knows(self, key: tuple[str, int, str], stream: int) -> bool:
        """Take up an event again that this node has still, or had: it is not run twice for that."""
        if self.hub.was_settled(key):
            self.link.write(frame(FrameType.SETTLED, stream))
            self._out_of_flight()
            return True
        source = self.hub.unsettled.get(key)
        if source is None:
            return False
        self._events.add(stream)
        source.move(self, stream)
        return True

    def _on_credit(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        text = body.decode("ascii", "replace")
        if bounded_int(text, 0, MAX_CREDIT) is None:
            raise ProtocolError("a CREDIT frame without a number of items")
        request_id = self._requests.get(stream)
        if request_id is None:
            self._on_idle()
        else:
            self._control(Kind.CREDIT, body, request_id)

    def _control(self, kind: Kind, body: bytes, request_id: str) -> None:
        self.hub.receive(Message(kind, self.hub.inbox, body, {}, request_id))

    def _start_streaming(self, delivery: RequestDelivery) -> None:
        stream = delivery.stream
        if stream not in self._requests:
            raise ConnectionLostError("the caller of this stream is gone")
        if not delivery.streaming:
            delivery.streaming = True
            self._streaming[stream] = delivery.message.id

    def _end_forsaken(self, stream: int) -> None:
        if self._requests.pop(stream, None) is not None:
            self._streaming.pop(stream, None)
            self._out_of_flight()
            if not self.link.closed:
                block = encode_block(((ERROR, "CANCELLED"),))
                self.link.write(frame(FrameType.ERROR, stream, block))

    def _refuse(self, stream: int, code: str) -> None:
        if not self.link.closed:
            block = encode_block(((ERROR, code),))
            self.link.write(frame(FrameType.ERROR, stream, block, flags=REFUSED))

    def _forbid(self, stream: int) -> None:
        self.hub.counters.forbidden += 1
        block = encode_block(((ERROR, "PERMISSION_DENIED"),))
        self.link.write(frame(FrameType.ERROR, stream, block))

    def _return(self, stream: int, code: str, delay: float = 0.0) -> None:
        block = encode_block(((ERROR, code), (DELAY, str(round(delay * 1000)))))
        self.link.write(frame(FrameType.RETURNED, stream, block))

    def _may(self, address: str) -> bool:
        return any(pattern.matches(address) for pattern in self._allowed or ())

    def _is_full(self) -> bool:
        return (
            self._in_flight >= self._most
            or self.hub.in_flight >= self._most_in_all
            or self._buffered > self.hub.options.max_buffered
        )

    def _into_flight(self) -> None:
        self._in_flight += 1
        self.hub.in_flight += 1
        if self._in_flight > self._most or self.hub.in_flight > self._most_in_all:
            self.hub.hold(self)

    def _out_of_flight(self) -> None:
        self._in_flight -= 1
        self.hub.in_flight -= 1
        if self.hub.held:
            self.hub.ease()


def _compiled(hub: Hub, principal: str | None) -> tuple[Pattern, ...] | None:
    """Return what this principal may send here; None: anything."""
    allow = hub.options.allow
    if allow is None:
        return None
    return tuple(Pattern.of(text) for text in allow.get(principal or "", ()))


def _text(ident: bytes) -> str:
    try:
        return ident.decode()
    except UnicodeDecodeError:
        raise ProtocolError("an id is not UTF-8") from None
