"""The memory transport in the place of another: its kind and context, no broker."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pydantic_core import from_json

from wireloom.discovery import load_transport
from wireloom.errors import RpcError
from wireloom.replies import error_message, told
from wireloom.spi import (
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

__all__ = ["Emitted", "Reply", "Stage", "StandIn", "stand_in"]

Reply = Callable[[Message], AsyncIterator[bytes]]
"""From a request to the bodies of its answer: one, or those of a stream."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """One event that the application published."""

    token: str
    message: Message

    @property
    def address(self) -> str:
        """Return where it was sent to."""
        return self.message.address

    @property
    def headers(self) -> Mapping[str, str]:
        """Return its headers."""
        return self.message.headers

    @property
    def payload(self) -> Any:
        """Return its payload as plain values; None if it has none."""
        return from_json(self.message.body) if self.message.body else None


class Stage:
    """What the stand-ins of one test share."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        """The name of the memory broker they meet at."""
        self.emitted: list[Emitted] = []
        self.fields: dict[str, Any] = {}
        """What contexts show, by property."""
        self.find_reply: Callable[[str, str], tuple[Reply, bool] | None] = lambda *_: None
        """From token and address to the answer of another service, and whether it streams."""


class StandIn(Transport):
    """Carries messages by memory and shows itself as the transport it stands for."""

    stage: ClassVar[Stage]
    observed: ClassVar[bool]
    """Whether what is published here is what the application under test publishes."""

    def __init__(self, options: TransportOptions, environment: Environment) -> None:
        super().__init__(options, environment)
        memory = load_transport("memory")
        # Tokens that would meet at one broker meet here, too; others do not.
        place = options.broker_id() or environment.token
        inner = memory.options_type.from_mapping(
            {"broker": f"{self.stage.broker} {place}", "namespace": options.namespace}
        )
        self._inner = memory(inner, environment)
        self._receive: Receive | None = None

    async def connect(self) -> None:
        """Connect to the broker in process."""
        await self._inner.connect()

    async def close(self) -> None:
        """Disconnect from it."""
        await self._inner.close()

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """Declare there."""
        await self._inner.declare(declarations)

    async def publish(self, message: Message) -> Receipt:
        """Publish there, unless it is a request that the test answers."""
        if message.kind is Kind.REQUEST:
            reply = self.stage.find_reply(self.environment.token, message.address)
            if reply is not None and self._receive is not None:
                await _answer(message, reply, self._receive)
                return Receipt(message.id, self.kind)
        receipt = await self._inner.publish(message)
        if message.kind is Kind.EVENT and self.observed:
            self.stage.emitted.append(Emitted(self.environment.token, message))
        native = self.capabilities.native_dedup
        duplicate = receipt.duplicate if native else None
        return replace(receipt, transport=self.kind, duplicate=duplicate)

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        """Subscribe there; options of the real transport's own mean nothing there."""
        return await self._inner.subscribe(replace(subscription, native=None), intake)

    async def open_inbox(self, receive: Receive) -> str:
        """Listen there."""
        self._receive = receive
        return await self._inner.open_inbox(receive)

    @property
    def dead_letters(self) -> DeadLetters:
        """Return what was given up."""
        return self._inner.dead_letters

    def unwrap(self) -> object:
        """Return the broker in process: there is no native client in a test."""
        return self._inner.unwrap()


def stand_in(real: type[Transport], stage: Stage, *, observed: bool) -> type[Transport]:
    """Return a transport that looks like `real`: its kind, options, context and capabilities."""
    facts = {
        "kind": real.kind,
        "options_type": real.options_type,
        "context_type": _context_type(real.context_type, stage.fields),
        "capabilities": real.capabilities,
        "stage": stage,
        "observed": observed,
    }
    return type(f"StandInFor{real.__name__}", (StandIn,), facts)


def _context_type(real: type[Context], fields: Mapping[str, Any]) -> type[Context]:
    """Return the context with properties that can be set, and are None where they are not and the
    real one needs its own deliveries.
    """
    properties: dict[str, Any] = {"__slots__": ()}
    for cls in real.__mro__[:-1]:
        for name, value in vars(cls).items():
            if isinstance(value, property):
                properties.setdefault(name, _settable(name, value, fields))
    return type(real.__name__, (real,), properties)


def _settable(name: str, real: property, fields: Mapping[str, Any]) -> property:
    def read(context: Context) -> Any:
        if name in fields:
            return fields[name]
        try:
            return real.__get__(context)
        except AttributeError:
            return None

    return property(read)


async def _answer(request: Message, reply: tuple[Reply, bool], receive: Receive) -> None:
    bodies, streams = reply
    address, kind = request.reply_to or "", Kind.ITEM if streams else Kind.REPLY
    try:
        async for body in bodies(request):
            receive(Message(kind, address, body, {}, request.id))
    except Exception as error:  # noqa: BLE001 - whatever the test's answer raises is the answer
        told_error: RpcError = told(error, "test")
        receive(error_message(request, told_error))
    else:
        if streams:
            receive(Message(Kind.END, address, b"", {}, request.id))
