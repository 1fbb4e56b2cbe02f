"""What a transport does unless it says otherwise, and that its smallest form is small."""

from collections.abc import Sequence
from typing import Any

from wireloom import NoHandlerError, PublishError
from wireloom.errors import TransportError
from wireloom.spi import (
    Capabilities,
    DeadLetters,
    Environment,
    Intake,
    Kind,
    Message,
    Receipt,
    Receive,
    Subscriber,
    Subscription,
    SystemClock,
    Transport,
)


class Sink(Transport):
    """Takes everything but what is called "bad"."""

    kind = "sink"
    capabilities = Capabilities()

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, message: Message) -> Receipt:
        if message.address == "bad":
            raise PublishError("no")
        return Receipt(message.id, self.kind)

    async def subscribe(self, subscription: Subscription, intake: Intake) -> Subscriber:
        raise NotImplementedError

    async def open_inbox(self, receive: Receive) -> str:
        return "inbox"

    @property
    def dead_letters(self) -> DeadLetters:
        raise NotImplementedError

    def unwrap(self) -> object:
        return None


def sink() -> Sink:
    environment = Environment(
        group="g",
        instance="i",
        token="t",
        serves=True,
        clock=SystemClock(),
        report=lambda status, error: None,
    )
    return Sink(None, environment)


def message(address: str) -> Message:
    return Message(Kind.EVENT, address, b"", {}, address)


async def test_publishing_many_publishes_each_and_tells_what_became_of_it() -> None:
    outcomes = await sink().publish_many([message("a"), message("bad"), message("b")])
    kinds: Sequence[type[Any]] = [Receipt, PublishError, Receipt]
    assert [type(outcome) for outcome in outcomes] == kinds


async def test_transport_without_a_fast_path_or_topology_has_nothing_to_add() -> None:
    transport = sink()
    assert transport.try_publish(message("a")) is False
    assert await transport.plan([], []) == []
    assert await transport.apply([], []) == []
    assert transport.permissions([], []) == []
    await transport.declare([])
    await transport.probe()


def test_no_handler_is_no_transport_failure() -> None:
    assert not issubclass(NoHandlerError, TransportError)
