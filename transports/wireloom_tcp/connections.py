"""All connections of a node, from the socket to the peer behind it."""

import logging
from collections.abc import Callable, Iterable

from wireloom_tcp.dialler import Attempt
from wireloom_tcp.frames import ProtocolError
from wireloom_tcp.greeting import Greeting
from wireloom_tcp.handshake import Handshake
from wireloom_tcp.hub import Hub
from wireloom_tcp.link import Link
from wireloom_tcp.listener import Listener
from wireloom_tcp.owned import Owned
from wireloom_tcp.peer import Peer
from wireloom_tcp.quiet import Quiet
from wireloom_tcp.sockets import address_of, tune
from wireloom_tcp.tls import principal_of

__all__ = ["Connections"]

_log = logging.getLogger("wireloom.tcp")


class Connections:
    """Whoever is connected, and in which state. `on_peer` is called when one is ready."""

    def __init__(self, hub: Hub, tasks: Owned, on_peer: Callable[[], None]) -> None:
        options, environment = hub.options, hub.environment
        self.listener = Listener(hub, tasks, self._accepted, self._greet_accepted)
        self.leaving = False
        """Whether newcomers are told at once that this node is going away."""
        self._hub = hub
        self._on_peer = on_peer
        self._links: dict[Link, Attempt | None] = {}
        self._peers: dict[Link, Peer] = {}
        self._own = Greeting(
            environment.instance,
            environment.group,
            options.namespace,
            options.max_in_flight,
            options.max_payload,
        )
        self._broken = Quiet(_log, "a connection broke the protocol")

    @property
    def peers(self) -> Iterable[Peer]:
        """Return whoever has greeted."""
        return list(self._peers.values())

    @property
    def links(self) -> list[Link]:
        """Return every connection, greeted or not."""
        return list(self._links)

    def dialled(self, attempt: Attempt) -> Link:
        """Return the link for a connection that this side opens."""

        def opened(link: Link) -> None:
            self._links[link] = attempt
            self._greet(link, dialled=True)

        return self._make(opened)

    def _accepted(self, opened: Callable[[Link], None]) -> Link:
        return self._make(opened)

    def _make(self, opened: Callable[[Link], None]) -> Link:
        return Link(
            {}, write_buffer=self._hub.options.write_buffer, on_open=opened, on_lost=self._lost
        )

    def _greet_accepted(self, link: Link) -> None:
        self._links[link] = None
        self._greet(link, dialled=False)

    def _greet(self, link: Link, *, dialled: bool) -> None:
        if link.transport is not None:
            tune(link.transport, self._hub.options)
        handshake = Handshake(
            self._own,
            self._hub.options.token,
            dialled=dialled,
            on_done=lambda link, peer: self._greeted(link, peer, dialled=dialled),
        )
        link.decoder.sinks = handshake.sinks
        handshake.begin(link)

    def _greeted(self, link: Link, greeting: Greeting, *, dialled: bool) -> None:
        if link.transport is None:
            return
        link.greeted = True
        if not dialled:
            self.listener.greeted(link)
        self._hub.counters.connections += 1
        peer = self._peers[link] = Peer(
            self._hub,
            link,
            greeting,
            dialled=dialled,
            remote_address=address_of(link.transport.get_extra_info("peername")),
            principal=principal_of(link.transport),
            on_ready=self._ready,
            on_leaving=self._left,
        )
        peer.open()
        if self.leaving:
            peer.go_away()

    def _ready(self, peer: Peer) -> None:
        attempt = self._links.get(peer.link)
        if attempt is not None and not attempt.ready.done():
            attempt.ready.set_result(None)
        self._on_peer()

    def _left(self, peer: Peer) -> None:
        attempt = self._links.get(peer.link)
        if attempt is not None:
            attempt.end(None)

    def _lost(self, link: Link) -> None:
        attempt = self._links.pop(link, None)
        self.listener.lost(link)
        if isinstance(link.error, ProtocolError):
            self._hub.counters.protocol_errors += 1
            name = link.transport.get_extra_info("peername") if link.transport is not None else None
            self._broken.say(f"{address_of(name)}: {link.error}", self._hub.loop.time())
        peer = self._peers.pop(link, None)
        if peer is not None:
            peer.lost()
        if attempt is not None:
            attempt.end(link.error)
