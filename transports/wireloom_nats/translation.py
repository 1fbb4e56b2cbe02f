"""No error of the driver's leaves this package."""

from collections.abc import Iterator
from contextlib import contextmanager

from nats import errors

from wireloom.errors import ClosedError, PublishError, TransportError

__all__ = ["translated"]


@contextmanager
def translated() -> Iterator[None]:
    """Raise the driver's errors as ours, with theirs as the cause."""
    try:
        yield
    except errors.ConnectionClosedError as error:
        raise ClosedError("the connection to NATS is closed") from error
    except errors.OutboundBufferLimitError as error:
        raise PublishError("not connected to NATS, and its buffer is full") from error
    except TimeoutError as error:  # the driver's own is one as well
        raise TransportError("NATS did not answer in time") from error
    except (errors.Error, OSError) as error:
        raise TransportError(f"NATS: {error}") from error
