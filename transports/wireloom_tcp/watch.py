"""Deadlines of connections: one look at all of them, again and again."""

import asyncio
from collections.abc import Callable, Iterable

from wireloom_tcp.frames import Code, FrameType, ProtocolError, frame
from wireloom_tcp.hub import Hub
from wireloom_tcp.link import Link

__all__ = ["Watch"]


class Watch:
    """Looks after every connection several times within the shortest deadline, at most each second.

    A timer for each connection would cost more than looking.
    """

    def __init__(self, hub: Hub, links: Callable[[], Iterable[Link]]) -> None:
        self._hub = hub
        self._links = links
        options = hub.options
        shortest = min(
            options.handshake_timeout,
            options.frame_timeout,
            options.ping_interval,
            options.write_timeout,
            options.accept_timeout,
        )
        self._every = min(1.0, shortest / 4)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin looking."""
        self._timer = self._hub.loop.call_later(self._every, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self.start()
        now = self._hub.loop.time()
        for link in list(self._links()):
            self._look_at(link, now)
        self._hub.outbox.expire()
        self._hub.outbox.kick()

    def _look_at(self, link: Link, now: float) -> None:
        options = self._hub.options
        if not link.greeted and now - link.opened_at > options.handshake_timeout:
            link.refuse(ProtocolError("no greeting in time", Code.TIMEOUT))
        elif link.full_since and now - link.full_since > options.write_timeout:
            self._hub.counters.slow_consumers += 1
            link.abort(ProtocolError("slow consumer: it does not read", Code.TIMEOUT))
        elif link.greeted and not link.held:
            self._look_at_frame(link, now)
            self._look_at_silence(link, now)

    def _look_at_frame(self, link: Link, now: float) -> None:
        """End a connection whose present frame takes too long: it holds memory for nothing."""
        decoder = link.decoder
        if decoder.kept != link.frame:
            link.frame, link.frame_at = decoder.kept, now
        age = now - link.frame_at
        options = self._hub.options
        slow = age > options.frame_timeout and decoder.held < age * options.frame_rate
        if decoder.held and slow:
            link.refuse(ProtocolError("a frame took too long to arrive", Code.TIMEOUT))

    def _look_at_silence(self, link: Link, now: float) -> None:
        options = self._hub.options
        if link.heard:
            link.heard, link.heard_at, link.missed = False, now, 0
        elif now - link.heard_at > options.ping_interval:
            if link.missed >= options.missed_pings:
                self._hub.counters.dead_peers += 1
                link.abort(ProtocolError("no sign of life", Code.TIMEOUT))
                return
            link.missed += 1
            link.heard_at = now
            link.write(frame(FrameType.PING))
