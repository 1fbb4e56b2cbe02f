"""Running one id once: at the consumer, where the transport cannot."""

import asyncio
from collections import OrderedDict
from typing import Final

from wireloom.settings import Dedup
from wireloom.spi import Clock, Message

__all__ = ["Duplicates"]

MOST: Final = 100_000
"""Ids remembered in a process for one handler; beyond that the oldest are forgotten."""


class Duplicates:
    """What one subscription has handled within a window, by address and id.

    A second arrival while the first one runs waits for its outcome, so that it is neither run
    beside it nor acknowledged for a run that then fails.
    """

    def __init__(self, settings: Dedup, subscription: str, clock: Clock) -> None:
        self._window = settings.window
        self._store = settings.store
        self._subscription = subscription
        self._clock = clock
        self._handled: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._running: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def claim(self, message: Message) -> bool:
        """Tell whether it was handled already; if not, it is this caller's to run and to settle by
        `remember` or `release`. Messages without an id are never duplicates.

        Whoever holds a claim must not wait for another: see `busy`.
        """
        if not message.id:
            return False
        key = (message.address, message.id)
        while (running := self._running.get(key)) is not None:
            await asyncio.shield(running)
        self._running[key] = asyncio.get_running_loop().create_future()
        try:
            seen = await self._seen(key)
        except BaseException:
            self.release(message)
            raise
        if seen:
            self.release(message)
        return seen

    def busy(self, message: Message) -> bool:
        """Tell whether a claim of this message would wait."""
        return (message.address, message.id) in self._running

    async def remember(self, message: Message) -> None:
        """Note that it was handled."""
        if not message.id:
            return
        key = (message.address, message.id)
        if self._store is not None:
            await self._store.remember(self._subscription, " ".join(key), self._window)
        self._forget_old()
        self._handled[key] = self._clock.monotonic() + self._window
        self.release(message)

    def release(self, message: Message) -> None:
        """Note that its run has ended; whoever waits may look again."""
        running = self._running.pop((message.address, message.id), None)
        if running is not None and not running.done():
            running.set_result(None)

    async def _seen(self, key: tuple[str, str]) -> bool:
        until = self._handled.get(key)
        if until is not None and until > self._clock.monotonic():
            return True
        return self._store is not None and await self._store.seen(self._subscription, " ".join(key))

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        while self._handled:
            key, until = next(iter(self._handled.items()))
            if until > now and len(self._handled) < MOST:
                return
            del self._handled[key]
