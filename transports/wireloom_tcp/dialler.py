"""Keeping one connection to one address."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from typing import Final

from wireloom.errors import ConnectionFailedError
from wireloom.spi import FullJitter
from wireloom_tcp.addresses import Address
from wireloom_tcp.frames import Code, ProtocolError
from wireloom_tcp.greeting import PeerError
from wireloom_tcp.hub import Hub
from wireloom_tcp.link import Link

__all__ = ["Attempt", "Dialler"]

_log = logging.getLogger("wireloom.tcp")
HEALTHY: Final = 10.0
"""Seconds after which a connection was good, and the next wait begins small again."""
_TLS_HINT: Final = "; it may ask for a certificate (tls_certificate, tls_key)"
_PLAIN_HINT: Final = "; it may speak TLS (tls=True)"
_FATAL: Final = frozenset({Code.UNAUTHENTICATED, Code.WRONG_NAMESPACE, Code.UNSUPPORTED_VERSION})


class Attempt:
    """One connection that this side opened, from the socket to its end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Future[None] = loop.create_future()
        """Done when the peer has said what it takes."""
        self.over = asyncio.Event()
        """Set when it takes nothing new any more: it was lost, or is going away."""
        self.link: Link | None = None
        self.error: Exception | None = None

    def end(self, error: Exception | None) -> None:
        """Note the end, or that the peer is going away."""
        self.error = error
        self.over.set()
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionResetError("it ended during the greeting"))
            self.ready.exception()  # whoever waited may have given up already


class Dialler:
    """Connects to one address, again and again, for as long as its task runs.

    `make` gives a link for an attempt; `on_change` is called whenever `up` or `error` change.
    """

    def __init__(
        self,
        hub: Hub,
        address: Address,
        tls: ssl.SSLContext | None,
        make: Callable[[Attempt], Link],
        on_change: Callable[[], None],
    ) -> None:
        self.address = address
        self.up = False
        self.error: ConnectionFailedError | None = None
        self.tried = asyncio.Event()
        """Set once the first attempt has ended, well or not."""
        self._hub = hub
        self._tls = tls
        self._make = make
        self._on_change = on_change
        self._leaving: Link | None = None

    async def run(self) -> None:
        """Keep the connection up until cancelled."""
        options = self._hub.options
        jitter = FullJitter(first=options.reconnect_first, cap=options.reconnect_cap)
        while True:
            attempt = Attempt(self._hub.loop)
            try:
                await self._connect(attempt)
            except ConnectionFailedError as error:
                self._change(up=_is_self(error), error=error)
            else:
                began = self._hub.loop.time()
                self._change(up=True, error=None)
                await attempt.over.wait()
                if self._hub.loop.time() - began > HEALTHY:
                    jitter.reset()
                self._let_go(attempt)
            self.tried.set()
            await asyncio.sleep(jitter.next())

    async def _connect(self, attempt: Attempt) -> None:
        """Make one attempt, all addresses that the name has now, in random order.

        :raises ConnectionFailedError: if there is no peer; `fatal` if it will not let us in.
        """
        timeout = self._hub.options.connect_timeout
        try:
            async with asyncio.timeout(timeout):
                await self._open(attempt)
                await attempt.ready
        except TimeoutError:
            error: Exception = TimeoutError(f"no answer in {timeout:g} s")
        except (OSError, PeerError, ProtocolError, UnicodeError) as failure:
            error = failure
        else:
            self.tried.set()
            return
        if attempt.link is not None:
            attempt.link.abort(error)
        text = f"tcp: {self.address}: {_reason(error)}"
        if attempt.link is not None and isinstance(error, ConnectionResetError):
            text += " during the greeting"
            text += _TLS_HINT if self._tls else _PLAIN_HINT
        raise ConnectionFailedError(text, fatal=_is_fatal(error)) from error

    async def _open(self, attempt: Attempt) -> None:
        loop = self._hub.loop
        found = await loop.getaddrinfo(self.address.host, self.address.port, type=1)
        places = sorted({entry[4][:2] for entry in found}, key=lambda _: random.random())  # noqa: S311 - to spread load
        name = (self._hub.options.tls_hostname or self.address.host) if self._tls else None
        for position, (host, port) in enumerate(places):
            try:
                _, attempt.link = await loop.create_connection(
                    lambda: self._make(attempt),
                    str(host),
                    int(port),
                    ssl=self._tls,
                    server_hostname=name,
                )
            except OSError:
                if position == len(places) - 1:
                    raise
            else:
                _refuse_itself(attempt.link)
                return

    def _let_go(self, attempt: Attempt) -> None:
        """Leave a peer that is going away its time, but hold no more than one such connection."""
        link = attempt.link
        reason = attempt.error or "the peer is going away"
        self._change(up=False, error=ConnectionFailedError(f"tcp: {self.address}: {reason}"))
        if link is not None and not link.closed:
            if self._leaving is not None and not self._leaving.closed:
                link.close()
            else:
                self._leaving = link

    def _change(self, *, up: bool, error: ConnectionFailedError | None) -> None:
        if error is not None and str(error) != str(self.error or ""):
            # That it was connected until now is news; that it still is not, a warning.
            _log.log(logging.INFO if self.up else logging.WARNING, "%s", error)
        elif up and not self.up:
            _log.info("connected to %s", self.address)
        self.up = up
        self.error = error
        self._on_change()


def _refuse_itself(link: Link) -> None:
    """Refuse a socket that the system has connected to itself, as it may do on loopback while
    nobody listens: it would keep the listener from its port.

    :raises ConnectionRefusedError: if it is one.
    """
    transport = link.transport
    if transport is not None and transport.get_extra_info("sockname") == transport.get_extra_info(
        "peername"
    ):
        raise ConnectionRefusedError("nobody listens")


def _is_self(error: ConnectionFailedError) -> bool:
    cause = error.__cause__
    return isinstance(cause, PeerError) and cause.code == Code.SELF


def _is_fatal(error: Exception) -> bool:
    if isinstance(error, PeerError):
        return error.code in _FATAL
    if getattr(error, "code", None) in _FATAL:
        return True
    return isinstance(error, ssl.SSLCertVerificationError) or "ALERT" in str(error).upper()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__
