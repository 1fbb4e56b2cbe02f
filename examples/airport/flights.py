"""The service `flights`: replays what was recorded, as events."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from bootstrap import bus
from contracts import REPLAY, TOTAL, Progress
from records import read
from timeline import Happening, timeline
from wireloom import (
    Application,
    ClientProxy,
    Controller,
    Inject,
    MessagePattern,
    RpcError,
    TransportError,
    provide,
)

AT_ONCE = 200
"""Events that are under way together; those of one aircraft one after another."""
PATIENCE = 60.0
"""Seconds for which an event is offered again while nobody takes it."""
PAUSE = 0.25
"""Seconds between two offers."""


@dataclass(frozen=True)
class Script:
    """What is replayed."""

    happenings: Sequence[Happening]


@Controller()
class Flights:
    def __init__(self, script: Script, bus: Annotated[ClientProxy, Inject("bus")]) -> None:
        self._script = script
        self._bus = bus
        self._held_up = 0

    @MessagePattern(TOTAL)
    async def total(self) -> int:
        return len(self._script.happenings)

    @MessagePattern(REPLAY, timeout=None)
    async def replay(self) -> AsyncIterator[Progress]:
        done, total = 0, len(self._script.happenings)
        for start in range(0, total, AT_ONCE):
            chunk = self._script.happenings[start : start + AT_ONCE]
            await self._emit_all(chunk)
            done += len(chunk)
            yield Progress(done=done, total=total, held_up=self._held_up)

    async def _emit_all(self, chunk: Sequence[Happening]) -> None:
        lanes: dict[str, list[Happening]] = defaultdict(list)
        for happening in chunk:
            lanes[happening.lane].append(happening)
        async with asyncio.TaskGroup() as group:
            for lane in lanes.values():
                group.create_task(self._emit_in_order(lane))

    async def _emit_in_order(self, lane: Sequence[Happening]) -> None:
        for happening in lane:
            await self._emit(happening)

    async def _emit(self, happening: Happening) -> None:
        """Emit one event; wait for somebody to take it, as `delays` may be away for a while."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._taken(happening):
                    self._held_up += 1
                    await asyncio.sleep(PAUSE)
        except TimeoutError:
            raise RpcError("nobody takes events any more", code="UNAVAILABLE") from None

    async def _taken(self, happening: Happening) -> bool:
        try:
            await self._bus.emit(
                happening.event, happening.payload, uid=happening.uid, require_route=True
            )
        except TransportError:  # nobody there, or it is not known: the same id again is one event
            return False
        return True


def make() -> Application:
    return Application(
        "flights",
        controllers=[Flights],
        providers=[provide(Script(timeline(read())))],
        transports={"bus": bus("flights")},
    )
