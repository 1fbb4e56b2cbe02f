"""A connection after the greeting: who is there, what it takes, and what it says about itself."""

import asyncio
from collections.abc import Callable
from typing import Final

from wireloom.errors import ConnectionLostError
from wireloom_tcp.calling import Calling
from wireloom_tcp.decoder import SKIPPED, Sinks
from wireloom_tcp.frames import REMOVE, Code, FrameType, ProtocolError, frame, max_length
from wireloom_tcp.greeting import Greeting, PeerError
from wireloom_tcp.headers import ERROR, decode_block, encode_block
from wireloom_tcp.hub import Hub
from wireloom_tcp.interest import Interest
from wireloom_tcp.link import Link
from wireloom_tcp.serving import Serving

__all__ = ["Peer"]

MAX_INTERESTS: Final = 10_000
_CALM: Final = (
    (ERROR, Code.ENHANCE_YOUR_CALM.value),
    ("wl-message", "too many control frames"),
)


class Peer:
    """Another node on one connection.

    It takes part in the routes from its READY frame until it says GOAWAY, withdraws a subscription
    or is lost. `on_ready` and `on_leaving` tell the node.
    """

    def __init__(
        self,
        hub: Hub,
        link: Link,
        greeting: Greeting,
        *,
        dialled: bool,
        remote_address: str,
        principal: str | None,
        on_ready: Callable[["Peer"], None],
        on_leaving: Callable[["Peer"], None],
    ) -> None:
        self.instance = greeting.instance
        self.group = greeting.group
        self.link = link
        self.remote_address = remote_address
        self._hub = hub
        self.calling = Calling(hub, link, greeting, dialled=dialled, on_idle=self._count_control)
        self.serving = Serving(
            hub,
            link,
            greeting,
            dialled=dialled,
            remote_address=remote_address,
            principal=principal,
            on_idle=self._count_control,
        )
        self.ready = False
        """Whether it has said what it takes."""
        self.leaving = False
        """Whether it has said GOAWAY."""
        self._on_ready = on_ready
        self._on_leaving = on_leaving
        self._interests: dict[int, Interest] = {}
        self._pongs: list[asyncio.Future[None]] = []
        self._control_since = 0.0
        self._control = 0.0
        self._expected_pings = 0

    def open(self) -> None:
        """Take the connection over from the greeting, and say what this node takes."""
        payload = self._hub.options.max_payload
        sinks: Sinks = {
            **self.calling.sinks,
            **self.serving.sinks,
            FrameType.ERROR: self._on_error,
            FrameType.CANCEL: self._on_cancel,
            FrameType.INTEREST: self._on_interest,
            FrameType.READY: self._on_ready_frame,
            FrameType.PING: self._on_ping,
            FrameType.PONG: self._on_pong,
            FrameType.GOAWAY: self._on_goaway,
            SKIPPED: lambda *_: self._count_control(),
        }
        self.link.decoder.replace(sinks, length=max_length(payload), body=payload)
        self.link.on_eased = self._hub.outbox.kick
        for inlet in self._hub.inlets.values():
            self.tell(inlet.interest)
        self.link.write(frame(FrameType.READY))

    def tell(self, interest: Interest) -> None:
        """Tell the peer of a subscription."""
        self.link.write(frame(FrameType.INTEREST, interest.number, interest.encode()))

    def withdraw(self, interest: Interest) -> None:
        """Tell the peer that a subscription has ended."""
        self.link.write(frame(FrameType.INTEREST, interest.number, flags=REMOVE))

    def go_away(self) -> None:
        """Ask the peer to send nothing new; what is under way is finished."""
        headers = ((ERROR, Code.DRAINING.value), ("wl-message", "this node is going away"))
        self.link.write(frame(FrameType.GOAWAY, block=encode_block(headers)))

    async def ping(self) -> None:
        """Wait for a sign of life. The caller bounds it.

        :raises ConnectionLostError: if the connection ends first.
        """
        pong: asyncio.Future[None] = self._hub.loop.create_future()
        self._pongs.append(pong)
        self.link.write(frame(FrameType.PING))
        try:
            await pong
        finally:
            pong.cancel()  # nobody would hear of an error any more

    def lost(self) -> None:
        """Let go of everything: fail, send again elsewhere, or finish alone."""
        self._hub.routes.drop(self.calling)
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(ConnectionLostError("the connection was lost"))
        self.serving.lost()
        requests, events = self.calling.lost()
        for message in requests:
            offers = self._hub.routes.requests(message.address)
            self._hub.requests.pop(message.id, None)
            self._hub.reroute(message, offers, "UNAVAILABLE")
        self._hub.outbox.lost(events)

    def _on_interest(
        self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes
    ) -> None:
        if self.ready:
            self._count_control(0.1)
        if flags & REMOVE:
            self._interests.pop(stream, None)
            self._hub.routes.remove(self.calling, stream)
            return
        if not stream:
            raise ProtocolError("a subscription needs a number above 0")
        self._interests[stream] = Interest.decode(stream, block)
        if len(self._interests) > MAX_INTERESTS:
            raise ProtocolError(f"more than {MAX_INTERESTS} subscriptions")
        if self.ready:
            # Whoever subscribes again has changed its mind about going away.
            self.leaving = False
            # It may ask at once whether it is heard, which then is no idle ping.
            self._expected_pings += 1
            self._hub.routes.add(self.calling, self._interests[stream])
            self._hub.outbox.kick()

    def _on_ready_frame(
        self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes
    ) -> None:
        if self.ready:
            raise ProtocolError("READY comes once")
        self.ready = True
        if not self.leaving:
            for interest in self._interests.values():
                self._hub.routes.add(self.calling, interest)
        self._on_ready(self)
        self._hub.outbox.kick()

    def _on_goaway(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        headers = decode_block(block)
        self.leaving = True
        self._interests.clear()
        self._hub.routes.drop(self.calling)
        self._on_leaving(self)
        if headers.get(ERROR) != Code.DRAINING:
            self.link.close(PeerError(headers.get(ERROR, "UNKNOWN"), headers.get("wl-message", "")))

    def _on_error(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        if stream:
            self.calling.on_error(flags, stream, block, ident, body)
            return
        headers = decode_block(block)
        self.link.close(PeerError(headers.get(ERROR, "UNKNOWN"), headers.get("wl-message", "")))

    def _on_cancel(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        if not self.serving.cancel(stream):
            self._count_control()

    def _on_ping(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        if self._expected_pings:
            self._expected_pings -= 1
        else:
            self._count_control()
        self.link.write(frame(FrameType.PONG, stream, b"", ident))

    def _on_pong(self, flags: int, stream: int, block: bytes, ident: bytes, body: bytes) -> None:
        if not self._pongs:
            self._count_control()
        for pong in self._pongs:
            if not pong.done():
                pong.set_result(None)
        self._pongs.clear()

    def _count_control(self, weight: float = 1.0) -> None:
        """Count a frame that asks for work and has little or none behind it."""
        now = self._hub.loop.time()
        if now - self._control_since > 1.0:
            self._control_since, self._control = now, 0.0
        self._control += weight
        if self._control > self._hub.options.control_rate and not self.link.closed:
            self._hub.counters.floods += 1
            self.link.write(frame(FrameType.GOAWAY, block=encode_block(_CALM)))
            raise ProtocolError("too many control frames", Code.ENHANCE_YOUR_CALM, silent=True)
