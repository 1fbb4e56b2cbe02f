"""What the framework itself costs a message: no socket, no broker, pydantic's own time subtracted.

    python -m benchmarks.framework_cost

Deliveries are put straight into a handler's intake on the memory transport, in bursts of 64, and
each is run, answered or acknowledged as in production. Subtracted is the same work without a
framework: validate the body, await the handler, write its answer. Processor time of this process,
best of several rounds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter

from wireloom import Application, EventPattern, MessagePattern, provide
from wireloom.spi import Delivery, Kind, Message
from wireloom_memory import MemoryOptions

ROUNDS = 7
MESSAGES = 20_000
BURST = 64


class Order(BaseModel):
    """A small payload."""

    id: int
    item: str


ORDERS = TypeAdapter(Order)
BODY = b'{"id":1,"item":"lamp"}'
HEADERS = {"content-type": "application/json", "wl-deadline-ms": "10000"}


class Scoped:
    """Something that is made for each call."""


class _Delivery(Delivery):
    """A delivery whose answer and acknowledgement cost nothing."""

    __slots__ = ()

    def try_reply(self, message: Message) -> bool:
        """Take the answer."""
        return True

    async def ack(self) -> None:
        """Take the acknowledgement."""


@MessagePattern("order.echo")
async def echo(order: Order) -> Order:
    """Answer with the payload."""
    return order


@EventPattern("order.placed")
async def placed(order: Order) -> None:
    """Do nothing."""


@MessagePattern("order.scoped")
async def scoped(order: Order, thing: Scoped) -> Order:
    """Answer with the payload, having had something made."""
    assert isinstance(thing, Scoped)
    return order


async def bare_request() -> None:
    """The request without a framework."""
    ORDERS.serializer.to_json(await echo(ORDERS.validator.validate_json(BODY)))


async def bare_event() -> None:
    """The event without a framework."""
    await placed(ORDERS.validator.validate_json(BODY))


async def best(work: Callable[[], Awaitable[Any]], messages: int) -> float:
    """Return microseconds a message, the best of several rounds."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        await work()
        times.append((time.process_time() - started) / messages * 1e6)
    return min(times)


async def through(app: Application, kind: Kind, address: str) -> float:
    """Return microseconds a message through an application's intake."""
    serving = next(
        one for one in app.servers[0].serving if one.endpoint.origin.pattern.text == address
    )
    reply_to = "inbox" if kind is Kind.REQUEST else None

    async def burst() -> None:
        for _ in range(MESSAGES // BURST):
            for _ in range(BURST):
                serving.intake.put(
                    _Delivery(Message(kind, address, BODY, HEADERS, "1", reply_to=reply_to))
                )
            await serving.intake.wait_until_empty()

    return await best(burst, MESSAGES)


async def repeat(work: Callable[[], Awaitable[None]]) -> float:
    """Return microseconds for one call."""

    async def calls() -> None:
        for _ in range(MESSAGES):
            await work()

    return await best(calls, MESSAGES)


async def main() -> None:
    """Measure and print."""
    app = Application(
        "cost",
        handlers=[echo, placed, scoped],
        providers=[provide(Scoped, scope="request")],
        transports={"main": MemoryOptions(broker="framework-cost")},
    )
    async with app:
        bare = await repeat(bare_request), await repeat(bare_event)
        rows = [
            ("request", await through(app, Kind.REQUEST, "order.echo"), bare[0]),
            ("event", await through(app, Kind.EVENT, "order.placed"), bare[1]),
            (
                "request, one request-scoped object",
                await through(app, Kind.REQUEST, "order.scoped"),
                bare[0],
            ),
        ]
    print(f"{'':36s}{'through Wireloom':>18s}{'without':>10s}{'framework':>11s}")
    for name, with_it, without in rows:
        print(f"{name:36s}{with_it:15.2f} us{without:7.2f} us{with_it - without:8.2f} us")


if __name__ == "__main__":
    asyncio.run(main())
