"""TLS from the dialler's side: what is wrong is said at once, and nothing falls back to plain."""

from pathlib import Path

import pytest

from tests.tcp_spec.certificates import Authority, Files
from tests.unit.tcp.nodes import TestNode, echo, listening
from tests.unit.tcp.test_nodes import calling
from wireloom.errors import ConfigurationError, ConnectionFailedError
from wireloom.spi import Kind, Status
from wireloom_tcp.options import TcpOptions


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def secure(files: Files, **more: object) -> TcpOptions:
    return listening(tls=True, tls_certificate=files.certificate, tls_key=files.key, **more)


async def test_requests_and_events_travel_in_tls(authority: Authority) -> None:
    async with TestNode("a", secure(authority.issue("a.test"))) as a:
        await a.serve("echo", echo)
        options = calling(a.address, tls=True, tls_ca=authority.path)
        async with TestNode("b", options) as b:
            intake, _ = await b.serve("echo", echo)
            assert (await b.call("echo", b"x" * 500_000)).kind is Kind.REPLY
            assert (await a.call("echo", b"hi")).body == b"hi"
            await intake.get(1)


async def test_both_sides_know_each_other_by_certificate(authority: Authority) -> None:
    mutual = {"tls_ca": authority.path, "tls_client_certificates": True}
    async with TestNode("a", secure(authority.issue("a.test"), **mutual)) as a:
        files = authority.issue("b.test")
        options = calling(
            a.address,
            tls=True,
            tls_ca=authority.path,
            tls_certificate=files.certificate,
            tls_key=files.key,
        )
        async with TestNode("b", options) as b:
            at_a, _ = await a.serve("echo", echo)
            at_b, _ = await b.serve("back", echo)
            await b.call("echo")
            await a.call("back")
            assert at_a.seen[0].principal == "b.test"  # type: ignore[attr-defined]
            assert at_b.seen[0].principal == "a.test"  # type: ignore[attr-defined]


async def refused(address: str, **fields: object) -> ConnectionFailedError:
    with pytest.raises(ConnectionFailedError) as raised:
        await TestNode("b", calling(address, tls=True, **fields)).transport.connect()
    assert raised.value.fatal
    return raised.value


async def test_an_unknown_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path, "other")
    async with TestNode("a", secure(authority.issue("a.test"))) as a:
        assert "verify failed" in str(await refused(a.address, tls_ca=other.path))
        assert "verify failed" in str(await refused(a.address))


async def test_an_expired_certificate_is_refused(authority: Authority) -> None:
    async with TestNode("a", secure(authority.issue("a.test", expired=True))) as a:
        assert "expired" in str(await refused(a.address, tls_ca=authority.path))


async def test_a_certificate_for_another_host_is_refused(authority: Authority) -> None:
    async with TestNode("a", secure(authority.issue("a.test", host="10.0.0.1"))) as a:
        assert "127.0.0.1" in str(await refused(a.address, tls_ca=authority.path))
        options = calling(a.address, tls=True, tls_ca=authority.path, tls_hostname="a.test")
        async with TestNode("b", options) as b:
            await b.until(Status.CONNECTED)


async def test_a_missing_client_certificate_is_refused(authority: Authority) -> None:
    mutual = {"tls_ca": authority.path, "tls_client_certificates": True}
    a = TestNode("a", secure(authority.issue("a.test"), **mutual))
    own = {"tls": True, "tls_ca": authority.path}
    async with a, TestNode("b", calling(a.address, **own)) as b:
        # With TLS 1.3 the dialler learns of it only by the end of the connection.
        status, error = b.states[-1]
        assert status is Status.RECONNECTING
        assert "tls_certificate" in str(error)


async def test_a_plain_dialler_does_not_get_into_a_tls_port(authority: Authority) -> None:
    a = TestNode("a", secure(authority.issue("a.test")))
    async with a, TestNode("b", calling(a.address)) as b:
        status, error = b.states[-1]
        assert status is Status.RECONNECTING
        assert "tls=True" in str(error)


async def test_a_tls_dialler_does_not_fall_back_to_a_plain_port(authority: Authority) -> None:
    async with TestNode("a", listening()) as a:
        options = calling(a.address, tls=True, tls_ca=authority.path)
        async with TestNode("b", options) as b:
            assert b.states[-1][0] in (Status.RECONNECTING, Status.FAILED)
            assert not b.transport.unwrap().peers  # type: ignore[union-attr]


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.pem")
    options = listening(tls=True, tls_certificate=missing, tls_key=missing)
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        await TestNode("a", options).transport.connect()
    with pytest.raises(ConfigurationError, match=r"tls_ca.*missing\.pem"):
        await TestNode("b", calling("localhost:1", tls=True, tls_ca=missing)).transport.connect()


async def test_listening_with_tls_takes_a_certificate() -> None:
    with pytest.raises(ConfigurationError, match="tls_certificate"):
        await TestNode("a", listening(tls=True)).transport.connect()


async def test_a_token_goes_with_tls(authority: Authority) -> None:
    async with TestNode("a", secure(authority.issue("a.test"), token="right")) as a:
        error = await refused(a.address, tls_ca=authority.path, token="wrong")
        assert "UNAUTHENTICATED" in str(error)
