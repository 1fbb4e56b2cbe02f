"""The connection that all commands share, and the one that listens: kept up, watched, restored."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from wireloom.errors import ConnectionFailedError, ConnectionLostError, TransportError
from wireloom.spi import Environment, FullJitter, Status
from wireloom_redis.connector import CONNECT_TIMEOUT, Connector
from wireloom_redis.link import Link
from wireloom_redis.tasks import Tasks

__all__ = ["Session"]

_log = logging.getLogger("wireloom.redis")
_HEALTHY = 10.0
"""Seconds after which a connection counts as good, and the next loss is retried at once."""

Restore = Callable[[], Awaitable[None]]


class Session:
    """One link for commands and one that listens to channels, both up or neither. After a loss it
    connects again, restores what `on_restore` was given, in that order, and reports every change
    of status. They are two since the server cuts a listener off whose answers are large.
    """

    def __init__(
        self,
        connector: Connector,
        environment: Environment,
        push: Callable[[list[Any]], None],
        heartbeat: float,
    ) -> None:
        self._connector = connector
        self._environment = environment
        self._push = push
        self._heartbeat = heartbeat
        self._link: Link | None = None
        self._ears: Link | None = None
        self._restores: list[Restore] = []
        self._lost: asyncio.Event = asyncio.Event()
        self._up: asyncio.Event = asyncio.Event()
        self._since = 0.0
        self._jitter = FullJitter()
        self._tasks = Tasks()

    def on_restore(self, restore: Restore) -> None:
        """Call this whenever a new link is there, before the status says so."""
        self._restores.append(restore)

    def off_restore(self, restore: Restore) -> None:
        """Call this no more; one that is not known is no error."""
        if restore in self._restores:
            self._restores.remove(restore)

    @property
    def link(self) -> Link:
        """Return the live link.

        :raises ConnectionLostError: if there is none; nothing was sent.
        """
        if self._link is None:
            raise ConnectionLostError("the connection to Redis is down", maybe_executed=False)
        return self._link

    @property
    def ears(self) -> Link:
        """Return the live link for subscriptions to channels.

        :raises ConnectionLostError: if there is none; nothing was sent.
        """
        if self._ears is None:
            raise ConnectionLostError("the connection to Redis is down", maybe_executed=False)
        return self._ears

    @property
    def is_up(self) -> bool:
        """Tell whether the link is there and everything on it restored."""
        return self._up.is_set()

    async def wait_up(self) -> None:
        """Wait until the link is there and everything on it restored."""
        await self._up.wait()

    def call(self, *command: str | bytes | int | float) -> "asyncio.Future[Any]":
        """Send a command. Its answer is bounded by the watch on the link."""
        return self.link.call(*command)

    async def start(self) -> None:
        """Connect once, then keep the connection up.

        :raises ConnectionFailedError: if that failed; nothing keeps running then.
        """
        await self._connect()
        self._tasks.start("reconnecting", self._keep_up)
        self._tasks.start("heartbeat", self._watch)
        self._environment.report(Status.CONNECTED, None)

    async def close(self) -> None:
        """End the connection; what was sent is written first."""
        await self._tasks.stop()
        self._up.clear()
        await self._close_links()

    async def _close_links(self) -> None:
        links, self._link, self._ears = (self._link, self._ears), None, None
        for link in links:
            if link is not None:
                await link.close()

    async def _connect(self) -> None:
        self._lost.clear()
        try:
            self._link = await self._connector.open(self._push, self._on_lost)
            self._ears = await self._connector.open(self._push, self._on_lost)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                for restore in tuple(self._restores):
                    await restore()
        except (TransportError, TimeoutError) as error:
            await self._close_links()
            if isinstance(error, ConnectionFailedError):
                raise
            raise ConnectionFailedError(
                f"Redis took the connection, then failed: {error}"
            ) from error
        except BaseException:
            await self._close_links()
            raise
        self._since = self._environment.clock.monotonic()
        self._up.set()

    def _on_lost(self, error: Exception | None) -> None:
        was_up = self._up.is_set()
        links, self._link, self._ears = (self._link, self._ears), None, None
        self._up.clear()
        self._lost.set()
        for link in links:
            if link is not None:
                link.abort(ConnectionLostError("the other connection to Redis was lost"))
        if was_up:
            self._environment.report(Status.RECONNECTING, error)

    async def _keep_up(self) -> None:
        while True:
            await self._lost.wait()
            if self._environment.clock.monotonic() - self._since > _HEALTHY:
                self._jitter.reset()
            await self._reconnect()
            self._environment.report(Status.CONNECTED, None)

    async def _reconnect(self) -> None:
        while True:
            await self._environment.clock.sleep(self._jitter.next())
            try:
                await self._connect()
            except ConnectionFailedError as error:
                status = Status.FAILED if error.fatal else Status.RECONNECTING
                self._environment.report(status, error)
                _log.warning("%s", error)
            else:
                return

    async def _watch(self) -> None:
        while True:
            await self._environment.clock.sleep(self._heartbeat)
            for link in (self._link, self._ears):
                if link is not None:
                    await self._ping(link)

    async def _ping(self, link: Link) -> None:
        try:
            async with asyncio.timeout(self._heartbeat / 2):
                await link.call("PING")
        except TimeoutError:
            waited = self._heartbeat / 2
            link.abort(ConnectionLostError(f"Redis left a PING unanswered for {waited} s"))
        except TransportError as error:
            _log.debug("PING: %s", error)
