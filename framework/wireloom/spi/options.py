"""What every transport's options have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError

from wireloom.errors import ConfigurationError, UnsupportedOptionError

__all__ = ["MAX_PAYLOAD", "HandlerOptions", "TransportOptions", "redact_url"]

MAX_PAYLOAD = 1_048_576


@dataclass(frozen=True, kw_only=True)
class TransportOptions:
    """Settings of one token, written in the bootstrap.

    Subclasses are frozen dataclasses, set `kind`, add their own fields, and read a URL by
    `url_fields`. A value that cannot work is refused in `__post_init__`.
    """

    kind: ClassVar[str]
    """The transport's name, as in its entry point."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", arbitrary_types_allowed=True
    )

    wire: str = "native"
    """How a message is laid out: "native", or "nestjs" where the transport speaks that."""
    namespace: str = ""
    """Prefix of every name on the broker; separates what shares one. Empty: none."""
    driver: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Passed to the driver's own connect call as it is, names checked. May hold secrets."""
    client: Any = field(default=None, repr=False)
    """A native client that is connected already. It is used, and left open at close."""
    pending_bytes: int = 16 * 1024 * 1024
    """Bytes that may wait to be sent for `emit(sync=False)` and for lost connections."""
    startup_timeout: float = 30.0
    """Seconds for which an unreachable broker is tried again before the start fails."""
    max_payload: int = MAX_PAYLOAD
    """Largest body in bytes, both ways; larger ones are refused before they are sent."""

    def __post_init__(self) -> None:
        """Check what all transports share.

        :raises ConfigurationError: if a value cannot work.
        """
        for name in ("pending_bytes", "startup_timeout", "max_payload"):
            if getattr(self, name) <= 0:
                raise ConfigurationError(
                    f"{type(self).__name__}({name}={getattr(self, name)!r}): it must be above 0"
                )
        if self.namespace and any(char in self.namespace for char in "*> {}\r\n"):
            raise ConfigurationError(
                f"{type(self).__name__}(namespace={self.namespace!r}): no spaces or wildcards"
            )

    def refuse(self, option: str, reason: str) -> UnsupportedOptionError:
        """Return the error for an option of this class that its transport cannot honour."""
        return UnsupportedOptionError(option, self.kind, reason)

    def broker_id(self) -> str | None:
        """Return what is equal for tokens of one broker, without secrets; None: never."""
        return None

    @classmethod
    def url_fields(cls, url: SplitResult) -> dict[str, Any]:
        """Return field values that a URL's address part means; `from_url` reads the query."""
        raise NotImplementedError

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the options that a URL means: its address, and fields by name in its query.

        :raises ConfigurationError: if a query field is unknown or has the wrong type.
        """
        parts = urlsplit(url)
        return cls.from_mapping({**cls.url_fields(parts), **cls._query(parts)})

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Return options from values as a configuration file holds them: text is converted.

        :raises ConfigurationError: if a field is unknown or has the wrong type.
        """
        try:
            options = TypeAdapter(cls).validate_python(dict(values))
        except ValidationError as error:
            raise ConfigurationError(
                f"{cls.__name__}: {_readable(error)}",
                remedy=f"fields: {', '.join(f.name for f in fields(cls))}",
            ) from None
        return options

    @classmethod
    def _query(cls, parts: SplitResult) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in found:
                found[name] = [*_as_list(found[name]), value]
            else:
                found[name] = value
        return found


@dataclass(frozen=True, kw_only=True)
class HandlerOptions:
    """Base of what one transport alone offers a handler, given in `native=(...)`."""

    kind: ClassVar[str]
    """The transport these are for."""


def redact_url(url: str) -> str:
    """Return the URL without credentials, fit for logs and errors. A user's name stays where a
    password follows it; alone it may be a token.
    """
    # Cut by hand: a password that is not quoted as it should be would be split somewhere inside.
    address, mark, query = url.partition("?")
    credentials, at, host = address.rpartition("@")
    if at:
        scheme, slashes, user = credentials.partition("://")
        if not slashes:
            scheme, user = "", scheme
        name, colon, _ = user.partition(":")
        address = f"{scheme}{slashes}{name if colon else ''}{colon}***@{host}"
    names = (name for name, _ in parse_qsl(query, keep_blank_values=True))
    return f"{address}{mark}{'&'.join(f'{name}=***' for name in names)}"


def _as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _readable(error: ValidationError) -> str:
    rows = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in rows[:20])
