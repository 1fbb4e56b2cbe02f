"""Errors of the server and the driver, as errors of the framework."""

from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLError

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    RedisClusterException,
    RedisError,
)

from wireloom.errors import ConnectionFailedError, TransportError

__all__ = ["RefusedError", "connecting"]

_HOPELESS = ("NOAUTH", "WRONGPASS", "NOPERM", "ERR DB index", "ERR invalid DB")


class RefusedError(TransportError):
    """The server answered a command with an error; `code` is its first word."""

    def __init__(self, text: str) -> None:
        self.code = text.partition(" ")[0]
        super().__init__(text)


@contextmanager
def connecting(where: str) -> Iterator[None]:
    """Turn what a driver raises while it connects into ConnectionFailedError."""
    try:
        yield
    except (RedisError, RedisClusterException, OSError, ValueError) as error:
        raise ConnectionFailedError(
            f"no connection to Redis at {where}: {_text(error)}", fatal=_hopeless(error)
        ) from error


def _hopeless(error: BaseException | None) -> bool:
    if error is None:
        return False
    if isinstance(error, (AuthenticationError, AuthorizationError, SSLError, ValueError)):
        return True
    if str(error).startswith(_HOPELESS):
        return True
    return _hopeless(error.__cause__ or error.__context__)


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
