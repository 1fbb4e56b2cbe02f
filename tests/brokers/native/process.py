"""One child process in a process group of its own, in the reaper's care."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.brokers.native.reaper import reaper

_KILLED_WITHIN = 10.0  # seconds; a process in uninterruptible disk wait takes its time
_TAIL = 20  # lines


class Process:
    """A running program; what it prints is appended to `log`."""

    def __init__(
        self, command: Sequence[str], *, env: Mapping[str, str], directory: Path, log: Path
    ) -> None:
        self._log = log
        self._gone = False
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                command,
                env={**os.environ, **env},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        reaper.take(self.pid, directory)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's id too."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.poll() is None

    def tail(self) -> str:
        """The last lines it printed."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL:])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def stop(self, timeout: float) -> None:
        """Ask the program to end, and kill what is left of its group after `timeout` seconds."""
        if self._gone:
            return
        self.send(signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """Kill the group and wait until the program is gone."""
        if self._gone:  # its id may be another program's by now
            return
        self.send(signal.SIGKILL)
        self._child.wait(_KILLED_WITHIN)
        self._gone = True
        reaper.drop(self.pid)

    def listens(self, port: int) -> bool:
        """Whether it is this program that listens on `port`, and not a stranger.

        Always true where there is no `/proc` to look it up in.
        """
        if not Path("/proc/net/tcp").exists():
            return True
        return bool(_listening_inodes(port) & _socket_inodes(self.pid))


def _listening_inodes(port: int) -> set[str]:
    rows = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
    ]
    listening = "0A"
    return {row[9] for row in rows if row[3] == listening and int(row[1][-4:], 16) == port}


def _socket_inodes(pid: int) -> set[str]:
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed since it was listed
            inodes.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
    return inodes
