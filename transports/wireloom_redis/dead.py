"""Dead letters: one stream for each subscription."""

from collections.abc import AsyncIterator, Sequence

from wireloom.errors import TransportError
from wireloom.spi import DeadLetter
from wireloom_redis.entry import ADDRESS, REPLAYED, Fields, to_message, with_own
from wireloom_redis.hub import Hub
from wireloom_redis.scripts import REPLAY

__all__ = ["StreamDeadLetters"]

_PAGE = 100
_FACTS = "wl-dead-"


class StreamDeadLetters:
    """Reads, replays and removes what was given up."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def read(self, subscription: str) -> AsyncIterator[DeadLetter]:
        """Go through what is there now, oldest first."""
        key, after = self._hub.names.dead(subscription), "-"
        newest = await self._hub.session.call("XREVRANGE", key, "+", "-", "COUNT", 1)
        while newest:
            last = newest[0][0].decode()
            page = await self._hub.session.call("XRANGE", key, after, last, "COUNT", _PAGE)
            for raw, fields in page:
                yield _letter(subscription, raw.decode(), fields)
            if len(page) < _PAGE:
                return
            after = f"({page[-1][0].decode()}"

    async def replay(self, letter: DeadLetter) -> None:
        """Move it to its subscription's own stream, as run 1.

        :raises TransportError: if it is gone, or its subscription has no group.
        """
        names = self._hub.names
        key = names.dead(letter.subscription)
        found = await self._hub.session.call("XRANGE", key, letter.id, letter.id)
        fields = with_own(found[0][1], {REPLAYED: "1"}) if found else []
        moved = await REPLAY.run(
            self._hub.session, [key, names.due(letter.subscription)], letter.id, *fields
        )
        if not moved:
            raise TransportError(f"dead letter {letter.id} of {letter.subscription} is gone")

    async def remove(self, letters: Sequence[DeadLetter]) -> None:
        """Drop these for good."""
        by_key: dict[str, list[str]] = {}
        for letter in letters:
            by_key.setdefault(self._hub.names.dead(letter.subscription), []).append(letter.id)
        for key, ids in by_key.items():
            for at in range(0, len(ids), _PAGE):
                await self._hub.session.call("XDEL", key, *ids[at : at + _PAGE])


def _letter(subscription: str, entry_id: str, fields: Fields) -> DeadLetter:
    message, own = to_message("", fields)
    return DeadLetter(
        id=entry_id,
        subscription=subscription,
        address=own.get(ADDRESS, ""),
        message_id=message.id,
        body=message.body,
        headers={k: v for k, v in message.headers.items() if not k.startswith(_FACTS)},
        facts={k: v for k, v in message.headers.items() if k.startswith(_FACTS)},
        key=message.key,
    )
