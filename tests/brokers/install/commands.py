"""Running an installer and saying what to do by hand when it cannot run."""

import os
import shutil
import subprocess
from collections.abc import Sequence

from tests.brokers.broker import MissingBrokerError

_TIMEOUT = 600.0  # seconds for one installer
_TAIL = 15  # lines


def privileged() -> list[str] | None:
    """What to put before a command to run it as root without a question, None if nothing does."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False, timeout=30)
    return ["sudo", "-n"] if asked.returncode == 0 else None


def run(command: Sequence[str], *, by_hand: str) -> None:
    """Run an installer quietly.

    Raises:
        MissingBrokerError: it failed; the text holds its last lines and `by_hand`.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingBrokerError(f"{error}; run by hand:\n  {by_hand}") from error
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_TAIL:])
        raise MissingBrokerError(f"{tail}\nThis failed; run by hand:\n  {by_hand}")
