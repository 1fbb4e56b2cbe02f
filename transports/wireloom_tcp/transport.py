"""The TCP transport: what the core sees of a node."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar, Final

from wireloom.errors import (
    ClosedError,
    NoHandlerError,
    PayloadTooLargeError,
    PublishError,
    TransportError,
)
from wireloom.pattern import PatternIndex
from wireloom.spi import (
    Capabilities,
    Context,
    DeadLetters,
    Declaration,
    Environment,
    Intake,
    Kind,
    Message,
    Receipt,
    Receive,
    Subscriber,
    Subscription,
    Transport,
    TransportOptions,
)
from wireloom_tcp.context import TcpContext
from wireloom_tcp.inlet import Inlet
from wireloom_tcp.node import Node
from wireloom_tcp.options import TcpOptions

__all__ = ["TcpTransport"]

_SENT: Final = Receipt("", TcpOptions.kind, routed=True)
"""What publishing a request returns: one for all, since its answer is what tells of it."""
PROBE: Final = 5.0
"""Seconds that peers have to answer a probe."""


class TcpTransport(Transport):
    """A node among nodes: no broker, each process connected to those it is told of."""

    kind: ClassVar[str] = TcpOptions.kind
    options_type: ClassVar[type[TransportOptions]] = TcpOptions
    context_type: ClassVar[type[Context]] = TcpContext
    tells_lost_requests: ClassVar[bool] = True
    capabilities: ClassVar[Capabilities] = Capabilities(
        redelivers=True,
        cancels_unanswered=True,
        notes={"redelivers": "on a lost connection"},
    )

    def __init__(self, options: TcpOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        self._options = options
        self._node: Node | None = None
        self._sizes: PatternIndex[int] = PatternIndex()

    @property
    def address(self) -> str | None:
        """Return where it listens, `host:port`; None if it does not, or not yet."""
        return None if self._node is None else self._node.address

    async def connect(self) -> None:
        """Listen, and begin to connect. Addresses that are not there are tried on and on.

        :raises ConnectionFailedError: if it cannot listen, or a peer will not let us in; fatal.
        """
        node = self._node = Node(self._options, self.environment)
        try:
            await node.open()
        except BaseException:
            self._node = None
            await node.close()
            raise

    async def close(self) -> None:
        """Say goodbye, hand over what was published, and close."""
        node, self._node = self._node, None
        if node is not None:
            await node.close()

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """Note limits of message sizes: nothing is stored that others could apply to."""
        for declaration in declarations:
            if declaration.limits.message_size is not None:
                self._sizes.add(declaration.pattern, declaration.limits.message_size)

    def try_publish(self, message: Message) -> bool:
        """Send a request at once if one member handles it and has room."""
        node = self._node
        if node is None or message.kind is not Kind.REQUEST:
            return False
        offers = node.hub.routes.requests(message.address)
        if len(offers) != 1:
            return False
        offer = offers[0]
        try:
            return offer.member.request(message, offer)
        except ValueError as error:
            raise PublishError(f"{message!r}: {error}") from None

    async def publish(self, message: Message) -> Receipt:
        """Send one message; an event's peers have accepted it on return.

        :raises NoHandlerError: for a request that nobody handles.
        :raises TransportError: if it was not taken, or that is unknown.
        """
        node = self._node
        if node is None:
            raise ClosedError("tcp: not connected")
        if message.kind is Kind.REQUEST:
            if not self.try_publish(message):
                await self._request(node, message)
            return _SENT
        if message.kind is Kind.EVENT:
            if self._sizes:
                self._check_size(message)
            return await node.hub.outbox.publish(message)
        self._to_inbox(node, message)
        return _SENT

    async def publish_many(self, messages: Sequence[Message]) -> list[Receipt | TransportError]:
        """Publish in this order, all under way at once."""
        outcomes = await asyncio.gather(
            *(self.publish(message) for message in messages), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, TransportError):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, (Receipt, TransportError))]

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Take messages; peers are told at once."""
        node = self._required()
        return _Subscriber(node, await node.subscribe(subscription, intake))

    async def open_inbox(self, receive: Receive) -> str:
        """Take answers, which come by the connection that their request went by."""
        hub = self._required().hub
        hub.receive = receive
        return hub.inbox

    async def probe(self) -> None:
        """Ask every peer for a sign of life.

        :raises TransportError: if one does not answer.
        """
        node = self._required()
        if not await node.ask_peers(PROBE):
            raise TransportError(f"tcp: a peer did not answer in {PROBE:g} s")

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up in this process."""
        return self._required().hub.dead_letters

    def unwrap(self) -> Node | None:
        """Return the node; None before `connect`."""
        return self._node

    def _required(self) -> Node:
        if self._node is None:
            raise ClosedError("tcp: not connected")
        return self._node

    async def _request(self, node: Node, message: Message) -> None:
        """Send a request when there is somebody with room for it."""
        routes = node.hub.routes
        while True:
            offers = routes.requests(message.address)
            if not offers:
                await self._wait_for_handler(node, message)
                continue
            offer = routes.pick(offers)
            try:
                if offer.member.request(message, offer):
                    return
                if await offer.member.wait_for_room():
                    offer.member.request(message, offer, waited=True)
                    return
            except ValueError as error:
                raise PublishError(f"{message!r}: {error}") from None

    async def _wait_for_handler(self, node: Node, message: Message) -> None:
        """Wait for a connection that is being restored; its peer may be the one.

        :raises NoHandlerError: if there is none, or it did not come back in time.
        """
        address, routes = message.address, node.hub.routes
        try:
            async with asyncio.timeout(self._options.route_wait):
                while node.missing and not routes.requests(address):
                    await node.wait_for_news()
        except TimeoutError:
            missing = ", ".join(node.missing)
            raise NoHandlerError(
                f"nobody handles {address!r} here; not connected: {missing}"
            ) from None
        if not routes.requests(address):
            raise NoHandlerError(f"nobody handles {address!r}")

    def _to_inbox(self, node: Node, message: Message) -> None:
        """Send credit or a cancellation to whoever runs the request. One that ended is no error."""
        found = node.hub.requests.get(message.id)
        if found is None:
            return
        caller, stream = found
        if message.kind is Kind.CANCEL:
            caller.cancel(stream, message)
        elif message.kind is Kind.CREDIT:
            caller.credit(stream, message)

    def _check_size(self, message: Message) -> None:
        for limit in self._sizes.find(message.address):
            if len(message.body) > limit:
                raise PayloadTooLargeError(len(message.body), limit)


class _Subscriber(Subscriber):
    """A subscription that peers know of."""

    def __init__(self, node: Node, inlet: Inlet) -> None:
        self._node = node
        self._inlet = inlet

    async def stop(self) -> None:
        """Take nothing more. What was taken can still be settled."""
        self._node.unsubscribe(self._inlet)
