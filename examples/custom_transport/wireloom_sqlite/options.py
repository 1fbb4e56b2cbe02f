"""Settings of one token."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import SplitResult

from wireloom.errors import ConfigurationError
from wireloom.spi import TransportOptions

__all__ = ["SqliteOptions"]


@dataclass(frozen=True, kw_only=True)
class SqliteOptions(TransportOptions):
    """Which file carries the messages."""

    kind: ClassVar[str] = "sqlite"

    path: str = "wireloom.sqlite"
    """The file, made when it is not there. Its folder must be, on a disk of this machine."""
    dead_after: float = 15.0
    """Seconds without a sign of life after which what a process had taken goes to others."""

    def __post_init__(self) -> None:
        """Refuse what cannot work, or is of no use here.

        :raises ConfigurationError: naming the option.
        """
        super().__post_init__()
        if self.wire != "native":
            raise self.refuse("wire", "it carries the native wire only")
        if self.driver or self.client is not None:
            raise self.refuse("driver" if self.driver else "client", "it opens the file itself")
        if self.dead_after <= 0:
            raise ConfigurationError(f"SqliteOptions(dead_after={self.dead_after}): above 0")

    @property
    def file(self) -> Path:
        """Return the file of the namespace: each has its own."""
        path = Path(self.path)
        return path.with_name(f"{path.name}.{self.namespace}") if self.namespace else path

    def broker_id(self) -> str:
        """Return the file, since it is the broker."""
        return f"sqlite:{Path(self.path).absolute()}"

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Read `sqlite:///absolute/path` or `sqlite://relative/path`."""
        return {"path": f"{url.netloc}{url.path}"}
