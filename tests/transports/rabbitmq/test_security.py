"""Credentials and TLS, with a certificate authority that lives as long as the tests."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import RabbitMqServer, free_port
from tests.tcp_spec.certificates import Authority, Files
from tests.transports.rabbitmq.harness import Place, event, events
from wireloom.errors import ConfigurationError, ConnectionFailedError
from wireloom.spi import Status
from wireloom_rabbitmq import RabbitMqOptions

pytestmark = pytest.mark.timeout(60, func_only=True)
SECRET = "s3cret-canary"


class TlsServer(RabbitMqServer):
    """A node that also listens with TLS, and knows clients by their certificates."""

    def __init__(self, authority: Authority, files: Files) -> None:
        self.tls_port = free_port()
        super().__init__(
            [
                f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
                f"ssl_options.cacertfile = {authority.path}",
                f"ssl_options.certfile = {files.certificate}",
                f"ssl_options.keyfile = {files.key}",
                "ssl_options.verify = verify_peer",
                "ssl_options.fail_if_no_peer_cert = false",
                "auth_mechanisms.1 = PLAIN",
                "auth_mechanisms.2 = EXTERNAL",
                "ssl_cert_login_from = common_name",
            ]
        )

    def _configure(self) -> None:
        super()._configure()
        (self.directory / "enabled_plugins").write_text("[rabbitmq_auth_mechanism_ssl].\n")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[TlsServer]:
    with TlsServer(authority, authority.issue("server")) as server:
        yield server


def secure(server: TlsServer, **options: object) -> Place:
    return Place(f"amqps://guest:guest@127.0.0.1:{server.tls_port}/", **options)


async def works(place: Place) -> None:
    async with place.peer() as peer:
        box = await peer.handle(events())
        await peer.transport.publish(event(body=b"x" * 200_000))
        await (await box.take()).ack()


async def test_trusted_certificate_is_accepted(server: TlsServer, authority: Authority) -> None:
    await works(secure(server, ca_file=authority.path))
    await works(secure(server, tls=ssl.create_default_context(cafile=authority.path)))


async def test_client_certificate_logs_in(server: TlsServer, authority: Authority) -> None:
    files = authority.issue("app")
    server.control("add_user", "app", "unused")
    server.control("set_permissions", "app", ".*", ".*", ".*")
    external = {"auth": "external", "ca_file": authority.path}
    place = Place(
        f"amqps://127.0.0.1:{server.tls_port}/",
        **external,
        cert_file=files.certificate,
        key_file=files.key,
    )
    await works(place)
    with pytest.raises(ConnectionFailedError):
        await works(Place(f"amqps://127.0.0.1:{server.tls_port}/", **external))


async def test_certificate_of_an_unknown_authority_is_fatal(
    server: TlsServer, tmp_path: Path
) -> None:
    for place in (secure(server), secure(server, ca_file=Authority(tmp_path, "other").path)):
        with pytest.raises(ConnectionFailedError, match="certificate") as failure:
            await works(place)
        assert failure.value.fatal


async def test_certificate_for_another_host_is_fatal(
    server: TlsServer, authority: Authority
) -> None:
    place = Place(f"amqps://guest:guest@localhost:{server.tls_port}/", ca_file=authority.path)
    with pytest.raises(ConnectionFailedError, match="certificate") as failure:
        await works(place)
    assert failure.value.fatal


async def test_plain_connection_to_the_tls_port_fails_in_time(server: TlsServer) -> None:
    with pytest.raises(ConnectionFailedError):
        await works(Place(f"amqp://guest:guest@127.0.0.1:{server.tls_port}/", connect_timeout=3.0))


async def test_tls_to_the_plain_port_fails_in_time(server: TlsServer, authority: Authority) -> None:
    url = f"amqps://guest:guest@127.0.0.1:{server.port}/"
    with pytest.raises(ConnectionFailedError):
        await works(Place(url, ca_file=authority.path, connect_timeout=3.0))


async def test_rights_that_are_revoked_while_running_are_told_and_can_come_back(
    server: TlsServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.control("add_user", "leaver", SECRET)
    server.control("set_permissions", "leaver", ".*", ".*", ".*")
    place = Place(f"amqp://leaver:{SECRET}@127.0.0.1:{server.port}/")
    async with place.peer() as peer:
        box = await peer.handle(events())
        server.control("change_password", "leaver", "another")
        server.control("close_all_connections", "revoked")
        await peer.statuses.until(Status.FAILED, within=20)
        server.control("change_password", "leaver", SECRET)
        await peer.statuses.until(Status.CONNECTED, count=2, within=20)
        await peer.transport.publish(event(id="back"))
        assert (await box.take()).message.id == "back"
    told = " ".join(f"{status} {error}" for status, error in peer.statuses.seen)
    assert SECRET not in f"{told}{caplog.text}"


def test_verification_cannot_be_turned_off() -> None:
    with pytest.raises(ConfigurationError, match="always verified"):
        RabbitMqOptions("amqps://host/?no_verify_ssl=1")
    with pytest.raises(ConfigurationError):
        RabbitMqOptions.from_url("amqps://host/?no_verify_ssl=1")
