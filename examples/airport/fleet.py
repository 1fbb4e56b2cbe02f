"""The three services, started and stopped: as processes, or all in this one."""

import asyncio
import signal
import socket
import sys
from abc import ABC, abstractmethod
from asyncio.subprocess import Process
from pathlib import Path
from types import TracebackType
from typing import Self

import delays
import flights
import notices
from bootstrap import NODES
from wireloom import Application

HERE = Path(__file__).parent
END_WITHIN = 15.0
"""Seconds that a service may take to drain."""


class Fleet(ABC):
    """Services by name. Leaving it stops those that run."""

    @abstractmethod
    async def start(self, name: str) -> None:
        """Start a service."""

    @abstractmethod
    async def stop(self, name: str) -> None:
        """Stop a service as an operator would, and wait for its end.

        :raises RuntimeError: if it did not drain.
        """

    def check(self) -> None:  # noqa: B027 - in one process there is nothing to see
        """See that no service has ended by itself.

        :raises RuntimeError: naming the one that has.
        """

    async def __aenter__(self) -> Self:
        for name in NODES:
            await self.start(name)
        return self

    @abstractmethod
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Processes(Fleet):
    """Each service is a process of its own: `wireloom run`."""

    def __init__(self) -> None:
        self._running: dict[str, Process] = {}

    async def start(self, name: str) -> None:
        words = ["-m", "wireloom.cli", "run", f"{name}:make", "--factory", "--log-level", "error"]
        self._running[name] = await asyncio.create_subprocess_exec(sys.executable, *words, cwd=HERE)

    async def stop(self, name: str) -> None:
        process = self._running.pop(name)
        code = await _ended(process)
        if code != 0:
            raise RuntimeError(f"{name} ended with exit code {code}")

    def check(self) -> None:
        for name, process in self._running.items():
            if process.returncode is not None:
                raise RuntimeError(f"{name} ended with exit code {process.returncode}")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(_ended(process) for process in self._running.values()))


async def _ended(process: Process) -> int:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(END_WITHIN):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()


class InProcess(Fleet):
    """All services in this process, for a transport that does not leave it."""

    def __init__(self) -> None:
        self._running: dict[str, Application] = {}

    async def start(self, name: str) -> None:
        made = {"delays": delays.make, "flights": flights.make, "notices": notices.make}[name]()
        await made.start()
        self._running[name] = made

    async def stop(self, name: str) -> None:
        await self._running.pop(name).stop()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in list(self._running):
            await self.stop(name)


def free_addresses() -> dict[str, str]:
    """Return the environment that gives each service a free address, so that two demonstrations
    can run side by side.
    """
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in NODES]
    found = {
        f"AIRPORT_{name.upper()}": f"127.0.0.1:{one.getsockname()[1]}"
        for name, one in zip(NODES, taken, strict=True)
    }
    for one in taken:
        one.close()
    return found
