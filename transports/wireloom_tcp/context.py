"""What a handler sees of a call that came by TCP."""

from wireloom.spi import Context

__all__ = ["TcpContext"]


class TcpContext(Context):
    """One call over TCP."""

    __slots__ = ()

    @property
    def remote_address(self) -> str | None:
        """Return the peer's `host:port`; None when this very process sent the message."""
        found: str | None = getattr(self._delivery, "remote_address", None)
        return found

    @property
    def principal(self) -> str | None:
        """Return the first subject alternative name of the peer's certificate, verified by TLS;
        None without one.
        """
        found: str | None = getattr(self._delivery, "principal", None)
        return found
