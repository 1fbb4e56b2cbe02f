"""RabbitMQ from the distribution's package, with its own Erlang port mapper and cookie."""

import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.brokers.install.apt import rabbitmq_scripts
from tests.brokers.native.ports import free_port
from tests.brokers.native.process import Process
from tests.brokers.native.server import NativeServer

_CONTROL_TIMEOUT = 60.0  # seconds; rabbitmqctl starts an Erlang machine of its own
_START_FRAME = b"\x01\x00\x00"  # a method on channel 0: connection.start
# Idle schedulers sleep instead of spinning: the machine is shared with the tests.
_ERLANG_FLAGS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


class RabbitMqServer(NativeServer):
    """One node, user and password `guest`."""

    name = "rabbitmq"
    scheme = "amqp://guest:guest@"

    def __init__(self, settings: Sequence[str] = (), directory: Path | None = None) -> None:
        super().__init__(settings, directory)
        self.node = f"wireloom-{self.port}@localhost"
        self._mapper_port = free_port()
        self._distribution_port = free_port()
        self._mapper: Process | None = None

    def start(self) -> None:
        if self._mapper is None or not self._mapper.running:
            # Left to itself the node starts a mapper that outlives it.
            self._mapper = self._spawn(["epmd", "-address", "127.0.0.1"])
        super().start()

    def close(self) -> None:
        if self._mapper is not None:
            self.stop()
            self._mapper.kill()
            self._mapper = None
        super().close()

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` on this node and return what it prints.

        Raises:
            subprocess.CalledProcessError: it failed.
            subprocess.TimeoutExpired: it took longer than a minute.
        """
        done = subprocess.run(
            [str(rabbitmq_scripts() / "rabbitmqctl"), "--quiet", *arguments],
            env={**os.environ, **self._environment()},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=True,
            timeout=_CONTROL_TIMEOUT,
        )
        return done.stdout

    def _configure(self) -> None:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            "log.console = true",
            "log.console.level = warning",
            "raft.wal_max_size_bytes = 64000000",
            *self.settings,
        ]
        (self.directory / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (self.directory / "enabled_plugins").write_text("[].\n")

    def _command(self) -> list[str]:
        return [str(rabbitmq_scripts() / "rabbitmq-server")]

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.directory),  # where Erlang keeps its cookie
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_FLAGS,
            "RUNNING_UNDER_SYSTEMD": "1",  # the script then becomes the node; signals reach it
        }

    def _greets(self, connection: socket.socket) -> bool:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(64).startswith(_START_FRAME)
