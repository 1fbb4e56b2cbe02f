"""What is refused before anything is connected."""

import ssl
from pathlib import Path
from typing import Any

import nats.aio.client
import pytest

from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom.pattern import Pattern
from wireloom.spi import Declaration, Environment, Kind, Limits, Subscription, SystemClock
from wireloom_nats import NatsHandlerOptions, NatsOptions
from wireloom_nats.driver import connect_arguments, connection_error, requires_tls
from wireloom_nats.transport import NatsTransport

SECRET = "s3cret-canary"


def build(options: NatsOptions) -> NatsTransport:
    environment = Environment(
        group="users",
        instance="i",
        token="bus",
        serves=True,
        clock=SystemClock(),
        report=lambda status, error: None,
    )
    return NatsTransport(options, environment)


@pytest.mark.parametrize(
    "values",
    [
        {"servers": "nats://a"},
        {"servers": []},
        {"servers": ["http://a:1"]},
        {"servers": ["nats://"]},
        {"servers": ["nats://a b"]},
        {"publish_timeout": 0},
        {"publish_timeout": 120.0},
        {"replicas": 0},
        {"duplicate_window": -1},
        {"ack_wait": 0},
        {"user": "a"},
        {"user": "a", "password": "b", "auth_token": "c"},
        {"tls": ssl.create_default_context(), "tls_ca": Path("ca.pem")},
        {"reply_prefixes": ["$JS."]},
        {"reply_prefixes": [""]},
        {"wire": "nestjs"},
        {"namespace": "a b"},
    ],
)
def test_options_that_cannot_work_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        NatsOptions(**values)


@pytest.mark.parametrize("values", [{"ack_wait": 0.5}, {"max_ack_pending": 0}])
def test_handler_options_that_cannot_work_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        NatsHandlerOptions(**values)


def test_a_url_means_servers_and_fields() -> None:
    options = NatsOptions.from_url("nats://u:p@a:4222,b:4223?queue=q&namespace=shop&replicas=3")
    assert list(options.servers) == ["nats://u:p@a:4222", "nats://u:p@b:4223"]
    assert (options.queue, options.namespace, options.replicas) == ("q", "shop", 3)
    assert requires_tls(NatsOptions.from_url("nats+tls://a:4222"))
    with pytest.raises(ConfigurationError):
        NatsOptions.from_url("nats://a:4222/x")
    with pytest.raises(ConfigurationError):
        NatsOptions.from_url("nats://a:4222?unknown=1")


def test_secrets_are_in_no_text() -> None:
    options = NatsOptions(
        [f"nats://app:{SECRET}@127.0.0.1:4222"],
        auth_token=SECRET,
        driver={"user_jwt_cb": lambda: SECRET.encode(), "token": SECRET},
    )
    error = connection_error(OSError("refused"), options)
    transport = build(options)
    texts = (repr(options), str(options), repr(error), str(error), repr(transport))
    assert not any(SECRET in text for text in (*texts, options.broker_id()))


@pytest.mark.parametrize(
    "driver", [{"unknown": 1}, {"max_reconnect_attempts": 3}, {"error_cb": None}, {"no_echo": True}]
)
def test_driver_arguments_that_are_unknown_or_ours_are_refused(driver: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOptionError, match="driver"):
        build(NatsOptions(driver=driver))


def test_driver_arguments_are_passed_on() -> None:
    arguments = connect_arguments(NatsOptions(driver={"ping_interval": 3, "name": "x"}), "users")
    assert (arguments["ping_interval"], arguments["name"]) == (3, "x")
    assert arguments["max_reconnect_attempts"] == -1


def test_the_driver_has_the_parts_that_the_short_way_leans_on() -> None:
    client = nats.aio.client.Client()
    for name in ("_pending", "_pending_data_size", "_pongs", "_status", "_transport"):
        assert hasattr(client, name), name
    for name in (
        "_process_msg",
        "_process_pong",
        "_connect_to_server",
        "_connect_command",
        "_send_unsubscribe",
    ):
        assert callable(getattr(client, name)), name
    assert isinstance(client._pending, list)


def subscription(**more: Any) -> Subscription:
    return Subscription(
        name="a.b",
        pattern=more.pop("pattern", Pattern("x")),
        kind=Kind.EVENT,
        group="a",
        where="here",
        **more,
    )


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("ordered", {"ordered": True}),
        ("start_from", {"start_from": "first"}),
        ("native", {"native": NatsHandlerOptions()}),
    ],
)
def test_what_core_nats_cannot_honour_is_refused(option: str, values: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedOptionError) as caught:
        build(NatsOptions()).check(subscription(durable=False, **values))
    assert caught.value.option == option
    build(NatsOptions()).check(subscription(**values))


def test_a_pattern_that_begins_with_a_wildcard_has_no_limits_of_its_own() -> None:
    transport = build(NatsOptions())
    transport.check_declaration(Declaration(pattern=Pattern("*.x"), limits=Limits()))
    with pytest.raises(UnsupportedOptionError, match="limits"):
        transport.check_declaration(Declaration(pattern=Pattern("*.x"), limits=Limits(age=60)))


def test_permissions_name_every_subject_and_the_queue() -> None:
    transport = build(NatsOptions(namespace="shop"))
    request = Subscription(
        name="a.c", pattern=Pattern("users.*"), kind=Kind.REQUEST, group="a", where="here"
    )
    declared = [Declaration(pattern=Pattern("user.{id}"), limits=Limits())]
    rights = transport.permissions(declared, [request, subscription(durable=False)])
    assert "publish shop.user.*" in rights
    assert "subscribe shop.rpc.users.* wireloom" in rights
    assert "subscribe shop.x a.b" in rights
    assert "publish $JS.API.STREAM.CREATE.*" in rights
    assert not any("CONSUMER" in right for right in rights)
