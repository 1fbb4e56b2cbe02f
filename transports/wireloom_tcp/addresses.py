"""Addresses as people write them: `host:port`."""

import ipaddress
from dataclasses import dataclass
from typing import Self

__all__ = ["Address"]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or to connect. Port 0, for listening, is any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address that `host:port` or `[ipv6]:port` means.

        :raises ValueError: if it is neither.
        """
        host, separator, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = str(ipaddress.IPv6Address(host[1:-1]))
        elif ":" in host:
            raise ValueError(f"{text!r}: write an IPv6 address as [address]:port")
        if not separator or not host or not (port.isascii() and port.isdigit()):
            raise ValueError(f"{text!r} is not host:port")
        if int(port) > 65535:
            raise ValueError(f"{text!r}: a port is at most 65535")
        return cls(host, int(port))

    @property
    def is_loopback(self) -> bool:
        """Tell whether nobody else's machine can be meant: a name other than localhost can."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
