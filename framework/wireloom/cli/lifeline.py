"""A child process ends when its parent does, however that ended."""

import os
import signal
import sys
import threading

__all__ = ["hold_lifeline"]


def hold_lifeline() -> None:
    """Drain this process when its standard input, which the parent holds open, is closed."""
    threading.Thread(target=_until_closed, name="wireloom lifeline", daemon=True).start()


def _until_closed() -> None:
    # The descriptor itself: a buffered reader would hold a lock that the interpreter's end needs.
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
