"""Records of delay topics: what runs later, in partitions by how much later."""

from wireloom.spi.headers import ATTEMPT, KEY
from wireloom.spi.native import to_headers
from wireloom_kafka.records import (
    DELAY_MS,
    REPLAYED,
    SOURCE,
    Outgoing,
    Source,
    header_list,
)
from wireloom_kafka.topics import rung

__all__ = ["put_off"]


def put_off(
    source: Source, topic: str, delay: float, attempt: int, *, replayed: bool = False
) -> Outgoing:
    """Return the record that runs a message `delay` seconds from now, as run `attempt`."""
    headers = to_headers(source.message)
    headers.pop(KEY, None)
    headers |= {
        DELAY_MS: str(round(delay * 1000)),
        ATTEMPT: str(attempt),
        SOURCE: source.place.to_text(),
    }
    if replayed or source.replayed:
        headers[REPLAYED] = "1"
    key = None if source.message.key is None else source.message.key.encode()
    return Outgoing(topic, source.message.body, header_list(headers), key, rung(delay))
