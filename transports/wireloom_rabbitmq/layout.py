"""Which exchanges, queues and bindings a subscription means."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from wireloom.pattern import Pattern
from wireloom.spi import Kind, Limits, Subscription
from wireloom_rabbitmq.items import Binding, Exchange, Item, Queue
from wireloom_rabbitmq.ladder import Ladder
from wireloom_rabbitmq.names import Names
from wireloom_rabbitmq.options import RabbitMqHandlerOptions, RabbitMqOptions
from wireloom_rabbitmq.own_headers import BUCKET

__all__ = ["BUCKETS", "Layout", "Placement", "bucket_of", "native_options"]

BUCKETS: Final = 32
"""Parts that keys are spread over; the most shards there can be."""
_WEEK: Final = 7 * 24 * 3600 * 1000
"""Milliseconds for which what was given up waits for somebody to count it."""
_ABANDONED: Final = 60_000
"""Milliseconds after which a queue that nobody ever came to consume is deleted."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a subscription lives on the broker."""

    queues: tuple[str, ...]
    """What is consumed: one, or one for each shard."""
    items: tuple[Item, ...]
    """What has to exist, in the order of declaring."""
    entry: tuple[str, str]
    """Exchange and routing key by which something reaches this subscription alone."""
    aside: str | None = None
    """The queue for what the broker gives up: it expired, or was delivered too often."""


