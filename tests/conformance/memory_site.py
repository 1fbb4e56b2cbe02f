"""A site on a broker in this process."""

from collections.abc import Sequence

from tests.conformance.raw import publish_raw
from wireloom.spi import TransportOptions
from wireloom.testing.conformance import Site
from wireloom_memory import MemoryBroker, MemoryOptions
from wireloom_memory.transport import MemoryTransport


class MemorySite(Site):
    """A broker of its own for each case."""

    heartbeat = 10.0

    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def join(self) -> TransportOptions:
        return MemoryOptions(client=self.broker)

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        options = MemoryOptions(client=self.broker)
        await publish_raw(MemoryTransport, options, address, body, headers)

    async def stop_broker(self) -> None:
        self.broker.stop()

    async def start_broker(self) -> None:
        self.broker.start()

    async def drop_connections(self) -> None:
        self.broker.drop_connections()

    async def freeze(self) -> None:
        self.broker.freeze()

    async def thaw(self) -> None:
        self.broker.thaw()
