"""Options are honoured or refused, and never show a secret."""

from typing import Any

import pytest

from wireloom.errors import ConfigurationError, InvalidPatternError, UnsupportedOptionError
from wireloom_rabbitmq import RabbitMqHandlerOptions, RabbitMqOptions


def test_defaults_are_a_broker_on_this_machine() -> None:
    options = RabbitMqOptions()
    assert options.urls == ("amqp://guest:guest@127.0.0.1:5672/",)
    assert (options.vhost, options.queue_type) == ("/", "quorum")


def test_url_alone_means_options() -> None:
    options = RabbitMqOptions.from_url("rabbitmq://u:p@host:1/v%2Fh?queue=g&heartbeat=5")
    assert options.url == "rabbitmq://u:p@host:1/v%2Fh"
    assert (options.queue, options.heartbeat, options.vhost) == ("g", 5, "v/h")


def test_password_is_never_shown() -> None:
    options = RabbitMqOptions(
        ["amqp://u:s3cret@a/", "amqp://u:s3cret@b/"], driver={"client_properties": {"x": "s3cret"}}
    )
    assert "s3cret" not in f"{options!r}{options.shown_url}{options.broker_id()}"
    with pytest.raises(ConfigurationError) as refusal:
        RabbitMqOptions("http://u:s3cret@host/")
    assert "s3cret" not in str(refusal.value)


def test_broker_is_known_by_host_port_and_virtual_host() -> None:
    assert RabbitMqOptions("amqps://u:p@h/").broker_id() == "amqp://h:5671//"
    assert RabbitMqOptions("amqp://x@h/v").broker_id() == "amqp://h:5672/v"
    assert RabbitMqOptions(client=object()).broker_id() is None


@pytest.mark.parametrize(
    "values",
    [
        {"url": "redis://host/"},
        {"url": "amqp:///vhost"},
        {"url": "amqps://h/?no_verify_ssl=1"},
        {"url": []},
        {"wire": "nestjs"},
        {"namespace": "a#b"},
        {"exchange": ""},
        {"exchange": "rpc"},
        {"exchange": "delay.3"},
        {"heartbeat": 0},
        {"call_timeout": -1},
        {"delivery_limit": 0},
        {"driver": {"reconnect_interval": 1}},
        {"queue_arguments": {"x-message-ttl": 5}},
        {"queue_arguments": {"x-dead-letter-exchange": "x"}},
        {"stream_arguments": {"x-queue-type": "quorum"}},
        {"queue_type": "stream"},
        {"auth": "anonymous"},
        {"streams": ["a..b"]},
        {"priorities": {"a": 256}},
        {"ttl": {"a": 0}},
        {"reply_prefixes": ["amq.gen-", ""]},
    ],
)
def test_value_that_cannot_work_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        RabbitMqOptions(**values)


def test_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidPatternError):
        RabbitMqOptions(priorities={"a..b": 1})


@pytest.mark.parametrize("query", ["no_verify_ssl=1", "heartbeat=soon", "auth=anonymous"])
def test_unknown_or_wrong_field_in_a_url_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError):
        RabbitMqOptions.from_url(f"amqps://host/?{query}")


def test_priorities_need_a_classic_queue() -> None:
    with pytest.raises(UnsupportedOptionError, match="max_priority"):
        RabbitMqHandlerOptions(max_priority=5)
    with pytest.raises(ConfigurationError):
        RabbitMqHandlerOptions(queue_type="classic", max_priority=256)
    with pytest.raises(ConfigurationError):
        RabbitMqHandlerOptions(queue_arguments={"x-queue-type": "stream"})
    assert RabbitMqHandlerOptions(queue_type="classic", max_priority=5).max_priority == 5
