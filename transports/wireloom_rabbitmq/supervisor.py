"""Keeps one session up, from `connect` to `close`."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from wireloom.errors import (
    ClosedError,
    ConfigurationError,
    ConnectionFailedError,
    ConnectionLostError,
    TransportError,
)
from wireloom.spi import Environment, FullJitter, Status
from wireloom_rabbitmq.session import Session

__all__ = ["Supervisor"]

_log = logging.getLogger(__name__)

_HEALTHY: Final = 10.0
"""Seconds after which a session counts as one that works."""


class Supervisor:
    """Opens a session, and another one after each loss, with growing random waits in between."""

    def __init__(
        self,
        open_session: Callable[[int], Awaitable[Session]],
        restore: Callable[[Session], Awaitable[None]],
        environment: Environment,
        pending_bytes: int,
    ) -> None:
        self.session: Session | None = None
        """The live one; None while there is none."""
        self._open = open_session
        self._restore = restore
        self._environment = environment
        self._pending_bytes = pending_bytes
        self._waiting_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._closed = False
        self._number = 0
        self._told = Status.CONNECTING

    async def start(self) -> None:
        """Open the first session.

        :raises ConnectionFailedError: if that failed.
        """
        session = await self._next()
        if self._closed:
            await session.close()
            raise ClosedError("closed while connecting")
        self._use(session)
        self._task = asyncio.get_running_loop().create_task(self._watch(session))

    async def ready(self, size: int, seconds: float) -> Session:
        """Return the session; wait for it while the connection is being restored.

        :raises TransportError: if it does not come back in time, or `size` bytes are too many to
            wait beside those that do already.
        """
        if self.session is not None:
            return self.session
        if self._closed or self._task is None:
            raise ClosedError("RabbitMQ is not connected: closed, or not started")
        if self._waiting_bytes + size > self._pending_bytes:
            raise TransportError(f"more than {self._pending_bytes} bytes wait for RabbitMQ")
        self._waiting_bytes += size
        try:
            async with asyncio.timeout(seconds):
                await self._up.wait()
        except TimeoutError:
            raise ConnectionLostError("RabbitMQ is not connected", maybe_executed=False) from None
        finally:
            self._waiting_bytes -= size
        return await self.ready(size, seconds)

    async def close(self) -> None:
        """Disconnect; calling it twice, or before `start`, is no error."""
        self._closed = True
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        session, self.session = self.session, None
        self._up.set()
        if session is not None:
            await session.close()
        self._tell(Status.CLOSED)

    async def _watch(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        backoff = FullJitter()
        while True:
            since = loop.time()
            error = await asyncio.shield(session.lost)
            self.session = None
            self._up.clear()
            self._tell(Status.RECONNECTING, error)
            _log.warning("the connection to RabbitMQ was lost: %s", error)
            await session.close()
            if loop.time() - since > _HEALTHY:
                backoff.reset()
            session = await self._again(backoff)
            self._use(session)

    async def _again(self, backoff: FullJitter) -> Session:
        while True:
            await self._environment.clock.sleep(backoff.next())
            try:
                return await self._restored()
            except ConnectionFailedError as error:
                # Told, and tried again all the same: rights that were taken can be given back.
                self._tell(Status.FAILED if error.fatal else Status.RECONNECTING, error)
            except ConfigurationError as error:
                self._tell(Status.FAILED, error)
            except TransportError as error:
                self._tell(Status.RECONNECTING, error)

    async def _restored(self) -> Session:
        session = await self._next()
        try:
            await self._restore(session)
        except BaseException:
            await session.close()
            raise
        return session

    async def _next(self) -> Session:
        self._number += 1
        return await self._open(self._number)

    def _use(self, session: Session) -> None:
        self.session = session
        self._up.set()
        self._tell(Status.CONNECTED)

    def _tell(self, status: Status, error: Exception | None = None) -> None:
        if status is not self._told:
            self._told = status
            self._environment.report(status, error)
