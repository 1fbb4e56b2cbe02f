"""Ports that stay ours while a broker is down."""

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST = 12_000
_DRAWS = 200

_given: set[int] = set()


def free_port() -> int:
    """A TCP port on which nothing listens, never the same twice in one process.

    It lies below the ports which the system hands to outgoing connections. A client that keeps
    connecting to a dead broker's port from that range is sooner or later given the same port
    for its own end, and talks to itself; and the broker finds its port taken when it comes back.

    Raises:
        OSError: nothing was free.
    """
    for _ in range(_DRAWS):
        port = random.randrange(_FIRST, _first_outgoing_port())
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port found in {_DRAWS} draws from {_FIRST}")


def _first_outgoing_port() -> int:
    if not _RANGE.exists():
        return 32_768
    return max(int(_RANGE.read_text().split()[0]), _FIRST + 1_000)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
