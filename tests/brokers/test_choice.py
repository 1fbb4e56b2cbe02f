"""Which broker a run gets, and what it says when it gets none."""

from pathlib import Path

import pytest
import yaml

from tests.brokers import Broker, MissingBrokerError, UnmanagedBrokerError, choice, choose, ensure
from tests.brokers.compose import ComposeBroker
from tests.brokers.install import apt, commands

COMPOSE = Path(__file__).parents[2] / "compose"


@pytest.mark.parametrize("name", choice.NAMES)
def test_environment_url_wins(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "docker_answers", lambda: pytest.fail("docker was asked"))
    monkeypatch.setenv(choice.variable(name), "somewhere://else:1")
    ensure([name])
    with choose(name) as broker:
        assert broker.url == "somewhere://else:1"


@pytest.mark.parametrize("action", ["stop", "kill", "pause", "resume", "restart"])
def test_foreign_broker_is_not_ours_to_disturb(
    action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIRELOOM_NATS_URL", "nats://elsewhere:4222")
    broker = choose("nats")
    assert not broker.managed
    with pytest.raises(UnmanagedBrokerError, match="WIRELOOM_NATS_URL"):
        getattr(broker, action)()


def test_compose_is_used_when_an_engine_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WIRELOOM_NATS_URL", raising=False)
    monkeypatch.setattr(choice, "docker_answers", lambda: True)
    assert isinstance(choose("nats"), ComposeBroker)


def test_what_cannot_be_installed_is_told_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in choice.NAMES:
        monkeypatch.delenv(choice.variable(name), raising=False)
    monkeypatch.setattr(choice, "docker_answers", lambda: False)
    monkeypatch.setattr(apt, "_RABBITMQ", Path("/nowhere"))
    monkeypatch.setattr(apt, "_find", lambda name: None)
    monkeypatch.setattr(apt, "privileged", lambda: None)
    with pytest.raises(MissingBrokerError) as caught:
        ensure(["redis", "rabbitmq"])
    text = str(caught.value)
    assert "apt.sh redis-server" in text
    assert "apt.sh rabbitmq-server" in text
    assert "WIRELOOM_REDIS_URL" in text


def test_failed_installer_shows_its_end_and_the_command() -> None:
    with pytest.raises(MissingBrokerError, match=r"no such mirror(.|\n)*by hand:\n  install it"):
        commands.run(["sh", "-c", "echo no such mirror; exit 1"], by_hand="install it")


def test_missing_installer_is_a_missing_broker() -> None:
    with pytest.raises(MissingBrokerError, match="install it"):
        commands.run(["/nowhere/installer"], by_hand="install it")


@pytest.mark.parametrize("name", choice.NAMES)
def test_compose_file_is_health_checked_and_bound_to_loopback(name: str) -> None:
    services = yaml.safe_load((COMPOSE / f"{name}.yml").read_text())["services"]
    assert list(services) == [name]
    assert services[name]["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:${WIRELOOM_") for port in services[name]["ports"])


def test_compose_file_for_all_includes_each() -> None:
    included = yaml.safe_load((COMPOSE / "all.yml").read_text())["include"]
    assert sorted(included) == sorted(f"{name}.yml" for name in choice.NAMES)


def test_compose_broker_runs_its_own_project_on_its_own_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "calls"
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$WIRELOOM_KAFKA_PORT $*" >> {record}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    broker: Broker = ComposeBroker("kafka")
    with broker:
        broker.kill()
        broker.restart()
    port = broker.url.rpartition(":")[2]
    calls = record.read_text().splitlines()
    start = f"{port} compose --project-name wireloom-kafka-{port} --file {COMPOSE / 'kafka.yml'} "
    assert all(call.startswith(start) for call in calls)
    words = [call.removeprefix(start).split()[0] for call in calls]
    assert words == ["up", "kill", "stop", "up", "down"]
