"""Programs of ours, run as real processes and always ended."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

WITHIN = 15.0
"""Seconds that anything may take on a busy machine before it counts as not happening."""
COMMAND = (sys.executable, "-m", "wireloom.cli")


def free_port() -> int:
    """Return a port of the loopback interface that was free a moment ago."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    code: int
    out: str
    err: str


class Program:
    """A running program whose stderr is read line by line."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.lines: list[str] = []
        """What it has written to stderr so far."""
        self._more = asyncio.Condition()
        self._closed = False
        self._reader = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        return self._process.pid

    async def said(self, text: str, times: int = 1) -> None:
        """Wait until so many lines of stderr hold the text."""
        async with asyncio.timeout(WITHIN), self._more:
            await self._more.wait_for(lambda: self.count(text) >= times or self._closed)
        assert self.count(text) >= times, self.log

    def count(self, text: str) -> int:
        return sum(text in line for line in self.lines)

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; return its exit code."""
        async with asyncio.timeout(WITHIN):
            await self._reader
            return await self._process.wait()

    async def stopped(self) -> int:
        """Ask it to end; return its exit code."""
        self.send(signal.SIGTERM)
        return await self.ended()

    async def close(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._reader.cancel()

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._more:
                self.lines.append(line.decode().rstrip())
                self._more.notify_all()
        async with self._more:
            self._closed = True
            self._more.notify_all()


def environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", **(extra or {})}


@asynccontextmanager
async def running(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run `wireloom` with these arguments until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words, cwd=cwd, env=environment(env), stderr=PIPE
    )
    program = Program(process)
    try:
        yield program
    finally:
        await program.close()


async def wireloom(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b""
) -> Outcome:
    """Run `wireloom` with these arguments to its end."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words, cwd=cwd, env=environment(env), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(WITHIN):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Outcome(process.returncode, out.decode(), err.decode())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
