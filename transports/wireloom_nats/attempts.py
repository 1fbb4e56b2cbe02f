"""How often a message has failed. The server counts deliveries only, and those are other things
too: delays, give-backs, crashes.
"""

from wireloom.spi.headers import bounded_int
from wireloom_nats.inbox import Inbox
from wireloom_nats.jetstream import TIMEOUT, JetStream, read_answer
from wireloom_nats.names import Names

__all__ = ["Attempts"]


class Attempts:
    """One stored number for each message that failed and was not settled since."""

    def __init__(self, inbox: Inbox, jetstream: JetStream, names: Names) -> None:
        self._inbox = inbox
        self._jetstream = jetstream
        self._names = names

    async def write(self, stream: str, consumer: str, sequence: int, attempt: int) -> None:
        """Store which run comes next.

        :raises TransportError: if that is not sure.
        """
        subject = self._names.attempt(stream, consumer, sequence)
        read_answer(await self._inbox.ask(subject, str(attempt).encode(), timeout=TIMEOUT))

    async def read(self, stream: str, consumer: str, sequence: int) -> int:
        """Return which run is next: 1 for a message that never failed.

        :raises TransportError: if the server does not tell.
        """
        subject = self._names.attempt(stream, consumer, sequence)
        found = await self._jetstream.get(self._names.attempts, last=subject)
        text = None if found is None else found.body.decode("ascii", "replace")
        return bounded_int(text, 1, 10**9) or 1

    async def forget(self, stream: str, consumer: str, sequence: int) -> None:
        """Remove the number of a message that is settled."""
        subject = self._names.attempt(stream, consumer, sequence)
        await self._jetstream.call(f"STREAM.PURGE.{self._names.attempts}", {"filter": subject})
