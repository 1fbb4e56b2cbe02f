"""Starting, stopping and freezing, and what is left when a run ends without either."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import BrokerStartError, NatsServer, RedisServer, free_port

BOUND = 10.0  # seconds for a process to end


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as broker:
        yield broker


def test_paused_broker_answers_only_after_it_is_resumed(redis: RedisServer) -> None:
    redis.pause()
    with socket.create_connection(("127.0.0.1", redis.port), 5) as connection:
        connection.sendall(b"PING\r\n")
        assert select.select([connection], [], [], 0.2)[0] == []

        redis.resume()

        connection.settimeout(5)
        assert connection.recv(64) == b"+PONG\r\n"


def test_paused_broker_can_be_stopped(redis: RedisServer) -> None:
    redis.pause()
    redis.stop()
    assert not redis.running


def test_broker_that_ignores_the_request_to_end_is_killed(redis: RedisServer) -> None:
    redis.stop_timeout = 0.0
    started = time.monotonic()
    redis.stop()
    assert not redis.running
    assert time.monotonic() - started < BOUND


def test_start_of_a_running_broker_changes_nothing(redis: RedisServer) -> None:
    pid = redis.pid
    redis.start()
    assert redis.pid == pid


def test_closed_broker_leaves_no_directory() -> None:
    with NatsServer() as broker:
        assert broker.directory.exists()
    assert not broker.directory.exists()
    broker.close()


def test_broker_that_ends_at_start_says_why() -> None:
    broker = RedisServer(settings=["no-such-setting 1"])
    with pytest.raises(BrokerStartError, match="no-such-setting"):
        broker.__enter__()
    assert not broker.directory.exists()


def test_stranger_on_the_port_is_not_taken_for_the_broker() -> None:
    with RedisServer() as stranger:
        broker = RedisServer()
        broker.port = stranger.port
        with pytest.raises(BrokerStartError, match="Address already in use"):
            broker.__enter__()


def test_free_ports_are_distinct_and_below_those_of_outgoing_connections() -> None:
    ports = [free_port() for _ in range(50)]
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(set(ports)) == len(ports)
    assert max(ports) < first


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_brokers_end_with_the_run_however_it_ends(number: signal.Signals) -> None:
    script = (
        "import signal, sys; from tests.brokers import NatsServer; b = NatsServer(); b.start();"
        "print(b.pid, b.directory, flush=True); signal.pause()"
    )
    with _python("-c", script) as run:
        assert run.stdout is not None
        pid, directory = run.stdout.readline().split()
        run.send_signal(number)
        run.wait(BOUND)
        run.stdout.read()  # to its end: the reaper holds the other end until its work is done
    _wait_until_gone(int(pid))
    assert not Path(directory).exists()


def test_command_line_prints_urls_and_ends_its_brokers_when_interrupted() -> None:
    with _python("-m", "tests.brokers", "start", "nats", "redis") as run:
        assert run.stdout is not None
        lines = [run.stdout.readline().strip() for _ in range(2)]
        ports = [int(line.rpartition(":")[2]) for line in lines]
        for port in ports:
            socket.create_connection(("127.0.0.1", port), 5).close()

        run.send_signal(signal.SIGINT)

        assert run.wait(BOUND) == 0
    assert [line.split("=")[0] for line in lines] == [
        "export WIRELOOM_NATS_URL",
        "export WIRELOOM_REDIS_URL",
    ]
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)


@contextlib.contextmanager
def _python(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WIRELOOM_")}
    run = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[2],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with run:
        try:
            yield run
        finally:
            run.kill()


def _wait_until_gone(pid: int) -> None:
    # It is no child of ours any more, so that a descriptor of it is what can be waited on.
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            assert select.select([descriptor], [], [], BOUND)[0], "the broker outlived its run"
        finally:
            os.close(descriptor)
