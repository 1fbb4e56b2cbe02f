"""A broker inside this process."""

import asyncio
from typing import Final

from wireloom.errors import ConnectionFailedError, TransportError
from wireloom.spi import Clock, Environment, SystemClock
from wireloom_memory.faults import Faults
from wireloom_memory.link import Link
from wireloom_memory.queue import Queue
from wireloom_memory.schedule import Schedule
from wireloom_memory.space import Space

__all__ = ["DEFAULT_LOG_BYTES", "MemoryBroker"]

DEFAULT_LOG_BYTES: Final = 64 * 1024 * 1024


class MemoryBroker:
    """Where memory transports meet. One with a name is the same wherever `named` asks for it.

    It serves one event loop at a time and keeps what it holds from one to the next. Its time is the
    clock of the application that came first. The other methods plant faults, for tests.
    """

    _named: Final[dict[str, "MemoryBroker"]] = {}

    def __init__(self) -> None:
        self._schedule = Schedule(SystemClock())
        self._faults = Faults(self._schedule)
        self._spaces: dict[str, Space] = {}
        self._links: list[Link] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._paused: float | None = None
        self._stopped = False

    @classmethod
    def named(cls, name: str) -> "MemoryBroker":
        """Return the process's broker of this name, made when it is asked for first."""
        return cls._named.setdefault(name, cls())

    # Connections

    def attach(self, environment: Environment, namespace: str, log_bytes: int) -> Link:
        """Connect a transport.

        :raises ConnectionFailedError: if the broker was stopped; fatal if it serves another loop.
        """
        self._adopt(environment.clock)
        if self._stopped:
            raise ConnectionFailedError("the broker is stopped")
        space = self._spaces.get(namespace)
        if space is None:
            space = Space(namespace, self._schedule, self._faults, log_bytes)
            self._spaces[namespace] = space
        link = Link(space, environment.report)
        self._links.append(link)
        return link

    def detach(self, link: Link) -> None:
        """Disconnect a transport for good; one that is not connected is no error."""
        if link in self._links:
            self._links.remove(link)
            link.close()
            if not self._links:
                self._paused = self._schedule.pause()

    def _adopt(self, clock: Clock) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop:
            self._leave(self._loop)
        if self._loop is None:
            self._loop = loop
        if self._paused is not None or not self._links:
            since = 0.0 if self._paused is None else self._paused
            self._schedule.resume(clock, since)
            self._paused = None

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._links and not loop.is_closed():
            raise ConnectionFailedError("the broker serves another event loop", fatal=True)
        for link in [*self._links]:
            link.close()
        self._links.clear()
        self._loop = None

    # What a test may want to know

    def queue(self, name: str, namespace: str = "") -> Queue | None:
        """Return what waits for a subscription, by its name; None if there is none."""
        space = self._spaces.get(namespace)
        return None if space is None else space.queues.get(name)

    # Faults

    @property
    def faults(self) -> Faults:
        """Return what is wrong at present; transports pass it before each operation."""
        return self._faults

    def fail_next_publish(self, error: TransportError) -> None:
        """Let the next publish by anybody fail with this error; several calls queue up."""
        self._faults.fail_next_publish(error)

    def fail_dead_letters(self, error: TransportError | None) -> None:
        """Let every write of a dead letter fail with this error, until called with None."""
        self._faults.fail_dead_letters(error)

    def drop_connections(self) -> None:
        """Break every connection; they come back in the loop's next turn."""
        self.stop()
        asyncio.get_running_loop().call_soon(self.start)

    def stop(self) -> None:
        """Break every connection and let nobody connect. What the broker holds stays."""
        self._stopped = True
        for link in self._links:
            link.disconnect()

    def start(self) -> None:
        """Let everybody back in."""
        self._stopped = False
        for link in self._links:
            link.reconnect()

    def freeze(self) -> None:
        """Answer nothing and deliver nothing, with connections up."""
        self._faults.set_frozen(True)

    def thaw(self) -> None:
        """Go on."""
        self._faults.set_frozen(False)
        for space in self._spaces.values():
            space.pump()
