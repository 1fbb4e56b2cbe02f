"""What the four native brokers have in common."""

import shutil
import signal
import socket
import tempfile
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.brokers.broker import Broker, BrokerStartError
from tests.brokers.native.ports import free_port
from tests.brokers.native.process import Process

_PROBE_INTERVAL = 0.02  # seconds between two looks whether a starting broker answers
_PROBE_TIMEOUT = 1.0  # seconds for one look


class NativeServer(Broker):
    """A broker as a process of this machine, on 127.0.0.1.

    Args:
        settings: lines added to its configuration file: users, TLS listeners, limits.
        directory: where it stores; a private temporary one when None. Deleted by `close`.
    """

    scheme: str
    start_timeout = 90.0  # seconds; ten times what a busy two-core machine was seen to need
    stop_timeout = 10.0  # seconds, then it is killed

    def __init__(self, settings: Sequence[str] = (), directory: Path | None = None) -> None:
        self.settings = tuple(settings)
        self.port = free_port()
        self.url = f"{self.scheme}127.0.0.1:{self.port}"
        self.directory = directory or Path(tempfile.mkdtemp(prefix=f"wireloom-{self.name}-"))
        self.log = self.directory / "broker.log"
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """The process id of the running broker."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        if self.running:
            return
        self._configure()
        self._process = self._spawn(self._command())
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop(self.stop_timeout)

    def kill(self) -> None:
        self._running().kill()

    def pause(self) -> None:
        self._running().send(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @abstractmethod
    def _configure(self) -> None:
        """Write the configuration, and at the first start whatever the server wants to find."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The command that becomes the server, without a shell in between."""

    @abstractmethod
    def _greets(self, connection: socket.socket) -> bool:
        """Whether the server at the other end of a new connection serves clients."""

    def _environment(self) -> Mapping[str, str]:
        """Variables the server needs beside those of this process."""
        return {}

    def _spawn(self, command: Sequence[str]) -> Process:
        return Process(command, env=self._environment(), directory=self.directory, log=self.log)

    def _running(self) -> Process:
        if self._process is None:
            raise BrokerStartError(f"{self.name} was not started")
        return self._process

    def _wait_until_ready(self, process: Process) -> None:
        deadline = time.monotonic() + self.start_timeout
        while not self._answers(process):
            if not process.running:
                raise BrokerStartError(f"{self.name} ended at start:\n{process.tail()}")
            if time.monotonic() > deadline:
                process.kill()
                raise BrokerStartError(
                    f"{self.name} did not answer within {self.start_timeout} s:\n{process.tail()}"
                )
            time.sleep(_PROBE_INTERVAL)

    def _answers(self, process: Process) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), _PROBE_TIMEOUT) as connection:
                return self._greets(connection) and process.listens(self.port)
        except OSError:
            return False
