"""Options are honoured or refused."""

from typing import Any

import pytest

from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom.spi import Environment, SystemClock
from wireloom_redis import RedisHandlerOptions, RedisOptions
from wireloom_redis.transport import RedisTransport


def transport(options: RedisOptions) -> RedisTransport:
    environment = Environment(
        group="g",
        instance="i",
        token="t",
        serves=True,
        clock=SystemClock(),
        report=lambda status, error: None,
    )
    return RedisTransport(options, environment)


def settings(options: RedisOptions) -> dict[str, Any]:
    client = transport(options)._plant.native
    return dict(client.connection_pool.connection_kwargs)  # type: ignore[attr-defined]


def test_url_gives_address_database_and_fields_by_name() -> None:
    options = RedisOptions.from_url("redis://u:p%40@host:7000/2?namespace=shop&heartbeat=2")
    assert (options.url, options.namespace, options.heartbeat) == (
        "redis://u:p%40@host:7000/2",
        "shop",
        2.0,
    )
    made = settings(options)
    assert (made["host"], made["port"], made["db"]) == ("host", 7000, 2)
    assert (made["username"], made["password"]) == ("u", "p@")


def test_fields_come_before_what_the_url_says() -> None:
    made = settings(RedisOptions("redis://u:p@h", username="v", password="q"))
    assert (made["username"], made["password"]) == ("v", "q")


def test_driver_settings_are_passed_through() -> None:
    assert settings(RedisOptions(driver={"socket_timeout": 3}))["socket_timeout"] == 3


@pytest.mark.parametrize("name", ["retry", "decode_responses", "protocol"])
def test_driver_setting_that_is_ours_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedOptionError, match=name):
        RedisOptions(driver={name: 1})


@pytest.mark.parametrize("name", ["sokcet_timeout", "host", "password"])
def test_driver_setting_that_is_unknown_or_in_the_url_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedOptionError, match=name):
        transport(RedisOptions(driver={name: 1}))


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://127.0.0.1"},
        {"url": "redis://127.0.0.1?db=1"},
        {"url": "redis+sentinel://127.0.0.1"},
        {"url": "redis://127.0.0.1", "ca_file": "x"},
        {"url": "rediss://127.0.0.1", "cert_file": "x"},
        {"heartbeat": 0},
        {"block": -1},
        {"sweep": 0},
        {"dedup_window": -1},
        {"wire": "nestjs"},
        {"client": object(), "driver": {"socket_timeout": 1}},
    ],
)
def test_value_that_cannot_work_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RedisOptions(**fields)


@pytest.mark.parametrize("fields", [{"ack_wait": 0}, {"dead_letters": 0}])
def test_handler_option_that_cannot_work_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RedisHandlerOptions(**fields)


def test_unknown_field_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigurationError, match="dedup_window"):
        RedisOptions.from_url("redis://h?nope=1")


def test_tls_settings_reach_the_driver(tmp_path: Any) -> None:
    made = settings(RedisOptions("rediss://h", ca_file="ca", cert_file="c", key_file="k"))
    assert (made["ssl_ca_certs"], made["ssl_certfile"], made["ssl_keyfile"]) == ("ca", "c", "k")


def test_sentinels_get_the_tls_settings_too() -> None:
    options = RedisOptions(
        "rediss+sentinel://:pw@a:1,b:2/main/3",
        ca_file="ca",
        driver={"sentinel_kwargs": {"password": "other"}},
    )
    made = transport(options)._plant._connector
    sentinels = made._sentinel.sentinels  # type: ignore[attr-defined]
    addresses = [one.connection_pool.connection_kwargs for one in sentinels]
    assert [(one["host"], one["port"]) for one in addresses] == [("a", 1), ("b", 2)]
    assert {(one["ssl_ca_certs"], one["password"]) for one in addresses} == {("ca", "other")}
    pool = made.native.connection_pool
    assert pool.service_name == "main"
    assert (pool.connection_kwargs["db"], pool.connection_kwargs["password"]) == (3, "pw")


def test_rights_are_printed_without_a_connection() -> None:
    rule = transport(RedisOptions(namespace="shop")).permissions([], [])
    assert rule[0].startswith("ACL SETUSER g on")
    assert "&shop.inbox.*" in rule
