"""One side of a Python case, in a process of its own, on uvloop.

    python -m benchmarks.worker serve <module> <port>
    python -m benchmarks.worker measure <module> <port> <warm-up> <seconds> <in flight>...

The second prints requests per second as JSON, one number for each count in flight.
"""

import importlib
import json
import sys
from typing import Protocol, cast

import uvloop


class Sides(Protocol):
    """What a case's module has."""

    async def serve(self, port: int) -> None:
        """Answer on 127.0.0.1:`port` until cancelled."""

    async def measure(self, port: int, in_flight: int, seconds: float) -> float:
        """Connect, keep `in_flight` requests going for `seconds`; answers per second."""


async def _measure(sides: Sides, port: int, *plan: float) -> dict[int, float]:
    warm_up, seconds, *counts = plan
    await sides.measure(port, int(counts[-1]), warm_up)
    return {int(count): await sides.measure(port, int(count), seconds) for count in counts}


def main() -> None:
    """Run one side."""
    role, module, port, *plan = sys.argv[1:]
    sides = cast(Sides, importlib.import_module(module))
    if role == "serve":
        uvloop.run(sides.serve(int(port)))
    else:
        rates = uvloop.run(_measure(sides, int(port), *map(float, plan)))
        print(json.dumps(rates))


if __name__ == "__main__":
    main()
