"""One connection that waits for news in all streams of this process."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from wireloom.errors import ConnectionLostError
from wireloom_redis.connector import Connector
from wireloom_redis.entry import place
from wireloom_redis.failures import RefusedError
from wireloom_redis.link import Link
from wireloom_redis.session import Session

__all__ = ["Bell"]

_PATIENCE = 5.0
"""Seconds beyond the server's own wait after which the connection counts as dead."""


class _Armed(NamedTuple):
    after: tuple[int, int]
    ring: Callable[[], None]


class Bell:
    """Blocks in XREAD on the streams whose readers have seen all there was, and rings those that
    have news. A rung reader is forgotten until it arms the bell again, so that one that has no
    room leaves the others alone. XREADGROUP could wait for one group only.
    """

    def __init__(self, connector: Connector, session: Session, block: float) -> None:
        self._connector = connector
        self._session = session
        self._block = block
        self._armed: dict[str, list[_Armed]] = {}
        self._changed = asyncio.Event()

    def arm(self, key: str, after: str, ring: Callable[[], None]) -> None:
        """Call `ring` once, on the loop's thread, when a stream has an entry later than `after`."""
        armed = self._armed.setdefault(key, [])
        armed.append(_Armed(place(after), ring))
        self._changed.set()

    def disarm(self, key: str, ring: Callable[[], None]) -> None:
        """Forget a reader."""
        rest = [armed for armed in self._armed.pop(key, []) if armed.ring != ring]
        if rest:
            self._armed[key] = rest

    async def run(self) -> None:
        """Wait and ring until cancelled.

        :raises ConnectionLostError: if the connection broke; everybody has been rung then.
        """
        await self._changed.wait()
        await self._session.wait_up()
        link = await self._connector.open(_nothing, _nothing)
        try:
            number = int(await link.call("CLIENT", "ID"))
            while True:
                await self._changed.wait()
                await self._listen(link, number)
        except RefusedError as error:
            raise ConnectionLostError(f"waiting for news failed: {error}") from error
        finally:
            self._ring_all()
            await link.close()

    async def _listen(self, link: Link, number: int) -> None:
        self._changed.clear()
        if not self._armed:
            return
        after = [min(armed.after for armed in some) for some in self._armed.values()]
        places = [f"{milliseconds}-{rest}" for milliseconds, rest in after]
        news = link.call(
            "XREAD", "COUNT", 1, "BLOCK", int(self._block * 1000), "STREAMS", *self._armed, *places
        )
        try:
            async with asyncio.timeout(self._block + _PATIENCE):
                await self._wait(news, number)
        except TimeoutError:
            raise ConnectionLostError("Redis left an XREAD unanswered") from None
        for key, entries in (news.result() or {}).items():
            self._ring(key.decode(), place(entries[-1][0].decode()))
        self._changed.set()

    async def _wait(self, news: "asyncio.Future[Any]", number: int) -> None:
        """Wait for the answer; cut the server's wait short when somebody arms the bell."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait({news, changed}, return_when=asyncio.FIRST_COMPLETED)
            while not news.done():  # it may not have begun to wait when we cut it short
                await self._session.call("CLIENT", "UNBLOCK", number)
                await asyncio.wait({news}, timeout=0.02)
            await news
        finally:
            changed.cancel()
            news.cancel()

    def _ring(self, key: str, place: tuple[int, int]) -> None:
        for armed in self._armed.pop(key, []):
            if armed.after < place:
                armed.ring()
            else:
                self._armed.setdefault(key, []).append(armed)

    def _ring_all(self) -> None:
        everybody, self._armed = self._armed, {}
        for some in everybody.values():
            for armed in some:
                armed.ring()


def _nothing(news: object) -> None:
    """Take no notice: a lost connection fails the call that waits on it."""