class Layout:
    """Turns subscriptions into topology."""

    def __init__(self, options: RabbitMqOptions, names: Names, ladder: Ladder) -> None:
        self._options = options
        self._names = names
        self._ladder = ladder

    def base(self) -> list[Item]:
        """Return the exchanges that everything goes through.

        A request that no concrete pattern takes goes on to the wildcards, so that one queue at most
        gets it from either.
        """
        names = self._names
        return [
            Exchange(names.events, "topic", self._options.exchange_arguments),
            Exchange(names.wild_requests),
            Exchange(names.requests, "direct", {"alternate-exchange": names.wild_requests}),
            *self._streams(),
        ]

    def place(self, subscription: Subscription, instance: str) -> Placement:
        """Return where a subscription lives; `instance` names copies of its own."""
        if subscription.kind is Kind.REQUEST:
            return self._requests(subscription)
        if subscription.broadcast or subscription.ephemeral:
            return self._own_copy(subscription, instance)
        if subscription.ordered and subscription.shards > 1:
            return self._shards(subscription)
        queue = self._names.queue(subscription)
        return self._events(subscription, Queue(queue, self._arguments(subscription)))

    def dead_letters(self, subscription: str) -> Queue:
        """Return the queue of a subscription's dead letters."""
        return Queue(self._names.dead(subscription), {"x-queue-type": self._options.queue_type})

    def unfinished(self, queue: str) -> Queue:
        """Return the queue that is there while a queue's history was not copied whole."""
        return Queue(self._names.beside(queue, "unfinished"), {"x-queue-type": "classic"})

    def lock(self, queue: str) -> Queue:
        """Return the queue that only one connection at a time can have: the one that copies."""
        name = self._names.beside(queue, "copying")
        return Queue(name, {"x-queue-type": "classic"}, exclusive=True)

    def _streams(self) -> list[Item]:
        items: list[Item] = []
        for text in self._options.streams:
            pattern = Pattern(text)
            name = self._names.stream(pattern)
            key = self._names.binding(Kind.EVENT, pattern)
            items.append(Queue(name, {"x-queue-type": "stream", **self._options.stream_arguments}))
            items.append(Binding(self._names.events, key, name))
        return items

    def _requests(self, subscription: Subscription) -> Placement:
        names = self._names
        queue = names.queue(subscription)
        key = names.binding(Kind.REQUEST, subscription.pattern)
        wild = not subscription.pattern.is_concrete
        source = names.wild_requests if wild else names.requests
        items = (self._volatile(queue), Binding(source, key, queue))
        return Placement((queue,), items, ("", queue))

    def _events(self, subscription: Subscription, queue: Queue) -> Placement:
        if not subscription.durable and not queue.exclusive:
            queue = self._volatile(
                queue.name, {**_limits(subscription.limits), **_one_owner(subscription)}
            )
        aside = self._aside(queue.name, queue)
        queue = replace(queue, arguments={**queue.arguments, **_given_up_to(aside)})
        binding = self._binding(subscription, queue.name)
        items: list[Item] = [
            *self._ladder.foot(),
            aside,
            queue,
            binding,
            self._ladder.events_for(binding),
            self._ladder.retries_of(queue.name),
        ]
        if not subscription.ephemeral:
            items.append(self.dead_letters(subscription.name))
        return Placement((queue.name,), tuple(items), ("", queue.name), aside.name)

    def _own_copy(self, subscription: Subscription, instance: str) -> Placement:
        name = self._names.own_copy(self._names.queue(subscription), instance)
        arguments = {"x-queue-type": "classic", **_limits(subscription.limits)}
        return self._events(subscription, Queue(name, arguments, auto_delete=True, exclusive=True))

    def _shards(self, subscription: Subscription) -> Placement:
        """Spread keys over sub-queues by a header; what has no key goes to the first of them."""
        queue = self._names.queue(subscription)
        spread = self._names.spread(queue)
        rest = self._names.rest(queue, subscription.shards)
        queues = [self._names.shard(queue, number) for number in range(subscription.shards)]
        aside = self._aside(queue)
        arguments = {**self._arguments(subscription), **_given_up_to(aside)}
        binding = self._binding(subscription, spread, to_exchange=True)
        items: list[Item] = [
            *self._ladder.foot(),
            Exchange(rest, "fanout"),
            Exchange(spread, "headers", {"alternate-exchange": rest}),
            aside,
            *(Queue(name, arguments) for name in queues),
            Binding(rest, "", queues[0]),
            *(
                Binding(spread, "", queues[number % len(queues)], arguments=_match(number))
                for number in range(BUCKETS)
            ),
            *(self._ladder.retries_of(name) for name in queues),
            binding,
            self._ladder.events_for(binding),
            self.dead_letters(subscription.name),
        ]
        return Placement(tuple(queues), tuple(items), (spread, ""), aside.name)

    def _aside(self, name: str, like: Queue | None = None) -> Queue:
        arguments: dict[str, Any] = {"x-queue-type": "classic", "x-message-ttl": _WEEK}
        aside = Queue(self._names.beside(name, "aside"), arguments)
        if like is None or not like.auto_delete:
            return aside
        if not like.exclusive:
            arguments["x-expires"] = _ABANDONED
        return replace(aside, auto_delete=True, exclusive=like.exclusive)

    def _binding(
        self, subscription: Subscription, target: str, *, to_exchange: bool = False
    ) -> Binding:
        key = self._names.binding(Kind.EVENT, subscription.pattern)
        return Binding(self._names.events, key, target, to_exchange)

    def _volatile(self, name: str, limits: Mapping[str, Any] | None = None) -> Queue:
        """Return a queue that is deleted with its last consumer, at once, so that publishers
        learn that nobody is there. Where applications may not create, it has to stay.
        """
        arguments = {"x-queue-type": "classic", **(limits or {})}
        if not self._options.declare:
            return Queue(name, arguments)
        return Queue(name, {**arguments, "x-expires": _ABANDONED}, auto_delete=True)

    def _arguments(self, subscription: Subscription) -> dict[str, Any]:
        native = native_options(subscription)
        kind = native.queue_type or self._options.queue_type
        arguments: dict[str, Any] = {
            "x-queue-type": kind,
            **self._options.queue_arguments,
            **native.queue_arguments,
            **_limits(subscription.limits),
        }
        if kind == "quorum":
            arguments["x-delivery-limit"] = self._options.delivery_limit
        arguments |= _one_owner(subscription)
        if native.max_priority is not None:
            arguments["x-max-priority"] = native.max_priority
        return arguments


def native_options(subscription: Subscription) -> RabbitMqHandlerOptions:
    """Return this transport's own options of a handler."""
    if isinstance(subscription.native, RabbitMqHandlerOptions):
        return subscription.native
    return RabbitMqHandlerOptions()


def bucket_of(key: str) -> str:
    """Return the part that a key falls into, the same in every process and release."""
    return str(zlib.crc32(key.encode()) % BUCKETS)


def _one_owner(subscription: Subscription) -> dict[str, Any]:
    return {"x-single-active-consumer": True} if subscription.ordered else {}


def _given_up_to(aside: Queue) -> dict[str, Any]:
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": aside.name}


def _match(bucket: int) -> dict[str, Any]:
    return {"x-match": "all", BUCKET: str(bucket)}


def _limits(limits: Limits) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    if limits.age is not None:
        arguments["x-message-ttl"] = round(limits.age * 1000)
    if limits.messages is not None:
        arguments["x-max-length"] = limits.messages
    if limits.bytes is not None:
        arguments["x-max-length-bytes"] = limits.bytes
    if limits.messages is not None or limits.bytes is not None:
        arguments["x-overflow"] = "reject-publish"
    return arguments
