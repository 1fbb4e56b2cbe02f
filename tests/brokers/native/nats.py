"""nats-server with JetStream, from its wheel."""

import socket

from tests.brokers.install.wheel import nats_server
from tests.brokers.native.server import NativeServer


class NatsServer(NativeServer):
    """One server with a file store."""

    name = "nats"
    scheme = "nats://"

    def _configure(self) -> None:
        lines = [
            f"listen: 127.0.0.1:{self.port}",
            f'jetstream {{ store_dir: "{self.directory}" }}',
            *self.settings,
        ]
        (self.directory / "nats.conf").write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        return [str(nats_server()), "--config", str(self.directory / "nats.conf")]

    def _greets(self, connection: socket.socket) -> bool:
        return b'"jetstream":true' in connection.recv(4096)
