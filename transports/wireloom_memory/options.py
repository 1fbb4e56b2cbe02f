"""Options of the memory transport."""

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import SplitResult, unquote

from wireloom.errors import ConfigurationError
from wireloom.spi import TransportOptions
from wireloom_memory.broker import DEFAULT_LOG_BYTES, MemoryBroker

__all__ = ["MemoryOptions"]


@dataclass(frozen=True)
class MemoryOptions(TransportOptions):
    """A broker inside this process: `MemoryOptions()`, `MemoryOptions("orders")`, `memory://orders`.

    Applications that name the same broker meet there, however many there are, as long as they
    share an event loop. What the broker holds lasts as long as the process.
    """

    kind: ClassVar[str] = "memory"

    broker: str = "default"
    """The broker's name in this process. `client=MemoryBroker(...)` gives one without a name."""
    log_bytes: int = DEFAULT_LOG_BYTES
    """Bytes, 200 for each event included, that the broker keeps of handled events for groups that
    ask for history, unless `Event(limits=...)` says otherwise. 64 MiB: it is this process's memory.
    """

    def __post_init__(self) -> None:
        """Refuse what a broker in process has no use for.

        :raises ConfigurationError: naming the option.
        """
        super().__post_init__()
        if self.wire != "native":
            raise self.refuse("wire", f"it speaks 'native' only, not {self.wire!r}")
        if self.driver:
            raise self.refuse("driver", "there is none")
        if self.client is not None and not isinstance(self.client, MemoryBroker):
            raise self.refuse(
                "client", f"it takes a MemoryBroker, not {type(self.client).__name__}"
            )
        if not self.broker or self.log_bytes < 0:
            raise ConfigurationError("MemoryOptions: broker must be named, log_bytes be 0 or more")

    def broker_id(self) -> str:
        """Return what two tokens on one broker have in common."""
        return f"memory://{self.broker}" if self.client is None else f"memory:{id(self.client)}"

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return the broker's name, which stands where others have a host."""
        if url.path.strip("/"):
            raise ConfigurationError(f"memory URL: no path is known, not {url.path!r}")
        return {"broker": unquote(url.netloc)} if url.netloc else {}
