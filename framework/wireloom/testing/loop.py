"""Waiting until an event loop has nothing left to do at once."""

import asyncio
from typing import Final

__all__ = ["idle"]

_ROUNDS: Final = 100
"""Turns given to loops that do not show what is ready."""


async def idle() -> None:
    """Let everything run that is ready, and what that makes ready in turn. Whatever waits for a
    timer, a thread or a socket is not waited for.
    """
    ready = getattr(asyncio.get_running_loop(), "_ready", None)
    if ready is None:
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        return
    await asyncio.sleep(0)
    while ready:  # noqa: ASYNC110 - there is no event for "nothing is ready"
        await asyncio.sleep(0)
