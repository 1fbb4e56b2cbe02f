"""One event that came from a peer, until the peer knows what became of it."""

from wireloom_tcp.frames import FrameType, frame
from wireloom_tcp.headers import ATTEMPT, DELAY, ERROR, encode_block
from wireloom_tcp.hub import Sender

__all__ = ["EventKey", "Received"]

EventKey = tuple[str, int, str]
"""The sender's instance, the subscription's number and the event's id."""


class Received:
    """Tells the sender of one event. When the connection is lost it goes on, and moves to the next
    one if the sender sends the event again there.
    """

    __slots__ = ("_key", "_queued", "_sender", "_size", "_stream", "_taken")

    def __init__(self, sender: Sender, stream: int, key: EventKey, size: int) -> None:
        self._sender = sender
        self._stream = stream
        self._key = key
        self._size = size
        self._taken = False
        self._queued = False
        sender.hub.unsettled[key] = self

    @property
    def remote_address(self) -> str | None:
        """Return the sender's address."""
        return self._sender.remote_address

    @property
    def principal(self) -> str | None:
        """Return who the sender is, by its certificate."""
        return self._sender.principal

    def move(self, sender: Sender, stream: int) -> None:
        """Tell this connection from now on."""
        self._sender = sender
        self._stream = stream
        if self._taken:
            sender.event_taken()
            self._write(frame(FrameType.ACCEPTED, stream))
        elif self._queued:
            sender.buffer(self._size)

    def queued(self) -> None:
        """Note that it waits for room."""
        self._queued = True
        self._sender.buffer(self._size)

    def accepted(self, *, queued: bool) -> None:
        """Tell that it was taken. A run after the first says nothing new."""
        if queued:
            self._queued = False
            self._sender.unbuffer(self._size)
        if not self._taken:
            self._taken = True
            self._sender.event_taken()
            self._write(frame(FrameType.ACCEPTED, self._stream))

    def settled(self) -> None:
        """Tell that it is done with; remember it for a sender that cannot be told."""
        self._end()
        if self._sender.link.closed:
            self._sender.hub.remember_settled(self._key)
        else:
            self._write(frame(FrameType.SETTLED, self._stream))

    def attempt(self, attempt: int) -> None:
        """Tell which run is next."""
        block = encode_block(((ATTEMPT, str(attempt)),))
        self._write(frame(FrameType.ATTEMPT, self._stream, block))

    def returned(self, *, queued: bool, delay: float) -> None:
        """Send it back. A sender that cannot be told sends it again by itself."""
        self._end()
        if queued:
            self._queued = False
            self._sender.unbuffer(self._size)
        if not self._taken:
            self._taken = True
            self._sender.event_taken()
        block = encode_block(((ERROR, "UNAVAILABLE"), (DELAY, str(round(delay * 1000)))))
        self._write(frame(FrameType.RETURNED, self._stream, block))

    def _end(self) -> None:
        self._sender.event_ended(self._stream)
        unsettled = self._sender.hub.unsettled
        if unsettled.get(self._key) is self:
            del unsettled[self._key]

    def _write(self, data: bytes) -> None:
        if not self._sender.link.closed:
            self._sender.link.write(data)
