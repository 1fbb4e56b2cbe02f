"""Who owns which part of an ordered subscription: each has one owner at a time."""

from collections.abc import Iterable, Mapping

from wireloom_redis.hub import Group, Hub
from wireloom_redis.names import Names
from wireloom_redis.scripts import LEASE, RELEASE

__all__ = ["Leases"]


class Leases:
    """The leases of one subscription, by part. Owners share them out evenly."""

    def __init__(self, hub: Hub, group: Group, parts: Iterable[str], lasts: float) -> None:
        self._hub = hub
        self._keys = {part: Names.of(group.due, f"lease.{part}") for part in parts}
        self._owners = Names.of(group.due, "owners")
        self._lasts = lasts
        self.held: set[str] = set()

    async def renew(self) -> set[str]:
        """Keep what is held, take what is free up to a fair share; return what must be given up
        for others to have theirs.

        :raises TransportError: if the server did not answer.
        """
        owners = await self._ask({part: part in self.held for part in self._keys})
        share = -(-len(self._keys) // max(1, owners))
        for part in self._keys:
            if len(self.held) < share and part not in self.held:
                await self._ask({part: True})
        return set(sorted(self.held)[share:])

    async def release(self, parts: Iterable[str], *, leave: bool = False) -> None:
        """Give parts up; with `leave`, take none any more."""
        given = set(parts)
        keys = [self._owners, *(self._keys[part] for part in given)]
        self.held -= given
        await RELEASE.run(self._hub.session, keys, self._hub.environment.instance, int(leave))

    async def _ask(self, wanted: Mapping[str, bool]) -> int:
        keys = [self._owners, *(self._keys[part] for part in wanted)]
        asker, lasts = self._hub.environment.instance, int(self._lasts * 1000)
        flags = [int(take) for take in wanted.values()]
        owners, *mine = await LEASE.run(self._hub.session, keys, asker, lasts, *flags)
        for part, held in zip(wanted, mine, strict=True):
            if held:
                self.held.add(part)
            else:
                self.held.discard(part)
        return int(owners)
