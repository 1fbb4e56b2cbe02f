"""Subscriptions to pub/sub channels, restored on every new connection."""

import asyncio
from collections.abc import Callable
from typing import Any

from wireloom.errors import ConnectionLostError
from wireloom_redis.session import Session

__all__ = ["Channels", "Heard"]

Heard = Callable[[bytes, bytes], None]
"""Takes the channel and the data of one message, on the loop's thread. Never raises or waits."""


class Channels:
    """Who listens to which channel. A message goes straight from the socket to its listeners."""

    def __init__(self) -> None:
        self._exact: dict[bytes, list[Heard]] = {}
        self._globs: dict[bytes, list[Heard]] = {}

    def dispatch(self, push: list[Any]) -> None:
        """Hand a message that was pushed to those who listen."""
        if push[0] == b"message":
            for heard in self._exact.get(push[1], ()):
                heard(push[1], push[2])
        elif push[0] == b"pmessage":
            for heard in self._globs.get(push[1], ()):
                heard(push[2], push[3])

    async def add(
        self, session: Session, channel: str, heard: Heard, *, glob: bool = False
    ) -> None:
        """Listen; live at the server on return."""
        table = self._globs if glob else self._exact
        listeners = table.setdefault(channel.encode(), [])
        listeners.append(heard)
        if len(listeners) == 1:
            await session.ears.call("PSUBSCRIBE" if glob else "SUBSCRIBE", channel)

    async def remove(
        self, session: Session, channel: str, heard: Heard, *, glob: bool = False
    ) -> None:
        """Listen no more; what the server sent before it knew has been handed over on return."""
        table = self._globs if glob else self._exact
        listeners = table.get(channel.encode(), [])
        if heard not in listeners:
            return
        if len(listeners) == 1:
            try:
                await session.ears.call("PUNSUBSCRIBE" if glob else "UNSUBSCRIBE", channel)
            except ConnectionLostError:
                pass  # gone with the connection
            finally:
                table.pop(channel.encode(), None)
        else:
            listeners.remove(heard)

    async def restore(self, session: Session) -> None:
        """Subscribe to everything again."""
        link = session.ears
        answers = [link.call("SUBSCRIBE", channel) for channel in self._exact]
        answers += [link.call("PSUBSCRIBE", glob) for glob in self._globs]
        await asyncio.gather(*answers)
