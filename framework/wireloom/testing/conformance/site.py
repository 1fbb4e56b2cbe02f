"""Where the applications of one case meet."""

from collections.abc import Sequence
from typing import NoReturn

import pytest

from wireloom.spi import TransportOptions

__all__ = ["Site"]


class Site:
    """A fresh, isolated place on a broker: what the author of a transport gives the suite.

    `join` is all that is needed. The other methods plant faults at the broker; a case that needs
    one that is not overridden is skipped and says so.
    """

    heartbeat: float = 5.0
    """Seconds within which the transport notices a broker that has frozen."""

    redelivery: float = 60.0
    """Seconds within which what a killed consumer had in hand is delivered again."""

    def join(self) -> TransportOptions:
        """Return the options of one more application there. All of one case reach each other."""
        raise NotImplementedError

    def leave(self, options: TransportOptions) -> None:
        """Take note that the application with these options has stopped."""

    async def linked(self, count: int) -> None:
        """Wait until the `count` applications that are here know of each other."""

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Publish bytes as a producer that knows nothing of Wireloom would."""
        self._cannot("publish as a foreign producer")

    async def stop_broker(self) -> None:
        """Stop the broker; what it stored stays."""
        self._cannot("stop its broker")

    async def start_broker(self) -> None:
        """Start it again at the same address; return when it answers."""
        self._cannot("start its broker")

    async def drop_connections(self) -> None:
        """Break every connection at the broker, which goes on."""
        self._cannot("drop connections")

    async def freeze(self) -> None:
        """Let the broker answer nothing with connections up, until `thaw`."""
        self._cannot("freeze its broker")

    async def thaw(self) -> None:
        """Let it go on."""
        self._cannot("thaw its broker")

    def wrong_credentials(self) -> TransportOptions:
        """Return options that the broker will not let in."""
        self._cannot("be given wrong credentials")

    async def close(self) -> None:
        """Delete whatever the case left on the broker."""

    def _cannot(self, what: str) -> NoReturn:
        pytest.skip(f"{type(self).__name__} cannot {what}")
