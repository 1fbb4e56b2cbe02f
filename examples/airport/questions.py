"""Travellers: they ask for figures all the time, while the replay goes on."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from contracts import BY_CARRIER, BY_ROUTE, WORST, Route
from expected import Expected
from wireloom import ClientProxy, NoHandlerError, RequestTimeoutError, RpcError, WireloomError

TRAVELLERS = 4
PAUSE = 0.02
"""Seconds between an answer and the next question."""
NO_CARRIER = "ZZ"
AWAY = frozenset({"UNAVAILABLE", "UNIMPLEMENTED", "DEADLINE_EXCEEDED", "CONNECTION_LOST"})
"""What a question is answered with when `delays` is away."""


@dataclass
class Answers:
    """What became of the questions."""

    latencies: list[float] = field(default_factory=list)
    """Seconds, of those that `delays` answered, by an error of its own too."""
    errors: Counter[str] = field(default_factory=Counter)
    """By code."""
    nonsense: int = 0
    """Questions after a carrier that does not exist, which were answered."""

    def percentile(self, percent: float) -> float:
        """Return the latency that so many percent did not exceed, in seconds."""
        ranked = sorted(self.latencies)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))] if ranked else 0.0


def code_of(error: WireloomError) -> str:
    if isinstance(error, RpcError):
        return str(error.code)
    if isinstance(error, NoHandlerError):
        return "UNIMPLEMENTED"
    return "DEADLINE_EXCEEDED" if isinstance(error, RequestTimeoutError) else "CONNECTION_LOST"


class Travellers:
    """Ask until they are stopped."""

    def __init__(self, bus: ClientProxy, expected: Expected) -> None:
        self._bus = bus
        self._carriers = sorted(expected.carriers)
        self._routes = sorted(expected.routes)
        self._days = sorted(expected.worst)
        self.answers = Answers()

    async def ask(self) -> None:
        """Ask in turn, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for seed in range(TRAVELLERS):
                group.create_task(self._ask_on(random.Random(seed)), name=f"traveller {seed}")

    async def _ask_on(self, choices: random.Random) -> None:
        while True:
            nonsense = choices.random() < 0.05
            began = perf_counter()
            try:
                await self._question(choices, nonsense=nonsense)
            except WireloomError as error:
                code = code_of(error)
                self.answers.errors[code] += 1
                if code in AWAY:
                    await asyncio.sleep(0.05)
                    continue
            self.answers.latencies.append(perf_counter() - began)
            self.answers.nonsense += nonsense
            await asyncio.sleep(PAUSE)

    def _question(self, choices: random.Random, *, nonsense: bool) -> Coroutine[Any, Any, Any]:
        if nonsense:
            return self._bus.send(BY_CARRIER, NO_CARRIER)
        kind = choices.randrange(3)
        if kind == 0:
            return self._bus.send(BY_CARRIER, choices.choice(self._carriers))
        if kind == 1:
            origin, destination = choices.choice(self._routes)
            return self._bus.send(BY_ROUTE, Route(origin=origin, destination=destination))
        return self._bus.send(WORST, choices.choice(self._days))
