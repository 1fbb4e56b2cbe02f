"""What handlers saw, and waiting for it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

__all__ = ["WITHIN", "Record", "eventually"]

T = TypeVar("T")
WITHIN: Final = 15.0
"""Seconds that something may take which should be quick, on a busy machine."""


class Record(Generic[T]):
    """A list that can be waited for."""

    def __init__(self) -> None:
        self.items: list[T] = []
        self._changed = asyncio.Event()

    def add(self, item: T) -> None:
        """Append an item; wakes those who wait."""
        self.items.append(item)
        self._changed.set()

    async def reach(self, count: int, within: float = WITHIN) -> list[T]:
        """Wait until there are so many; return all there are.

        :raises AssertionError: if there are not within so many seconds.
        """
        try:
            async with asyncio.timeout(within):
                while len(self.items) < count:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self.items)} of {count} after {within:g} s") from None
        return self.items

    async def stays(self, count: int, seconds: float = 0.3) -> list[T]:
        """Assert that there are so many, and no more for a while; return them."""
        try:
            await self.reach(count + 1, seconds)
        except AssertionError:
            assert len(self.items) == count, f"{len(self.items)}, not {count}: {self.items[:5]}"
            return self.items
        raise AssertionError(f"{len(self.items)}, more than {count}: {self.items[count:][:5]}")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)


async def eventually(condition: Callable[[], object], within: float = WITHIN) -> None:
    """Wait until a condition holds that nothing tells of, such as a status.

    :raises TimeoutError: if it does not within so many seconds.
    """
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
