"""The service `notices`: tells passengers about long delays."""

from collections import Counter
from typing import Annotated

from reactivex import Observable
from reactivex import operators as ops

from bootstrap import bus
from contracts import (
    BY_CARRIER,
    CANCELLED_AT,
    EXPORT,
    LONG_DELAY,
    NOTICES,
    Late,
    Notice,
    Row,
)
from wireloom import (
    Application,
    ClientProxy,
    Controller,
    EventPattern,
    Inject,
    MessagePattern,
    Retry,
    fixed,
)

PATIENT = Retry(attempts=60, backoff=fixed(0.1, 0.2, 0.5))
"""`delays` may be away for a while."""


@Controller()
class Desk:
    def __init__(self, bus: Annotated[ClientProxy, Inject("bus")]) -> None:
        self._bus = bus
        self._notices: dict[str, Notice] = {}

    @EventPattern(LONG_DELAY, retry=PATIENT)
    async def long_delay(self, flight: Late) -> None:
        so_far = await self._bus.send(BY_CARRIER, flight.carrier)
        self._notices[flight.id] = Notice(
            flight=flight.id,
            text=f"{flight.carrier} {flight.number} from {flight.origin} to {flight.destination} "
            f"is {flight.delay} minutes late; flights of {flight.carrier} so far: "
            f"{so_far.mean:+.0f} minutes, {so_far.cancelled} cancelled",
        )

    @MessagePattern(NOTICES)
    async def all(self) -> list[Notice]:
        return list(self._notices.values())

    @MessagePattern(CANCELLED_AT)
    async def cancelled_at(self) -> dict[str, int]:
        """Count over the export as an observable: nothing is asked for until it is awaited."""
        rows: Observable[Row] = self._bus.send_as_observable(EXPORT)
        none: Counter[str] = Counter()
        counts: Counter[str] = await rows.pipe(ops.filter(is_cancelled), ops.reduce(counted, none))
        return dict(counts)


def is_cancelled(row: Row) -> bool:
    return row.cancelled


def counted(counts: Counter[str], row: Row) -> Counter[str]:
    return counts + Counter([row.origin])


def make() -> Application:
    return Application("notices", controllers=[Desk], transports={"bus": bus("notices")})
