"""Ends what a run started when the run itself ends without doing so.

A process of its own, so that it outlives a run that is killed. The parent-death signal of Linux
would be less: it fires when the starting *thread* ends, and does not reach grandchildren.

Run as a script it reads lines from its input: `+<group> <directory>` takes a process group and its
data directory into care, `-<group>` lets it go. At the end of the input, or when the parent is
gone, each group still in care is killed and its directory deleted.
"""

import atexit
import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

_PARENT_CHECK = 1.0  # seconds; a forked child of the run may hold the input open for longer


class Reaper:
    """The run's end of the pipe: starts the script at its first use, one for the whole run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._script: subprocess.Popen[str] | None = None

    def take(self, group: int, directory: Path) -> None:
        """Take a process group into care, with the directory to delete after it."""
        self._write(f"+{group} {directory}\n")

    def drop(self, group: int) -> None:
        """Let go of a process group that has ended."""
        self._write(f"-{group}\n")

    def _write(self, line: str) -> None:
        with self._lock:
            if self._script is None:
                self._script = self._spawn()
            assert self._script.stdin is not None
            self._script.stdin.write(line)
            self._script.stdin.flush()

    def _spawn(self) -> "subprocess.Popen[str]":
        # Its own session: an interrupt from the terminal must not end it before its work is done.
        script = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        atexit.register(self._close)
        return script

    def _close(self) -> None:
        with self._lock:
            if self._script is not None and self._script.stdin is not None:
                self._script.stdin.close()
                self._script.wait()


reaper = Reaper()


def main() -> None:
    """Read the input to its end, then reap."""
    care: dict[int, str] = {}
    parent = os.getppid()
    rest = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], _PARENT_CHECK)[0]:
            continue
        chunk = os.read(0, 65_536)
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _note(care, line.decode())
    for group, directory in care.items():
        _reap(group, directory)


def _note(care: dict[int, str], line: str) -> None:
    group, _, directory = line[1:].partition(" ")
    if line.startswith("+"):
        care[int(group)] = directory
    else:
        care.pop(int(group), None)


def _reap(group: int, directory: str) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
