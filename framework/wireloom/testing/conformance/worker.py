"""A consumer in a process of its own, to be killed: `python -m ...conformance.worker`.

Gets its transport as JSON in its only argument, prints a line for each event that it begins, and
never ends one.
"""

import asyncio
import json
import sys
from dataclasses import MISSING, fields
from typing import Any

from wireloom.application import Application
from wireloom.decorators import EventPattern
from wireloom.spi import TransportOptions
from wireloom.testing.conformance.cluster import TOKEN

__all__ = ["GROUP", "PATTERN", "Worker", "hangs"]

GROUP = "service"
PATTERN = "killed"


@EventPattern(PATTERN, name=f"{GROUP}.killed", timeout=None)
async def hangs(number: int) -> None:
    """Begin, and never end."""
    sys.stdout.write(f"begun {number}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


class Worker:
    """The process, as the test that kills it sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, options: TransportOptions) -> "Worker":
        """Start the process at this place; return when it is subscribed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __spec__.name,
            json.dumps(_mapping(options)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        worker = cls(process)
        await worker.says("ready")
        return worker

    async def says(self, line: str) -> None:
        """Wait for a line of its output.

        :raises AssertionError: if another one comes, or its end.
        """
        stdout = self._process.stdout
        assert stdout is not None  # it was started with a pipe
        found = (await stdout.readline()).decode().strip()
        assert found == line, f"{found!r}, not {line!r}"

    async def kill(self) -> None:
        """End it with SIGKILL; one that has ended is no error."""
        if self._process.returncode is None:
            self._process.kill()
        # Reading on to the end closes the pipe, too.
        await self._process.communicate()


def _mapping(options: TransportOptions) -> dict[str, Any]:
    """Return options as a configuration file would hold them: what differs from the defaults."""
    found: dict[str, Any] = {"transport": options.kind}
    for field in fields(options):
        value = getattr(options, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if value != default:
            found[field.name] = value
    return found


async def _main() -> None:
    app = Application(GROUP, handlers=[hangs], transports={TOKEN: json.loads(sys.argv[1])})
    async with app:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
