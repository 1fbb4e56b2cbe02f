"""Apache Kafka in KRaft mode, one node that is broker and controller, from Maven's jars."""

import socket
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from tests.brokers.broker import BrokerStartError
from tests.brokers.install.maven import class_path, java
from tests.brokers.native.ports import free_port
from tests.brokers.native.server import NativeServer

_FORMAT_TIMEOUT = 60.0  # seconds
_JVM = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",  # measured: 4.7 s and 4 s of CPU to start, not 6.3 s and 7 s
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)  # size, key, version, correlation, client


class KafkaServer(NativeServer):
    """One node; every internal topic has one replica and one partition.

    Args:
        settings: further server properties; a later line wins over an earlier one.
        directory: where it stores; a private temporary one when None.
        advertised: `host:port` told to clients in place of its own, as a proxy between needs it.
    """

    name = "kafka"
    scheme = ""

    def __init__(
        self,
        settings: Sequence[str] = (),
        directory: Path | None = None,
        advertised: str | None = None,
    ) -> None:
        super().__init__(settings, directory)
        self.advertised = advertised or self.url
        self._controller_port = free_port()

    def _configure(self) -> None:
        properties = self.directory / "server.properties"
        properties.write_text("\n".join([*self._properties(), *self.settings]) + "\n")
        if not (self.directory / "log" / "meta.properties").exists():
            self._format(properties)

    def _properties(self) -> list[str]:
        controller = f"127.0.0.1:{self._controller_port}"
        return [
            "process.roles=broker,controller",
            "node.id=1",
            f"controller.quorum.voters=1@{controller}",
            "controller.listener.names=CONTROLLER",
            f"listeners=PLAINTEXT://{self.url},CONTROLLER://{controller}",
            f"advertised.listeners=PLAINTEXT://{self.advertised}",
            f"log.dirs={self.directory / 'log'}",
            # A killed broker may register again when its last session is over: 9 s by default.
            "broker.session.timeout.ms=3000",
            "broker.heartbeat.interval.ms=500",
            "group.initial.rebalance.delay.ms=0",
            "offsets.topic.replication.factor=1",
            "offsets.topic.num.partitions=1",
            "transaction.state.log.replication.factor=1",
            "transaction.state.log.min.isr=1",
            "transaction.state.log.num.partitions=1",
            "share.coordinator.state.topic.replication.factor=1",
            "share.coordinator.state.topic.min.isr=1",
        ]

    def _format(self, properties: Path) -> None:
        arguments = ["format", "--cluster-id", uuid.uuid4().hex, "--config", str(properties)]
        done = subprocess.run(
            [*self._java(), "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=_FORMAT_TIMEOUT,
        )
        if done.returncode:
            raise BrokerStartError(f"Kafka's storage was not formatted:\n{done.stderr}")

    def _command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", str(self.directory / "server.properties")]

    def _java(self) -> list[str]:
        return [java(), *_JVM, "-cp", class_path()]

    def _greets(self, connection: socket.socket) -> bool:
        # Answered only once the broker is registered and its requests are let through.
        connection.sendall(_API_VERSIONS)
        return len(connection.recv(64)) > len(_API_VERSIONS)
