"""A broker that docker compose runs, with the files in `compose/`."""

import functools
import os
import subprocess
from pathlib import Path

from tests.brokers.broker import Broker, BrokerStartError
from tests.brokers.native.ports import free_port

_FILES = Path(__file__).parents[2] / "compose"
_ANSWER_TIMEOUT = 5.0  # seconds; an engine that is there answers in tens of milliseconds
_START_TIMEOUT = 300  # seconds; the first start fetches the image
_STOP_TIMEOUT = 10  # seconds, then the container is killed

_SCHEMES = {
    "nats": "nats://",
    "redis": "redis://",
    "rabbitmq": "amqp://guest:guest@",
    "kafka": "",
}


@functools.cache
def docker_answers() -> bool:
    """Whether there is a docker engine, with the compose plugin; asked once in a run."""
    return _succeeds("docker", "info") and _succeeds("docker", "compose", "version")


class ComposeBroker(Broker):
    """One service in a compose project of its own, so that runs do not meet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"{_SCHEMES[name]}127.0.0.1:{self.port}"
        self._project = f"wireloom-{name}-{self.port}"

    def start(self) -> None:
        self._compose("up", "--detach", "--wait", "--wait-timeout", str(_START_TIMEOUT))

    def stop(self) -> None:
        self._compose("stop", "--timeout", str(_STOP_TIMEOUT))

    def kill(self) -> None:
        self._compose("kill", "--signal", "SIGKILL")

    def pause(self) -> None:
        self._compose("pause")

    def resume(self) -> None:
        self._compose("unpause")

    def close(self) -> None:
        self._compose("down", "--volumes", "--timeout", str(_STOP_TIMEOUT))

    def _compose(self, *arguments: str) -> None:
        file = str(_FILES / f"{self.name}.yml")
        done = subprocess.run(
            ["docker", "compose", "--project-name", self._project, "--file", file, *arguments],
            env={**os.environ, f"WIRELOOM_{self.name.upper()}_PORT": str(self.port)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_TIMEOUT + _STOP_TIMEOUT,
        )
        if done.returncode:
            raise BrokerStartError(f"docker compose {arguments[0]} {self.name}:\n{done.stderr}")


def _succeeds(*command: str) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_ANSWER_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
