import pytest

from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom_kafka import KafkaHandlerOptions, KafkaOptions
from wireloom_kafka.driver import Driver


def test_servers_come_as_text_or_as_a_list() -> None:
    assert KafkaOptions("a:1, b:2").servers == ["a:1", "b:2"]
    assert KafkaOptions(bootstrap_servers=["a:1", "b:2"]).servers == ["a:1", "b:2"]


def test_url_names_servers_login_and_options() -> None:
    options = KafkaOptions.from_url("kafka://me:p%40ss@a:1,b:2?partitions=3&tls=true&namespace=n")
    assert options.servers == ["a:1", "b:2"]
    assert (options.username, options.password) == ("me", "p@ss")
    assert (options.partitions, options.tls, options.namespace) == (3, True, "n")


def test_password_is_never_shown() -> None:
    options = KafkaOptions("a:1", username="me", password="s3cret", driver={"client_id": "s3cret"})
    assert "s3cret" not in repr(options)
    assert "s3cret" not in str(options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bootstrap_servers": "nohost"},
        {"bootstrap_servers": []},
        {"bootstrap_servers": "a:99999"},
        {"username": "me"},
        {"partitions": 0},
        {"replication": 0},
        {"session_timeout": 0},
        {"metadata_max_age": 301},
        {"commit_interval": -1},
        {"reply_partitions": 0},
    ],
)
def test_values_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="KafkaOptions"):
        KafkaOptions(**wrong)  # type: ignore[arg-type]


def test_wires_it_does_not_speak_are_refused() -> None:
    with pytest.raises(UnsupportedOptionError, match="nestjs"):
        KafkaOptions(wire="nestjs")


@pytest.mark.parametrize(
    "name",
    [
        "acks",
        "enable_auto_commit",
        "group_id",
        "auto_offset_reset",
        "bootstrap_servers",
        "session_timeout_ms",
        "linger",
        "loop",
        "value_serializer",
    ],
)
def test_driver_arguments_that_are_ours_or_nobodys_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Driver(KafkaOptions(driver={name: 1}), "me")


async def test_driver_arguments_reach_those_clients_that_know_them() -> None:
    driver = Driver(KafkaOptions(driver={"linger_ms": 7, "client_id": "mine"}), "me")
    producer, consumer = driver.producer(), driver.consumer()
    assert producer._message_accumulator._linger_time == 0.007
    assert producer.client._client_id == consumer._client._client_id == "mine"
    await producer.stop()
    await consumer.stop()


async def test_login_and_encryption_reach_every_client() -> None:
    options = KafkaOptions(username="me", password="pw", sasl_mechanism="SCRAM-SHA-256", tls=True)
    driver = Driver(options, "me")
    producer, consumer, admin = driver.producer(), driver.consumer(), driver.admin()
    for client in (producer.client, consumer._client, admin._client):
        assert client._security_protocol == "SASL_SSL"
        assert client._sasl_mechanism == "SCRAM-SHA-256"
        assert client._ssl_context.check_hostname
    await producer.stop()
    await consumer.stop()
    await admin.close()


def test_handler_options_take_lists_and_positive_numbers() -> None:
    with pytest.raises(ConfigurationError, match="topics"):
        KafkaHandlerOptions(topics="one")
    with pytest.raises(ConfigurationError, match="partitions"):
        KafkaHandlerOptions(partitions=0)
