"""A node: where it listens, whom it is connected to, what it serves."""

import asyncio
import logging
from typing import Final

from wireloom.errors import ClosedError, TransportError
from wireloom.spi import DeadLetter, Environment, Intake, Kind, Message, Status, Subscription
from wireloom_tcp.addresses import Address
from wireloom_tcp.connections import Connections
from wireloom_tcp.dead_letters import DeadLetterStore
from wireloom_tcp.deliveries import EventDelivery
from wireloom_tcp.dialler import Dialler
from wireloom_tcp.hub import Hub
from wireloom_tcp.inlet import Inlet
from wireloom_tcp.local import Here, Replayed
from wireloom_tcp.options import TcpOptions
from wireloom_tcp.owned import Owned
from wireloom_tcp.peer import Peer
from wireloom_tcp.tls import dialling_context
from wireloom_tcp.watch import Watch

__all__ = ["Node"]

_log = logging.getLogger("wireloom.tcp")
FIRST_ATTEMPTS: Final = 1.0
"""Seconds that the start gives first attempts, so that a peer that is there is connected to."""
TELLING: Final = 1.0
"""Seconds that peers get to take note of a new subscription."""
CLOSING: Final = 1.0
"""Seconds that sockets get to close before they are cut."""


class Node:
    """One token's place among others. Made on the loop it lives on; opened once, closed once."""

    def __init__(self, options: TcpOptions, environment: Environment) -> None:
        letters = DeadLetterStore(options.max_dead_letters, options.pending_bytes, self._replay)
        self.hub = Hub(options, environment, letters)
        self.connections = Connections(self.hub, tasks := Owned(self._failed), self._news)
        self._tasks = tasks
        self._here = Here(self.hub)
        self._watch = Watch(self.hub, lambda: self.connections.links)
        self._diallers: list[Dialler] = []
        self._pumps: dict[Inlet, asyncio.Task[None]] = {}
        self._lasting: set[int] = set()
        self._news_waiters: set[asyncio.Future[None]] = set()
        self._open = False
        self._closed = False

    @property
    def address(self) -> str | None:
        """Return where it listens, `host:port`; None if it does not."""
        return self.connections.listener.address

    @property
    def peers(self) -> list[Peer]:
        """Return whoever is connected and has greeted."""
        return list(self.connections.peers)

    @property
    def missing(self) -> list[str]:
        """Return the addresses that should be connected and are not."""
        return [str(dialler.address) for dialler in self._diallers if not dialler.up]

    async def open(self) -> None:
        """Listen, and begin to connect. Waits for first attempts, for a moment only.

        :raises ConnectionFailedError: if it cannot listen, or a peer will not let us in.
        :raises ConfigurationError: if a certificate cannot be used.
        :raises ClosedError: if it is closed meanwhile.
        """
        options = self.hub.options
        listen, connect = self._addresses()
        tls = dialling_context(options) if connect else None
        if listen is not None:
            await self.connections.listener.open(listen)
        if self._closed:
            await self.connections.listener.close()
            raise ClosedError("tcp: it was closed while it connected")
        self._watch.start()
        for address in connect:
            for _ in range(options.connections):
                self._dial(Dialler(self.hub, address, tls, self.connections.dialled, self._news))
        await self._first_attempts()
        self._open = True
        self._news()

    async def close(self) -> None:
        """Say goodbye, hand over what was published, and close; bounded in time."""
        if self._closed:
            return
        self._closed = True
        await self.connections.listener.close()
        for peer in self.peers:
            peer.go_away()
        await self.hub.outbox.flush(self.hub.options.drain_timeout)
        self._watch.stop()
        await self._tasks.close(CLOSING)
        self.hub.outbox.close()
        for inlet in list(self.hub.inlets.values()):
            self.hub.close_inlet(inlet)
        await self._close_links()

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Inlet:
        """Take messages; every peer knows on return, unless it is slow to say so.

        :raises TransportError: if its names are too long for a frame.
        """
        inlet = self.hub.open_inlet(subscription, intake)
        interest = inlet.interest
        try:
            interest.encode()
        except ValueError as error:
            self.hub.close_inlet(inlet)
            raise TransportError(f"{subscription.where}: {error}") from None
        self._pumps[inlet] = self._tasks.start(inlet.run(), f"wireloom tcp: {interest.name}")
        if not subscription.ephemeral:
            self._lasting.add(interest.number)
            self.connections.leaving = False
        self.hub.routes.add(self._here, interest)
        for peer in self.peers:
            peer.tell(interest)
        self._wake()
        self.hub.outbox.kick()
        await self.ask_peers(TELLING)
        return inlet

    async def ask_peers(self, timeout: float) -> bool:
        """Ask every peer for a sign of life; tell whether all gave it within so many seconds."""
        pings = [peer.ping() for peer in self.peers]
        try:
            async with asyncio.timeout(timeout):
                outcomes = await asyncio.gather(*pings, return_exceptions=True)
        except TimeoutError:
            return False
        return not any(isinstance(outcome, BaseException) for outcome in outcomes)

    def unsubscribe(self, inlet: Inlet) -> None:
        """Take nothing more there. After the last lasting subscription the node is going away."""
        if inlet.stopped:
            return
        interest = inlet.interest
        self.hub.routes.remove(self._here, interest.number)
        self._pumps.pop(inlet).cancel()
        for peer in self.peers:
            peer.withdraw(interest)
        self.hub.close_inlet(inlet)
        if interest.number in self._lasting:
            self._lasting.discard(interest.number)
            if not self._lasting:
                self.connections.leaving = True
                for peer in self.peers:
                    peer.go_away()

    async def wait_for_news(self) -> None:
        """Wait until a peer or a subscription has come, or a connection changed."""
        waiter = self.hub.loop.create_future()
        self._news_waiters.add(waiter)
        try:
            await waiter
        finally:
            self._news_waiters.discard(waiter)

    def _addresses(self) -> tuple[Address | None, tuple[Address, ...]]:
        """Return where to listen and what to connect to. A node that only calls never listens; the
        address of its URL is whom it calls.
        """
        options = self.hub.options
        listen, connect = options.listen_address, options.connect_addresses
        if self.hub.environment.serves:
            return listen, connect
        return None, connect or ((listen,) if listen is not None else ())

    def _dial(self, dialler: Dialler) -> None:
        self._diallers.append(dialler)
        self._tasks.start(dialler.run(), f"wireloom tcp: {dialler.address}")

    async def _first_attempts(self) -> None:
        waits = [asyncio.ensure_future(dialler.tried.wait()) for dialler in self._diallers]
        try:
            if waits:
                await asyncio.wait(waits, timeout=FIRST_ATTEMPTS)
        finally:
            for wait in waits:
                wait.cancel()
        for dialler in self._diallers:
            if dialler.error is not None and dialler.error.fatal:
                raise dialler.error

    async def _close_links(self) -> None:
        links = self.connections.links
        for link in links:
            link.close()
        waits = [asyncio.ensure_future(link.wait_closed()) for link in links]
        if waits:
            _, late = await asyncio.wait(waits, timeout=CLOSING)
            for link in links if late else ():
                link.abort()
            if late:
                await asyncio.wait(late, timeout=CLOSING)

    def _news(self) -> None:
        self._wake()
        if self._open and not self._closed:
            self._report()

    def _wake(self) -> None:
        for waiter in self._news_waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _report(self) -> None:
        down = [dialler for dialler in self._diallers if not dialler.up]
        report = self.hub.environment.report
        if not down:
            report(Status.CONNECTED, None)
            return
        fatal = next((one.error for one in down if one.error and one.error.fatal), None)
        if fatal is not None:
            report(Status.FAILED, fatal)
        else:
            report(Status.RECONNECTING, down[0].error)

    def _failed(self, error: BaseException) -> None:
        _log.critical("a task of the TCP transport ended: a bug in Wireloom", exc_info=error)
        if isinstance(error, Exception) and not self._closed:
            self.hub.environment.report(Status.FAILED, error)

    def _replay(self, letter: DeadLetter) -> None:
        for inlet in self.hub.inlets.values():
            if inlet.interest.name == letter.subscription:
                break
        else:
            raise TransportError(f"{letter.subscription!r} is not subscribed in this process")
        message = Message(
            Kind.EVENT,
            letter.address,
            letter.body,
            letter.headers,
            letter.message_id,
            key=letter.key,
        )
        source = Replayed(self.hub, letter.subscription, message)
        delivery = EventDelivery(message, inlet, source, self.hub.dead_letters)
        delivery.replayed = True
        inlet.put(delivery)
