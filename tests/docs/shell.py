"""Shell blocks as processes: their output kept, their life bounded, their group ended with them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.docs.snippets import Block, SnippetError

SH_SECONDS = 60.0
"""The longest a block may take: a page shows short commands."""
READY_SECONDS = 20.0
"""The longest a background block may take to print what it is waited for with."""
STOP_SECONDS = 15.0
"""From SIGTERM to SIGKILL; a service drains in less."""


class Shell:
    """One `bash -eu`, in a process group of its own so that nothing it starts outlives it."""

    def __init__(self, block: Block, directory: Path) -> None:
        self._block = block
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._process = subprocess.Popen(
            ["bash", "-eu", "-o", "pipefail", "-c", block.text],
            cwd=directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def finish(self) -> None:
        """Wait for the block to end well."""
        try:
            status = self._process.wait(SH_SECONDS)
        except subprocess.TimeoutExpired:
            raise self._failure(f"still running after {SH_SECONDS:g} s") from None
        if status != 0:
            self._reader.join(1)
            raise self._failure(f"exit status {status}")

    def wait_for(self, text: str) -> None:
        """Wait until a line of the output holds *text*."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._has(text), READY_SECONDS)
            if not self._has(text):
                raise self._failure(f"never printed {text!r}")

    def check_running(self) -> None:
        """Refuse a background block that ended before its page did."""
        if self._process.poll() is not None:
            raise self._failure(f"ended early with status {self._process.returncode}")

    def stop(self) -> None:
        """End the whole group: SIGTERM, and SIGKILL for what does not listen."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join(1)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _has(self, text: str) -> bool:
        return any(text in line for line in self._lines)

    def _failure(self, what: str) -> SnippetError:
        output = "".join(self._lines[-60:]) or "(no output)\n"
        return SnippetError(f"{self._block.place}: {what}\n{output}")

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@contextmanager
def shell(block: Block, directory: Path) -> Iterator[Shell]:
    """Start the block and end its group on the way out."""
    process = Shell(block, directory)
    try:
        yield process
    finally:
        process.stop()


def _environment() -> dict[str, str]:
    scripts = str(Path(sys.executable).parent)
    path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
