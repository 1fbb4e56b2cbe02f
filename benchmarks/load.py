"""The load of clients that await one call at a time in each of several tasks."""

import asyncio
from collections.abc import Awaitable, Callable


async def drive(call: Callable[[], Awaitable[object]], in_flight: int, seconds: float) -> float:
    """Keep `in_flight` calls going for `seconds`; return how many ended in a second.

    A failed call fails the measurement.
    """
    loop = asyncio.get_running_loop()
    started = loop.time()
    deadline = started + seconds
    done = 0

    async def caller() -> None:
        nonlocal done
        while loop.time() < deadline:
            await call()
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(caller())
    return done / (loop.time() - started)
