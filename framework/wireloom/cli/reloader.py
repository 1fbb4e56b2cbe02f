"""`wireloom run --reload`: one process, started again when its sources change."""

import asyncio
import logging
import os
from typing import Final

from wireloom.cli.child import Child, Command
from wireloom.cli.signals import first_of, stop_requested
from wireloom.errors import ConfigurationError

try:
    import watchfiles
except ImportError:  # an extra, which this option alone needs
    watchfiles = None  # type: ignore[assignment]

__all__ = ["reload_on_change"]

log = logging.getLogger("wireloom.cli")
PATIENCE: Final = 5.0
"""Seconds that the old process may take to drain: somebody waits for the new one."""


def reload_on_change(command: Command) -> int:
    """Run until a signal; return the exit code.

    :raises ConfigurationError: if what watches files is not installed.
    """
    if watchfiles is None:
        raise ConfigurationError(
            "--reload needs 'watchfiles', which is not installed",
            remedy='pip install "wireloom[reload]"',
        )
    return asyncio.run(_Reloader(command, os.getcwd()).run())


class _Reloader:
    """Has one child at a time, and another one after each change of a Python file."""

    def __init__(self, command: Command, directory: str) -> None:
        self._command = command
        self._directory = directory
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._child: Child | None = None

    async def run(self) -> int:
        """Run until a signal. A program that cannot start waits for the change that mends it."""
        self._stopping = stop_requested(self._kill)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(), name="watch files")
            while not self._stopping.is_set():
                await self._one()
        return 0

    async def _watch(self) -> None:
        async for changes in watchfiles.awatch(
            self._directory,
            watch_filter=watchfiles.PythonFilter(),
            stop_event=self._stopping,
            raise_interrupt=False,
        ):
            log.info(
                "changed: %s", ", ".join(sorted({os.path.basename(path) for _, path in changes}))
            )
            self._changed.set()

    async def _one(self) -> None:
        self._changed.clear()
        self._child = child = await Child.start(self._command)
        await first_of(child.ended(), self._changed.wait(), self._stopping.wait())
        if child.code is None:
            await child.drain(PATIENCE)
            return
        log.warning("it ended with %d; waiting for a change", child.code)
        await first_of(self._changed.wait(), self._stopping.wait())

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()
