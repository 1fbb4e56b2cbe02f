"""Accepting connections, within limits."""

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final

from wireloom.errors import ConnectionFailedError
from wireloom_tcp.addresses import Address
from wireloom_tcp.frames import Code, ProtocolError
from wireloom_tcp.hub import Hub
from wireloom_tcp.link import Link, refusal
from wireloom_tcp.owned import Owned
from wireloom_tcp.quiet import Quiet
from wireloom_tcp.sockets import address_of
from wireloom_tcp.tls import listening_context

__all__ = ["Listener"]

_log = logging.getLogger("wireloom.tcp")
EXHAUSTED: Final = 0.5
"""Seconds to wait when the system has no more sockets to give: to try at once would only spin."""


class Listener:
    """One listening address. `make` gives a link; `on_link` takes it once it may greet.

    Limits hold from the first packet, so that whoever never finishes TLS counts as well.
    """

    def __init__(
        self,
        hub: Hub,
        tasks: Owned,
        make: Callable[[Callable[[Link], None]], Link],
        on_link: Callable[[Link], None],
    ) -> None:
        self._hub = hub
        self._tasks = tasks
        self._make = make
        self._on_link = on_link
        self._tls: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._paused: dict[socket.socket, asyncio.TimerHandle] = {}
        self._taking: dict[asyncio.Task[None], socket.socket] = {}
        self._hosts: dict[Link, str] = {}
        self._by_host: Counter[str] = Counter()
        self._greeting: Counter[str] = Counter()
        self._exhausted = Quiet(_log, "cannot accept connections")
        self.address: str | None = None
        """Where it listens: `host:port`, the port that it got if any was asked for."""

    async def open(self, address: Address) -> None:
        """Listen.

        :raises ConnectionFailedError: fatal, if the address cannot be had.
        :raises ConfigurationError: if a certificate cannot be used.
        """
        self._tls = listening_context(self._hub.options)
        try:
            found = await self._hub.loop.getaddrinfo(
                address.host,
                address.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
            for family, _, _, _, place in dict.fromkeys(found):
                self._sockets.append(self._bind(family, place))
        except OSError as error:
            await self.close()
            raise _listen_error(address, error) from error
        self.address = address_of(self._sockets[0].getsockname())
        for sock in self._sockets:
            self._watch(sock)

    def greeted(self, link: Link) -> None:
        """Note that somebody has shown who it is."""
        _drop(self._greeting, self._hosts.get(link))

    def lost(self, link: Link) -> None:
        """Note that a connection has ended."""
        host = self._hosts.pop(link, None)
        _drop(self._by_host, host)
        if not link.greeted:
            _drop(self._greeting, host)

    async def close(self) -> None:
        """Accept nothing more. What is connected stays."""
        for sock in self._sockets:
            self._hub.loop.remove_reader(sock)
            if sock in self._paused:
                self._paused.pop(sock).cancel()
            sock.close()
        self._sockets.clear()
        taking = dict(self._taking)
        for task in taking:
            task.cancel()
        try:
            if taking:
                await asyncio.wait(taking)
        finally:
            # A task that was cancelled before its first step has closed nothing.
            for sock in taking.values():
                sock.close()

    def _bind(self, family: int, place: tuple[object, ...]) -> socket.socket:
        options = self._hub.options
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if options.reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(place)
            sock.listen(options.backlog)
        except BaseException:
            sock.close()
            raise
        return sock

    def _watch(self, sock: socket.socket) -> None:
        self._paused.pop(sock, None)
        self._hub.loop.add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(self._hub.options.backlog):
            try:
                accepted, name = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._exhausted.say(str(error), self._hub.loop.time())
                self._hub.loop.remove_reader(sock)
                self._paused[sock] = self._hub.loop.call_later(EXHAUSTED, self._watch, sock)
                return
            accepted.setblocking(False)
            self._admit(accepted, str(name[0]))

    def _admit(self, accepted: socket.socket, host: str) -> None:
        if reason := self._refusal(host):
            self._hub.counters.refused_connections += 1
            if self._tls is None:
                with contextlib.suppress(OSError):
                    accepted.send(refusal(ProtocolError(reason, Code.TOO_MANY_CONNECTIONS)))
            accepted.close()
            return
        link = self._make(self._on_link)
        self._hosts[link] = host
        self._by_host[host] += 1
        self._greeting[host] += 1
        task = self._tasks.start(self._take(link, accepted), f"wireloom tcp: from {host}")
        self._taking[task] = accepted
        task.add_done_callback(lambda task: self._taking.pop(task, None))

    async def _take(self, link: Link, accepted: socket.socket) -> None:
        """Make a link of an accepted socket, TLS included; whatever is wrong there is its own."""
        timeout = self._hub.options.handshake_timeout if self._tls else None
        try:
            await self._hub.loop.connect_accepted_socket(
                lambda: link, accepted, ssl=self._tls, ssl_handshake_timeout=timeout
            )
        except (OSError, ssl.SSLError) as error:
            _log.debug("%s did not get as far as a greeting: %s", self._hosts.get(link), error)
            accepted.close()
            link.abort(error)
        except asyncio.CancelledError:
            accepted.close()
            link.abort()
            raise

    def _refusal(self, host: str) -> str | None:
        options = self._hub.options
        if len(self._hosts) >= options.max_connections:
            return "too many connections"
        if self._by_host[host] >= options.max_connections_per_ip:
            return "too many connections from this address"
        if self._greeting[host] >= options.max_handshakes_per_ip:
            return "too many connections from this address that have not greeted"
        return None


def _drop(counter: Counter[str], host: str | None) -> None:
    if host is not None:
        counter[host] -= 1
        if counter[host] <= 0:
            del counter[host]


def _listen_error(address: Address, error: OSError) -> ConnectionFailedError:
    if error.errno == errno.EADDRINUSE:
        reason = "the port is in use; stop what has it, or set another TcpOptions(listen=...)"
    else:
        reason = error.strerror or str(error)
    return ConnectionFailedError(f"tcp: cannot listen at {address}: {reason}", fatal=True)
