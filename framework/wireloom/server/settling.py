"""Settling that may fail on the way to the broker without ending anything else."""

import logging
from collections.abc import Awaitable

from wireloom.errors import TransportError
from wireloom.link import Link

__all__ = ["settle"]

log = logging.getLogger("wireloom.server")


async def settle(link: Link, subscription: str, outcome: Awaitable[None]) -> bool:
    """Await a settlement; tell whether the broker has it. If not, the message may come again."""
    try:
        await outcome
    except TransportError as error:
        link.counters.settle_failures += 1
        log.warning("%s: not settled: %s", subscription, error)
        return False
    return True
