"""TLS, users and their rights, and secrets that must not show."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.brokers.native.redis import RedisServer
from tests.tcp_spec.certificates import Authority
from tests.transports.redis.harness import Peer, Taken, declaration, event
from wireloom.errors import ConnectionFailedError
from wireloom.spi import Kind, Status
from wireloom_redis import RedisOptions

SECRET = "s3cret-canary"


class TlsServer(RedisServer):
    """Answers TLS alone; clients must show a certificate where `mutual` is set."""

    def __init__(
        self,
        folder: Path,
        *,
        mutual: bool = False,
        expired: bool = False,
        host: str = "127.0.0.1",
    ) -> None:
        self.authority = Authority(folder)
        files = self.authority.issue("localhost", expired=expired, host=host)
        super().__init__(
            [
                f"tls-cert-file {files.certificate}",
                f"tls-key-file {files.key}",
                f"tls-ca-cert-file {self.authority.path}",
                f"tls-auth-clients {'yes' if mutual else 'no'}",
            ]
        )
        self.tls_url = self.url.replace("redis://", "rediss://")
        self.client = self.authority.issue("client")

    def _configure(self) -> None:
        super()._configure()
        path = self.directory / "redis.conf"
        path.write_text(
            path.read_text().replace(f"port {self.port}", f"port 0\ntls-port {self.port}")
        )

    def _greets(self, connection: object) -> bool:
        return True  # it listens


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[TlsServer]:
    server = TlsServer(tmp_path)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.close)


async def _refused(options: RedisOptions) -> ConnectionFailedError:
    peer = Peer(options)
    with pytest.raises(ConnectionFailedError) as caught:
        async with asyncio.timeout(5):
            await peer.open()
    await peer.transport.close()
    return caught.value


async def test_server_of_our_authority_is_used_by_tls(tls: TlsServer) -> None:
    peer = await Peer(RedisOptions(tls.tls_url, ca_file=tls.authority.path)).open()
    intake = await peer.handle("x")
    await peer.emit("x", b"x" * 500_000)
    assert len((await intake.done()).message.body) == 500_000
    await peer.transport.close()


async def test_server_of_another_authority_is_refused(tls: TlsServer, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    error = await _refused(RedisOptions(tls.tls_url, ca_file=other.path))
    assert error.fatal
    assert "certificate" in str(error).lower()


async def test_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    server = TlsServer(tmp_path, host="127.0.0.3")
    await asyncio.to_thread(server.start)
    try:
        error = await _refused(RedisOptions(server.tls_url, ca_file=server.authority.path))
        assert error.fatal
        assert "mismatch" in str(error)
    finally:
        await asyncio.to_thread(server.close)


async def test_expired_certificate_is_refused(tmp_path: Path) -> None:
    server = TlsServer(tmp_path, expired=True)
    await asyncio.to_thread(server.start)
    try:
        error = await _refused(RedisOptions(server.tls_url, ca_file=server.authority.path))
        assert error.fatal
    finally:
        await asyncio.to_thread(server.close)


async def test_client_without_its_certificate_is_refused(tmp_path: Path) -> None:
    server = TlsServer(tmp_path, mutual=True)
    await asyncio.to_thread(server.start)
    try:
        await _refused(RedisOptions(server.tls_url, ca_file=server.authority.path))
        options = RedisOptions(
            server.tls_url,
            ca_file=server.authority.path,
            cert_file=server.client.certificate,
            key_file=server.client.key,
        )
        peer = await Peer(options).open()
        await peer.transport.probe()
        await peer.transport.close()
    finally:
        await asyncio.to_thread(server.close)


async def test_plain_text_to_a_tls_port_fails_and_never_the_other_way(tls: TlsServer) -> None:
    await _refused(RedisOptions(tls.url))


@pytest.fixture
async def guarded() -> AsyncIterator[RedisServer]:
    """A server with a password, and room for users."""
    server = RedisServer([f"requirepass {SECRET}"])
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.close)


async def test_wrong_password_fails_at_once_and_for_good(
    guarded: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "wireloom"):
        wrong = f"{SECRET}-wrong"
        errors = [
            await _refused(RedisOptions(guarded.url.replace("//", f"//:{wrong}@"))),
            await _refused(RedisOptions(guarded.url, password=wrong)),
            await _refused(RedisOptions(guarded.url)),
        ]
    assert all(error.fatal for error in errors)
    shown = caplog.text + "".join(str(error) + repr(error) for error in errors)
    assert SECRET not in shown


def test_options_show_no_secret() -> None:
    options = RedisOptions(
        f"redis://user:{SECRET}@127.0.0.1", password=SECRET, driver={"client_name": SECRET}
    )
    assert SECRET not in repr(options)
    assert SECRET not in repr(Peer(options).transport)


async def test_revoked_password_is_reported_and_a_restored_one_is_used(
    guarded: RedisServer,
) -> None:
    peer = await Peer(RedisOptions(guarded.url, password=SECRET, heartbeat=0.5)).open()
    async with Redis.from_url(guarded.url, password=SECRET) as admin:
        await admin.config_set("requirepass", "another")
        await admin.client_kill_filter(skipme=True, _type="normal")
        await admin.client_kill_filter(skipme=True, _type="pubsub")
        await peer.until(Status.FAILED)
        await admin.config_set("requirepass", SECRET)
    await peer.until(Status.CONNECTED)
    await peer.transport.close()


async def test_printed_rights_are_enough_and_no_more(guarded: RedisServer) -> None:
    declarations = [declaration("user.created"), declaration("tick", durable=False)]
    subscriptions = [
        event("user.created"),
        event("user.created", name="service.ordered", ordered=True, shards=2),
        event("user.created", name="service.copies", broadcast=True),
        event("tick", durable=False, broadcast=True),
        event("ask", kind=Kind.REQUEST),
    ]
    anybody = Peer(RedisOptions(guarded.url, namespace="shop"))
    rule = " ".join(anybody.transport.permissions(declarations, subscriptions))
    rule = rule.replace("PASSWORD", SECRET)
    async with Redis.from_url(guarded.url, password=SECRET) as admin:
        assert await admin.execute_command(*rule.split())
    limited = RedisOptions(
        guarded.url, namespace="shop", username="service", password=SECRET, sweep=0.1
    )
    peer = await Peer(limited).open()
    await peer.transport.declare(declarations)
    intake = Taken(100)
    subscribers = [await peer.transport.subscribe(one, intake) for one in subscriptions]
    await peer.emit("user.created", b"1")
    await peer.emit("tick", b"2")
    await peer.request("ask", b"3")
    deliveries = [await intake.next() for _ in range(5)]
    assert sorted(one.message.body for one in deliveries) == [b"1", b"1", b"1", b"2", b"3"]
    stored = [one for one in deliveries if one.message.body == b"1"]
    await stored[0].retry(0.01, 2)
    again = await intake.next()
    await again.dead_letter({"wl-dead-reason": "failed"})
    for one in stored[1:]:
        await one.ack()
    assert await peer.transport.plan(declarations, subscriptions)
    for subscriber in subscribers:
        await subscriber.close()
    with pytest.raises(Exception, match=r"(?i)no permissions"):
        await peer.emit("salary.paid", b"4")
    await peer.transport.close()
