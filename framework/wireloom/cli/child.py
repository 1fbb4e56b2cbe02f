"""One process of an application, started and ended by another."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

__all__ = ["Child", "Command"]

KILLED_AFTER: Final = 1.0
"""Seconds that the system may take to end a process that was killed."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a child runs."""

    target: str
    factory: bool = False
    share_ports: bool = False
    log_level: str = "info"

    @property
    def words(self) -> Sequence[str]:
        """Return the command line."""
        flags = ["--supervised", "--log-level", self.log_level]
        flags += ["--factory"] if self.factory else []
        flags += ["--share-ports"] if self.share_ports else []
        return [sys.executable, "-m", "wireloom.cli", "run", self.target, *flags]


class Child:
    """A process that runs the application. It drains by itself when its parent is gone."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, command: Command) -> Self:
        """Start one, in a session of its own: Ctrl-C in a terminal reaches the parent alone, which
        then asks for the drain once.
        """
        return cls(
            await asyncio.create_subprocess_exec(*command.words, stdin=PIPE, start_new_session=True)
        )

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Wait for its end; return its exit code, negative for a signal."""
        return await self._process.wait()

    async def drain(self, within: float) -> int:
        """Ask it to drain, and kill it if it has not ended after so many seconds."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(within):
                return await self._process.wait()
        except TimeoutError:
            self.kill()
        async with asyncio.timeout(KILLED_AFTER):
            return await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()
