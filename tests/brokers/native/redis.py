"""redis-server with an append-only file, from the distribution's package."""

import socket

from tests.brokers.install.apt import program
from tests.brokers.native.server import NativeServer


class RedisServer(NativeServer):
    """One server that keeps what it acknowledged through SIGKILL."""

    name = "redis"
    scheme = "redis://"

    def _configure(self) -> None:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.directory}",
            "appendonly yes",
            'save ""',
            "enable-debug-command local",  # DEBUG SLEEP is one of the faults
            *self.settings,
        ]
        (self.directory / "redis.conf").write_text("\n".join(lines) + "\n")

    def _command(self) -> list[str]:
        return [program("redis-server"), str(self.directory / "redis.conf")]

    def _greets(self, connection: socket.socket) -> bool:
        connection.sendall(b"PING\r\n")
        answer = connection.recv(64)
        return answer.startswith((b"+PONG", b"-NOAUTH"))  # not -LOADING
