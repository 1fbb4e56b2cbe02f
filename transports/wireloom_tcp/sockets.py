"""Options of sockets that keep connections honest."""

import asyncio
import socket
from typing import Final

from wireloom_tcp.options import TcpOptions

__all__ = ["address_of", "tune"]

# What a system lacks is left at its default: our own pings find a dead peer anyway.
_IDLE: Final[int | None] = getattr(socket, "TCP_KEEPIDLE", None)
_INTERVAL: Final[int | None] = getattr(socket, "TCP_KEEPINTVL", None)
_COUNT: Final[int | None] = getattr(socket, "TCP_KEEPCNT", None)
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)


def tune(transport: asyncio.BaseTransport, options: TcpOptions) -> None:
    """Send small frames at once, and notice a peer whose system is gone."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    seconds = max(1, round(options.ping_interval))
    for option, value in (
        (_IDLE, seconds),
        (_INTERVAL, seconds),
        (_COUNT, options.missed_pings),
        (_USER_TIMEOUT, round(options.user_timeout * 1000)),
    ):
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def address_of(name: object) -> str:
    """Return a socket's name as `host:port`."""
    if not isinstance(name, tuple) or len(name) < 2:
        return ""
    host = f"[{name[0]}]" if ":" in str(name[0]) else name[0]
    return f"{host}:{name[1]}"
