"""What a broker is to a test, wherever it runs.

BrokerError
├── MissingBrokerError     it is not installed, and could not be
├── BrokerStartError       it is installed and did not come up
└── UnmanagedBrokerError   it runs somewhere else and is not ours to stop
"""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class BrokerError(Exception):
    """Any failure to get or to control a broker."""


class MissingBrokerError(BrokerError):
    """A broker is not installed and this machine does not let us install it.

    The text says which commands to run.
    """


class BrokerStartError(BrokerError):
    """A broker ended, or did not answer in time; the text ends with its last lines of output."""


class UnmanagedBrokerError(BrokerError):
    """A broker given by environment URL was told to stop, to pause or to start again."""


class Broker(ABC):
    """One broker with one address, which it keeps from the first start to `close`.

    Every method blocks; `kill`, `pause` and `resume` do so for milliseconds only, so that a fault
    can be planted from a running event loop. Call the others through `asyncio.to_thread` there.
    """

    name: str
    """`nats`, `redis`, `rabbitmq` or `kafka`."""

    url: str
    """Where clients connect; Kafka's is `host:port`, as its clients want it."""

    managed = True
    """Whether this broker can be stopped, killed and paused."""

    @abstractmethod
    def start(self) -> None:
        """Start, also again after `stop` or `kill`, and return once it answers clients.

        Raises:
            MissingBrokerError: it is not installed.
            BrokerStartError: it ended or did not answer within `start_timeout`.
        """

    @abstractmethod
    def stop(self) -> None:
        """Ask it to end and wait; after `stop_timeout` it is killed. What it stored stays."""

    @abstractmethod
    def kill(self) -> None:
        """End it with SIGKILL and wait until it is gone. What it stored stays."""

    @abstractmethod
    def pause(self) -> None:
        """Freeze it with SIGSTOP: connections stay open and nothing answers."""

    @abstractmethod
    def resume(self) -> None:
        """Let a paused broker go on."""

    @abstractmethod
    def close(self) -> None:
        """Stop it and delete what it stored. A second call does nothing."""

    def restart(self) -> None:
        """Stop and start on the same address with what it stored."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
