"""Nodes on loopback, each connected to all others."""

from collections.abc import Sequence

from tests.brokers.native.ports import free_port
from tests.conformance.raw import publish_raw
from wireloom.spi import TransportOptions
from wireloom.testing import ChaosProxy, Hold, Pass, Refuse
from wireloom.testing.conformance import Site
from wireloom_tcp import TcpOptions
from wireloom_tcp.transport import TcpTransport

SECRET = "a secret of at least 32 characters"
PROXIES = 4


class TcpSite(Site):
    """A mesh. The first nodes are reached through proxies, so that faults can be planted."""

    heartbeat = 10.0

    def __init__(self) -> None:
        self._dials: list[tuple[TransportOptions, str]] = []
        self._proxies: list[ChaosProxy] = []
        self._spare: list[tuple[int, ChaosProxy]] = []
        self._holds: list[Hold] = []

    async def open(self) -> None:
        for _ in range(PROXIES):
            port = free_port()
            proxy = await ChaosProxy("127.0.0.1", port).__aenter__()
            self._proxies.append(proxy)
            self._spare.append((port, proxy))

    def join(self) -> TransportOptions:
        if self._spare:
            port, proxy = self._spare.pop(0)
            dial = f"127.0.0.1:{proxy.port}"
        else:
            port = free_port()
            dial = f"127.0.0.1:{port}"
        options = self._options(listen=f"127.0.0.1:{port}")
        self._dials.append((options, dial))
        return options

    def leave(self, options: TransportOptions) -> None:
        self._dials = [entry for entry in self._dials if entry[0] is not options]

    async def publish_foreign(
        self, address: str, body: bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        await publish_raw(TcpTransport, self._options(), address, body, headers)

    async def drop_connections(self) -> None:
        for proxy in self._proxies:
            await proxy.reset()

    async def stop_broker(self) -> None:
        """There is none: nobody reaches anybody."""
        for proxy in self._proxies:
            await proxy.plant(Refuse())

    async def start_broker(self) -> None:
        for proxy in self._proxies:
            await proxy.plant(Pass())

    async def freeze(self) -> None:
        for proxy in self._proxies:
            hold = Hold()
            self._holds.append(hold)
            await proxy.plant(hold)

    async def thaw(self) -> None:
        for hold in self._holds:
            hold.release()
        for proxy in self._proxies:
            await proxy.plant(Pass())

    def wrong_credentials(self) -> TransportOptions:
        return self._options(token="another secret, just as long as it")

    async def close(self) -> None:
        for proxy in self._proxies:
            await proxy.__aexit__(None, None, None)

    def _options(self, *, listen: str | None = None, token: str = SECRET) -> TcpOptions:
        return TcpOptions(listen=listen, connect=[dial for _, dial in self._dials], token=token)
