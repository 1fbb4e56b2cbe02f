"""What two nodes tell each other first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from wireloom.spi.headers import bounded_int
from wireloom_tcp.frames import Code, ProtocolError

__all__ = ["Greeting", "PeerError"]

VERSIONS: Final = "1"
_TEXT: Final = 255


class PeerError(Exception):
    """What the peer gave as its reason to end the connection."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(f"the peer ended the connection: {code}{f', {reason}' if reason else ''}")


@dataclass(frozen=True, slots=True)
class Greeting:
    """Who a node is and what it takes."""

    instance: str
    group: str
    namespace: str
    max_in_flight: int
    max_payload: int

    def headers(self) -> dict[str, str]:
        """Return the headers that say so."""
        return {
            "wl-versions": VERSIONS,
            "wl-features": "",
            "wl-instance": self.instance,
            "wl-group": self.group,
            "wl-namespace": self.namespace,
            "wl-max-in-flight": str(self.max_in_flight),
            "wl-max-payload": str(self.max_payload),
        }

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """Return what a peer's headers say.

        :raises ProtocolError: if something is missing or makes no sense.
        """
        versions = headers.get("wl-versions", "").split(",")
        if VERSIONS not in versions:
            raise ProtocolError("version 1 is spoken here", Code.UNSUPPORTED_VERSION)
        in_flight = bounded_int(headers.get("wl-max-in-flight"), 1, 1_000_000)
        payload = bounded_int(headers.get("wl-max-payload"), 1, 0x7FFFFFFF)
        instance = headers.get("wl-instance", "")
        if in_flight is None or payload is None or not 0 < len(instance) <= _TEXT:
            raise ProtocolError("a greeting without instance or limits")
        group = headers.get("wl-group", "")[:_TEXT]
        namespace = headers.get("wl-namespace", "")[:_TEXT]
        return cls(instance, group, namespace, in_flight, payload)
