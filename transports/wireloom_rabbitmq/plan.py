"""What would have to be made on the broker, and which rights that and its use take."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from wireloom.spi import Action, Change, Kind, Subscription
from wireloom_rabbitmq.items import Binding, Item, Queue
from wireloom_rabbitmq.ladder import RUNGS, Ladder
from wireloom_rabbitmq.layout import Layout, Placement
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.options import RabbitMqOptions
from wireloom_rabbitmq.registry import Registry
from wireloom_rabbitmq.session import Session
from wireloom_rabbitmq.topology import Topologist

__all__ = ["Plan", "outlives"]

_ALTERNATE: Final = "alternate-exchange"
_DEAD_LETTERS: Final = "x-dead-letter-exchange"


class Plan:
    """All that one application needs, as it is written, without what comes and goes with it."""

    def __init__(
        self,
        options: RabbitMqOptions,
        names: Names,
        ladder: Ladder,
        layout: Layout,
        registry: Registry,
        subscriptions: Sequence[Subscription],
    ) -> None:
        self._options = options
        self._names = names
        self._ladder = ladder
        self._layout = layout
        self._registry = registry
        self._subscriptions = subscriptions

    async def changes(self, session: Session) -> list[Change]:
        """Compare with the broker. Changes nothing.

        AMQP cannot list bindings: one is taken to exist if both its ends do.
        """
        orphans = await self._registry.orphans(session, self.durable_queues())
        return [
            *await self._needed(session.topology),
            *(Change(Action.ORPHAN, "queue", name) for name in orphans),
        ]

    async def _needed(self, topology: Topologist) -> list[Change]:
        changes: list[Change] = []
        new: set[str] = set()
        for item in self._items():
            if isinstance(item, Binding):
                made = item.source in new or item.target in new
                action = Action.CREATE if made else Action.KEEP
                changes.append(Change(action, item.what, item.name))
            elif not await topology.exists(item):
                new.add(item.name)
                changes.append(Change(Action.CREATE, item.what, item.name))
            else:
                changes += [
                    Change(
                        Action.IMPOSSIBLE, item.what, item.name, found.setting, found.old, found.new
                    )
                    for found in await topology.differences(item)
                ] or [Change(Action.KEEP, item.what, item.name)]
        return changes

    async def apply(self, session: Session) -> list[Change]:
        """Create what is missing; return what was done and what could not be."""
        changes = await self.changes(session)
        impossible = {change.name for change in changes if change.action is Action.IMPOSSIBLE}
        await session.topology.declare(
            [item for item in self._items() if item.name not in impossible], again=True
        )
        await self._registry.note(session, self.durable_queues())
        return [change for change in changes if change.action is not Action.KEEP]

    def durable_queues(self) -> list[str]:
        """Return the queues that outlive the application."""
        return [
            queue
            for subscription in self._subscriptions
            if outlives(subscription)
            for queue in self._layout.place(subscription, "").queues
        ]

    def permissions(self) -> list[str]:
        """Return the three regular expressions that `rabbitmqctl set_permissions` takes."""
        configure: list[str] = []
        write = ["amq.default", self._names.events, self._names.requests]
        places = self._placements()
        read = [queue for place in places for queue in place.queues]
        read += [place.aside for place in places if place.aside is not None]
        read += [self._names.dead(s.name) for s in self._subscriptions if s.kind is Kind.EVENT]
        patterns = [self._rungs()]
        if self._options.declare:
            read.append(self._registry.queue.name)
            items = self._items()
            configure = [item.name for item in items if not isinstance(item, Binding)]
            write += [name for item in items for name in _written_by_declaring(item)]
            read += [name for item in items for name in _read_by_declaring(item)]
            patterns += self._own_copies()
        return [
            f"configure {_any(configure, patterns if configure else ())}",
            f"write {_any(write, patterns)}",
            f"read {_any(read, patterns)}",
        ]

    def _items(self) -> list[Item]:
        found: dict[str, Item] = {}
        own = self._registry.queue
        for item in (*self._layout.base(), own, *self._ladder_items(), *self._placed()):
            found.setdefault(repr(item), item)
        return list(found.values())

    def _placed(self) -> Iterable[Item]:
        for place in self._placements():
            own = {item.name for item in place.items if isinstance(item, Queue) and item.exclusive}
            for item in place.items:
                if item.name not in own and getattr(item, "target", "") not in own:
                    yield item

    def _placements(self) -> list[Placement]:
        return [self._layout.place(subscription, "") for subscription in self._subscriptions]

    def _ladder_items(self) -> list[Item]:
        """Return the rungs for the retries that can happen, or all where none can be made later."""
        if not self._options.declare:
            return self._ladder.rungs(RUNGS)
        longest = max((s.longest_delay for s in self._subscriptions), default=0.0)
        return self._ladder.rungs(self._ladder.height(longest)) if longest else []

    def _own_copies(self) -> list[str]:
        """Return what matches the queues that instances make for themselves."""
        return [
            f"{re.escape(self._names.own_copy(self._names.queue(subscription), ''))}.+"
            for subscription in self._subscriptions
            if _is_own_copy(subscription)
        ]

    def _rungs(self) -> str:
        """Return what matches all rungs of the ladder: delays of any length may be asked for."""
        return f"{re.escape(self._names.rung(0))[:-1]}[0-9]+"


def _written_by_declaring(item: Item) -> list[str]:
    if isinstance(item, Binding):
        return [item.target]
    goals = (item.arguments.get(name) for name in (_ALTERNATE, _DEAD_LETTERS))
    return [str(goal) for goal in goals if goal]


def _read_by_declaring(item: Item) -> list[str]:
    if isinstance(item, Binding):
        return [item.source]
    passes_on = _ALTERNATE in item.arguments or _DEAD_LETTERS in item.arguments
    return [item.name] if passes_on else []


def outlives(subscription: Subscription) -> bool:
    """Tell whether a subscription's queues stay when the application stops."""
    return (
        subscription.kind is Kind.EVENT and subscription.durable and not _is_own_copy(subscription)
    )


def _is_own_copy(subscription: Subscription) -> bool:
    return subscription.kind is Kind.EVENT and (subscription.broadcast or subscription.ephemeral)


def _any(names: Iterable[str], patterns: Iterable[str]) -> str:
    unique = dict.fromkeys((*map(re.escape, names), *patterns))
    return f"^({'|'.join(unique)})$" if unique else "^$"
