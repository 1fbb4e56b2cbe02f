"""The one place that knows what carries the messages.

`AIRPORT_URL` names a broker, such as nats://127.0.0.1:4222. Without it the services are TCP nodes,
at addresses that `AIRPORT_FLIGHTS`, `AIRPORT_DELAYS` and `AIRPORT_NOTICES` may change.
"""

import os
from itertools import takewhile

from wireloom.application.bootstrap import TransportValue
from wireloom_tcp import TcpOptions

NODES = {"notices": "127.0.0.1:4101", "delays": "127.0.0.1:4102", "flights": "127.0.0.1:4103"}


def bus(name: str) -> TransportValue:
    """Return what the token "bus" of this application is. A node connects to those before it;
    whoever is no node connects to all.
    """
    if url := os.environ.get("AIRPORT_URL"):
        return url
    return TcpOptions(
        listen=address(name) if name in NODES else None,
        connect=[address(other) for other in takewhile(lambda other: other != name, NODES)],
        reconnect_cap=1.0,
    )


def address(name: str) -> str:
    return os.environ.get(f"AIRPORT_{name.upper()}", NODES[name])
