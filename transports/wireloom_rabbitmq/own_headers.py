"""Headers that only this transport writes, beside those that all transports share."""

from typing import Final

__all__ = ["ADDRESS", "BUCKET", "REPLAYED", "SOURCE_QUEUE"]

ADDRESS: Final = "wl-address"
"""Where a later run or a dead letter was published to first: its routing key is its queue."""
REPLAYED: Final = "wl-replayed"
"""On a copy of what had been stored before its subscription began."""
BUCKET: Final = "wl-bucket"
"""The part that a message's key falls into, by which shards are fed."""
SOURCE_QUEUE: Final = "wl-dead-queue"
"""On a dead letter: the queue that it goes back to."""
