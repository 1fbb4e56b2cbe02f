"""What an application needs to exist on the server, compared with what does."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from wireloom.errors import ConfigurationError
from wireloom.spi import Action, Change, Declaration, Kind, Limits, Subscription
from wireloom_redis.failures import RefusedError
from wireloom_redis.hub import Group, Hub
from wireloom_redis.scripts import DECLARE
from wireloom_redis.subscribing import create_group

__all__ = ["Topology"]


@dataclass(frozen=True, slots=True)
class _Stream:
    """One stream as it is wanted and as it was found."""

    name: str
    wanted: Limits
    found: str
    known: str

    def changes(self) -> Iterator[Change]:
        """Go through what applying would do about it."""
        if self.found not in ("none", "stream"):
            yield Change(
                Action.IMPOSSIBLE, "stream", self.name, "type", old=self.found, new="stream"
            )
        elif self.found == "none":
            yield Change(Action.CREATE, "stream", self.name)
        else:
            yield from self._differences()

    def _differences(self) -> Iterator[Change]:
        known: dict[str, Any] = json.loads(self.known or "{}")
        same = True
        for setting, new in asdict(self.wanted).items():
            old = known.get(setting)
            if old != new:
                same = False
                yield Change(
                    Action.UPDATE, "stream", self.name, f"limits.{setting}", str(old), str(new)
                )
        if same:
            yield Change(Action.KEEP, "stream", self.name)


class Topology:
    """Streams, their limits, and groups. Redis keeps no limits of a stream, so they stand in a
    hash beside it; whoever knows the event trims.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._limits = hub.names.registry("limits")
        self._known = hub.names.registry("groups")

    async def declare(self, declarations: Sequence[Declaration]) -> None:
        """See that what stores these events exists, and remember their limits.

        :raises ConfigurationError: if a name is taken, or missing and not to be created.
        """
        for declaration in declarations:
            self._hub.declared.add(declaration)
        change = self._hub.options.declare
        for stream in await self._streams(declarations, change=change):
            self._hub.delays.watch(stream.name)
            if stream.found not in ("stream", "none"):
                raise ConfigurationError(
                    f"the key {stream.name!r} exists and is a {stream.found}, not a stream",
                    remedy="remove it, or use another pattern or namespace",
                )
            if stream.found == "none" and not change:
                raise ConfigurationError(
                    f"the stream {stream.name!r} does not exist, and declare=False",
                    remedy="wireloom topology apply, with rights to create it",
                )

    async def plan(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Return what `apply` would do, and what nobody uses any more."""
        streams = await self._streams(declarations, change=False)
        changes = [change for stream in streams for change in stream.changes()]
        wanted = _grouped(subscriptions)
        for subscription in wanted:
            there = await self._has_group(self._group(subscription))
            action = Action.KEEP if there else Action.CREATE
            changes.append(Change(action, "group", subscription.name))
        return changes + await self._orphans({subscription.name for subscription in wanted})

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Do it, and return what was done."""
        planned = await self.plan(declarations, subscriptions)
        done = [change for change in planned if change.action in (Action.CREATE, Action.UPDATE)]
        await self._streams(declarations, change=True)
        created = {change.name for change in done if change.what == "group"}
        for subscription in _grouped(subscriptions):
            if subscription.name in created:
                await create_group(self._hub, self._group(subscription), subscription)
        return done

    async def _streams(self, declarations: Sequence[Declaration], *, change: bool) -> list[_Stream]:
        wanted = {
            self._hub.names.stream(declaration.pattern.text): declaration.limits
            for declaration in declarations
            if declaration.durable and declaration.pattern.is_concrete
        }
        return list(
            await asyncio.gather(
                *(self._stream(name, limits, change=change) for name, limits in wanted.items())
            )
        )

    async def _stream(self, name: str, limits: Limits, *, change: bool) -> _Stream:
        found, known = await DECLARE.run(
            self._hub.session, [name, self._limits], json.dumps(asdict(limits)), int(change)
        )
        return _Stream(name, limits, found.decode(), known.decode())

    def _group(self, subscription: Subscription) -> Group:
        return Group.of(subscription, self._hub.names, self._hub.environment.instance)

    async def _has_group(self, group: Group) -> bool:
        try:
            groups = await self._hub.session.call("XINFO", "GROUPS", group.stream)
        except RefusedError:  # no such stream
            return False
        return any(facts[b"name"] == group.name.encode() for facts in groups)

    async def _orphans(self, wanted: set[str]) -> list[Change]:
        ours = f"{self._hub.environment.group}."
        known = await self._hub.session.call("HKEYS", self._known)
        names = {raw.decode().partition(" ")[0] for raw in known}
        orphans = sorted(name for name in names - wanted if name.startswith(ours))
        return [Change(Action.ORPHAN, "group", name) for name in orphans]


def _grouped(subscriptions: Sequence[Subscription]) -> list[Subscription]:
    """Return the subscriptions that have a group on the server."""
    return [
        one
        for one in subscriptions
        if one.kind is Kind.EVENT and one.durable and not one.broadcast and not one.ephemeral
    ]
