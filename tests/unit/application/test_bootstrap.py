"""Every form of a transport's value, and what is said of those that are none."""

from typing import Any

import pytest

from wireloom import (
    Application,
    ConfigurationError,
    Transport,
    UnknownTransportError,
    from_env,
    provide_microservices,
)
from wireloom_memory import MemoryOptions
from wireloom_tcp import TcpOptions


def options(value: Any) -> Any:
    return Application("svc", transports={"t": value}).links["t"].options


@pytest.mark.parametrize(
    "value",
    [
        MemoryOptions("orders", startup_timeout=2.0),
        "memory://orders?startup_timeout=2",
        {"transport": "memory", "broker": "orders", "startup_timeout": "2"},
        {"transport": Transport.MEMORY, "broker": "orders", "startup_timeout": 2},
        {"url": "memory://orders?startup_timeout=2"},
        from_env("WIRELOOM_TEST_URL"),
        from_env("WIRELOOM_TEST_NOTHING", default="memory://orders?startup_timeout=2.0"),
    ],
)
def test_every_form_means_the_same_options(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIRELOOM_TEST_URL", "memory://orders?startup_timeout=2")
    assert options(value) == MemoryOptions("orders", startup_timeout=2.0)


def test_list_form_gives_the_mapping() -> None:
    given = provide_microservices(
        [
            {
                "token": "main",
                "options": {"transport": Transport.TCP, "options": {"listen": "127.0.0.1:4999"}},
            },
            {"token": "cache", "options": {"transport": "memory"}},
            {"token": "own", "options": {"transport": "memory", "options": MemoryOptions("x")}},
        ]
    )
    app = Application("svc", transports=given)
    assert app.links["main"].options == TcpOptions(listen="127.0.0.1:4999")
    assert app.links["cache"].options == MemoryOptions()
    assert app.links["own"].options == MemoryOptions("x")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([{}], "is no microservice"),
        ([{"token": "a"}], "token 'a'"),
        ([{"token": "a", "options": {"options": {}}}], "token 'a'"),
        ([{"token": "a", "options": {"transport": "tcp"}, "extra": 1}], "unknown keys"),
        ([{"token": "a", "options": {"transport": "tcp", "x": 1}}], "unknown keys"),
        ([{"token": "a", "options": {"transport": "tcp"}}] * 2, "stands twice"),
        (
            [{"token": "a", "options": {"transport": "tcp", "options": MemoryOptions()}}],
            "MemoryOptions under transport 'tcp'",
        ),
        ([{"token": "a", "options": {"transport": "tcp", "options": ["x"]}}], "are a mapping"),
    ],
)
def test_wrong_entry_of_the_list_form_is_refused_by_its_token(entries: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        provide_microservices(entries)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("memory", "is a text and no URL"),
        (5, "int is no transport"),
        (None, "NoneType is no transport"),
        ({}, "has no 'transport'"),
        ({"transport": "memory", "brooker": "x"}, "brooker: Unexpected keyword argument"),
        ("memory://x?brooker=y", "brooker: Unexpected keyword argument"),
        ("memory://x/path", "no path"),
        (from_env("WIRELOOM_TEST_NOTHING"), "'WIRELOOM_TEST_NOTHING' is not set"),
    ],
)
def test_wrong_value_is_refused_naming_the_token(value: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"token 't': .*{said}"):
        options(value)


@pytest.mark.parametrize("value", ["zmq://x", {"transport": "zmq"}])
def test_unknown_transport_lists_what_is_installed(value: Any) -> None:
    with pytest.raises(UnknownTransportError, match=r"token 't': .*'zmq'; installed: .*memory"):
        options(value)


@pytest.mark.parametrize(
    "value",
    [
        "user:s3cret@host",
        {"transport": "memory", "password": "s3cret"},
        {"password": "s3cret"},
        "memory://x?password=s3cret",
        "memory://x?startup_timeout=s3cret",
        {"transport": "memory", "startup_timeout": "s3cret"},
    ],
)
def test_no_refusal_repeats_a_value_that_may_be_a_secret(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options(value)
    assert "s3cret" not in str(caught.value)


def test_no_refusal_of_the_list_form_repeats_a_secret() -> None:
    with pytest.raises(ConfigurationError) as caught:
        provide_microservices([{"token": "a", "password": "s3cret"}])
    assert "s3cret" not in str(caught.value)


def test_environment_is_read_when_the_application_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    value = from_env("WIRELOOM_TEST_URL")
    monkeypatch.setenv("WIRELOOM_TEST_URL", "memory://later")
    assert options(value) == MemoryOptions("later")


def test_names_of_transports_are_text() -> None:
    assert [one.value for one in Transport] == [
        "tcp",
        "nats",
        "kafka",
        "redis",
        "rabbitmq",
        "memory",
    ]
    assert Transport.TCP == "tcp"
