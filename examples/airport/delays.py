"""The service `delays`: keeps statistics, and answers what is asked about them."""

import os
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, TypeVar

from bootstrap import bus
from contracts import (
    ARRIVED,
    BY_CARRIER,
    BY_ROUTE,
    CANCELLED,
    DEPARTED,
    EXPORT,
    LONG,
    LONG_DELAY,
    SUMMARY,
    WORST,
    Arrived,
    Cancelled,
    Delays,
    Departed,
    Late,
    Route,
    Row,
    Summary,
)
from store import Store, open_store
from wireloom import (
    Application,
    ClientProxy,
    Controller,
    EventPattern,
    Inject,
    MessagePattern,
    Retry,
    RpcError,
    fixed,
    provide,
)

T = TypeVar("T")
PATIENT = Retry(attempts=60, backoff=fixed(0.1, 0.2, 0.5))
"""`notices` may be away for a while."""


@Controller()
class Figures:
    """What it is told is kept before it is acknowledged, once, however often it comes."""

    def __init__(self, store: Store, bus: Annotated[ClientProxy, Inject("bus")]) -> None:
        self._store = store
        self._bus = bus

    @EventPattern(DEPARTED, ordered=True)
    async def departed(self, flight: Departed) -> None:
        self._store.add(flight)

    @EventPattern(CANCELLED)
    async def cancelled(self, flight: Cancelled) -> None:
        self._store.add(flight)

    @EventPattern(ARRIVED, ordered=True, retry=PATIENT)
    async def arrived(self, flight: Arrived) -> None:
        if flight.delay >= LONG:
            await self._bus.emit(LONG_DELAY, late(flight), uid=flight.id, require_route=True)
        self._store.add(flight)

    @MessagePattern(BY_CARRIER)
    async def by_carrier(self, carrier: str) -> Delays:
        return known(self._store.carrier(carrier), f"carrier {carrier!r}")

    @MessagePattern(BY_ROUTE)
    async def by_route(self, route: Route) -> Delays:
        return known(self._store.route(route), f"route {route.origin}-{route.destination}")

    @MessagePattern(WORST)
    async def worst(self, day: date) -> Late:
        return known(self._store.worst(day.isoformat()), f"arrival of the flights of {day}")

    @MessagePattern(SUMMARY)
    async def summary(self) -> Summary:
        return self._store.summary()

    @MessagePattern(EXPORT)
    async def export(self) -> AsyncIterator[Row]:
        for row in self._store.rows():
            yield row


def late(flight: Arrived) -> Late:
    return Late(
        id=flight.id,
        carrier=flight.carrier,
        number=flight.number,
        origin=flight.origin,
        destination=flight.destination,
        delay=flight.delay,
    )


def known(found: T | None, what: str) -> T:
    if found is None:
        raise RpcError(f"there is no {what}", code="NOT_FOUND", details={"wanted": what})
    return found


def make() -> Application:
    return Application(
        "delays",
        controllers=[Figures],
        providers=[
            open_store,
            provide(value=os.environ.get("AIRPORT_STORE", "delays.sqlite"), token="STORE"),
        ],
        transports={"bus": bus("delays")},
        emits=[LONG_DELAY],
    )
