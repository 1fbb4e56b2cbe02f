"""Programs from the distribution's packages."""

import shutil
from pathlib import Path

from tests.brokers.broker import MissingBrokerError
from tests.brokers.install.commands import privileged, run

_SCRIPT = Path(__file__).with_name("apt.sh")
_RABBITMQ = Path("/usr/lib/rabbitmq/bin")
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program(name: str) -> str:
    """The path of an installed program.

    Raises:
        MissingBrokerError: it is not installed.
    """
    path = _find(name)
    if path is None:
        raise MissingBrokerError(f"{name} is not installed; run: python -m tests.brokers ensure")
    return path


def rabbitmq_scripts() -> Path:
    """Where RabbitMQ's own scripts are; those on the PATH insist on a user of the system.

    Raises:
        MissingBrokerError: RabbitMQ is not installed.
    """
    if not (_RABBITMQ / "rabbitmq-server").exists():
        raise MissingBrokerError("rabbitmq is not installed; run: python -m tests.brokers ensure")
    return _RABBITMQ


def ensure_redis() -> None:
    """Install redis-server if it is missing.

    Raises:
        MissingBrokerError: it is missing, and this machine does not let us install it.
    """
    if _find("redis-server") is None:
        install("redis-server")


def ensure_rabbitmq() -> None:
    """Install RabbitMQ if it is missing.

    Raises:
        MissingBrokerError: it is missing, and this machine does not let us install it.
    """
    if not (_RABBITMQ / "rabbitmq-server").exists():
        install("rabbitmq-server")


def install(*packages: str) -> None:
    """Install packages without starting their services.

    Raises:
        MissingBrokerError: there is no apt-get, no root without a password, or it failed.
    """
    by_hand = f"sudo sh {_SCRIPT} {' '.join(packages)}"
    root = privileged()
    if shutil.which("apt-get") is None:
        raise MissingBrokerError(f"install with this system's package tool: {' '.join(packages)}")
    if root is None:
        raise MissingBrokerError(f"only root may install packages; run by hand:\n  {by_hand}")
    run([*root, "sh", str(_SCRIPT), *packages], by_hand=by_hand)


def _find(name: str) -> str | None:
    # A user's PATH may lack the system's directories.
    return shutil.which(name) or shutil.which(name, path=_SYSTEM)
