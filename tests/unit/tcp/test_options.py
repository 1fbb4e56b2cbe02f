"""Every option is honoured or refused, and a URL says the same as fields."""

import dataclasses

import pytest

from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom_tcp import TcpOptions
from wireloom_tcp.addresses import Address


def test_a_url_names_the_address_and_fields() -> None:
    options = TcpOptions.from_url(
        "tcp://127.0.0.1:4100?connect=localhost:1&connect=[::1]:2&backlog=5"
    )
    assert options.listen == "127.0.0.1:4100"
    assert options.connect == ("localhost:1", "[::1]:2")
    assert options.backlog == 5
    assert not options.tls


def test_a_tls_url_means_tls_and_may_hold_the_token() -> None:
    options = TcpOptions.from_url("tls://:secret@example.org:4100")
    assert (options.tls, options.token, options.listen) == (True, "secret", "example.org:4100")


def test_a_url_without_an_address_does_not_listen() -> None:
    assert TcpOptions.from_url("tcp://?connect=127.0.0.1:1").listen is None


def test_one_text_may_name_several_addresses() -> None:
    assert TcpOptions(connect="localhost:1, localhost:2,").connect == ("localhost:1", "localhost:2")


def test_a_token_is_not_shown() -> None:
    options = TcpOptions(token="planted-secret", tls_key_password="planted-too")
    assert "planted" not in repr(options)


@pytest.mark.parametrize(
    "fields",
    [{"wire": "nestjs"}, {"driver": {"limit": 1}}, {"client": object()}],
    ids=["wire", "driver", "client"],
)
def test_what_tcp_does_not_have_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(UnsupportedOptionError, match="'tcp'"):
        TcpOptions(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("listen", ["4000", "host:", ":4000", "host:99999", "::1:4000", "host:4x"])
def test_an_address_that_is_none_is_refused(listen: str) -> None:
    with pytest.raises(ConfigurationError, match="listen"):
        TcpOptions(listen=listen)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"connect": "localhost:0"}, "connect"),
        ({"token": "t", "listen": "0.0.0.0:4000"}, "listen"),
        ({"token": "t", "connect": "billing-1:4000"}, "connect"),
        ({"tls_ca": "ca.pem"}, "tls_ca"),
        ({"tls": True, "tls_certificate": "c.pem"}, "tls_certificate"),
        ({"tls_client_certificates": True, "tls": True}, "tls_client_certificates"),
        ({"allow": {"a": ["b"]}}, "allow"),
        ({"route_wait": -1}, "route_wait"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as raised:
        TcpOptions(**fields)  # type: ignore[arg-type]
    assert "token='t'" not in str(raised.value)


def test_a_token_off_loopback_goes_with_tls() -> None:
    assert TcpOptions(token="t", connect="billing-1:4000", tls=True).connect


@pytest.mark.parametrize(
    "name",
    [
        field.name
        for field in dataclasses.fields(TcpOptions)
        if field.type in ("int", "float", int, float)
        and field.name not in ("route_wait", "max_queued")
    ],
)
def test_limits_and_times_are_above_zero(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        TcpOptions(**{name: 0})


def test_unknown_fields_of_a_url_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="konnect"):
        TcpOptions.from_url("tcp://127.0.0.1:1?konnect=x")


@pytest.mark.parametrize("url", ["tcp://user@host:1", "tcp://host:1/path"])
def test_a_url_with_what_tcp_does_not_have_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        TcpOptions.from_url(url)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("localhost.evil.example:1", False),
        ("10.0.0.1:1", False),
    ],
)
def test_loopback_is_told_from_everything_else(text: str, loopback: bool) -> None:
    address = Address.parse(text)
    assert address.is_loopback is loopback
    assert str(address) == text
