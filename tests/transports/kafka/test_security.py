"""A broker that asks for a password over TLS, with a throw-away authority."""

import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import KafkaServer, free_port
from tests.tcp_spec.certificates import Authority
from tests.transports.kafka.harness import Collector, environment, event, joined, subscription
from wireloom.errors import ConnectionFailedError
from wireloom_kafka import KafkaOptions
from wireloom_kafka.transport import KafkaTransport

pytestmark = pytest.mark.timeout(120)  # the first one starts the broker
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SECRET = "wrong-s3cret"


class GuardedServer(KafkaServer):
    """A server with a further listener: TLS and passwords."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.authority = Authority(folder)
        files = self.authority.issue("localhost")
        self._store = folder / "broker.pem"
        self._store.write_bytes(Path(files.key).read_bytes() + Path(files.certificate).read_bytes())
        self.guarded = f"127.0.0.1:{free_port()}"

    def _properties(self) -> list[str]:
        lines = dict(line.split("=", 1) for line in super()._properties())
        for name in ("listeners", "advertised.listeners"):
            lines[name] += f",SASL_SSL://{self.guarded}"
        prefix = "listener.name.sasl_ssl"
        lines |= {
            "listener.security.protocol.map": (
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL"
            ),
            "sasl.enabled.mechanisms": "PLAIN",
            f"{prefix}.plain.sasl.jaas.config": f'{_LOGIN} user_app="right";',
            f"{prefix}.ssl.keystore.type": "PEM",
            f"{prefix}.ssl.keystore.location": str(self._store),
        }
        return [f"{name}={value}" for name, value in lines.items()]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedServer]:
    with GuardedServer(tmp_path_factory.mktemp("tls")) as server:
        yield server


def trusting(server: GuardedServer) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.authority.path)


async def refused(server: GuardedServer, **options: object) -> ConnectionFailedError:
    given = KafkaOptions(server.guarded, request_timeout=5.0, **options)  # type: ignore[arg-type]
    transport = KafkaTransport(given, environment("g"))
    with pytest.raises(ConnectionFailedError) as caught:
        await transport.connect()
    await transport.close()
    return caught.value


async def test_password_over_tls_lets_events_through(guarded: GuardedServer, unique: str) -> None:
    party = await joined(
        guarded.guarded, unique, username="app", password="right", tls=trusting(guarded)
    )
    intake = Collector(acks=True)
    await party.transport.subscribe(subscription(f"{unique}.h", f"{unique}.a"), intake)
    await party.transport.publish(event(f"{unique}.a", b"x"))
    await intake.wait_for(1)
    await party.transport.close()


async def test_wrong_password_fails_at_once_for_good_and_shows_no_secret(
    guarded: GuardedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = await refused(guarded, username="app", password=SECRET, tls=trusting(guarded))
    assert error.fatal
    assert SECRET not in str(error)
    assert SECRET not in caplog.text


async def test_certificate_of_an_unknown_authority_fails_for_good(
    guarded: GuardedServer,
) -> None:
    error = await refused(guarded, username="app", password="right", tls=True)
    assert error.fatal
    assert "certificate" in str(error).lower()


async def test_plain_connection_to_a_listener_with_tls_fails_in_time(
    guarded: GuardedServer,
) -> None:
    assert str(await refused(guarded))
