"""What would be created and changed, and which rights that needs."""

from collections.abc import Iterator, Sequence

from wireloom.spi import Action, Change, Declaration, Environment, Kind, Subscription
from wireloom_nats.consumers import ConsumerSpec
from wireloom_nats.names import Names
from wireloom_nats.options import NatsOptions
from wireloom_nats.streams import refuse_impossible
from wireloom_nats.topology import Topology, is_stored

__all__ = ["Plan", "permissions"]


class Plan:
    """Compares what an application needs with what the server has."""

    def __init__(self, topology: Topology, names: Names, environment: Environment) -> None:
        self._topology = topology
        self._names = names
        self._environment = environment

    async def show(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Return what `apply` would do, and what is left over from before."""
        stored = [row for row in subscriptions if is_stored(row)]
        rows: list[Change] = []
        for stream in await self._topology.stream_specs(declarations):
            rows += await self._topology.streams.compare(stream)
        for stream in self._topology.bookkeeping() if stored else ():
            rows += await self._topology.streams.compare(stream)
        consumers = await self._consumers(stored)
        for consumer in consumers:
            rows += await self._topology.consumers.compare(consumer)
        return rows + await self._orphans(consumers)

    async def apply(
        self, declarations: Sequence[Declaration], subscriptions: Sequence[Subscription]
    ) -> list[Change]:
        """Create and update; return what was done.

        :raises ConfigurationError: if something cannot be changed; nothing was done then.
        """
        rows = await self.show(declarations, subscriptions)
        refuse_impossible(rows)
        stored = [row for row in subscriptions if is_stored(row)]
        for stream in await self._topology.stream_specs(declarations):
            await self._topology.streams.ensure(stream)
        for stream in self._topology.bookkeeping() if stored else ():
            await self._topology.streams.ensure(stream)
        for consumer in await self._consumers(stored):
            await self._topology.consumers.ensure(consumer)
        return [row for row in rows if row.action in (Action.CREATE, Action.UPDATE)]

    async def _consumers(self, stored: Sequence[Subscription]) -> list[ConsumerSpec]:
        """Return the consumers that last; those of single processes are made by them."""
        return [
            spec
            for subscription in stored
            if not (subscription.broadcast or subscription.ephemeral)
            for spec in await self._topology.consumer_specs(subscription)
        ]

    async def _orphans(self, consumers: Sequence[ConsumerSpec]) -> list[Change]:
        used = {(spec.stream, spec.name) for spec in consumers}
        streams = {self._names.events, *(spec.stream for spec in consumers)}
        return [
            Change(Action.ORPHAN, "consumer", f"{stream}/{name}")
            for stream in sorted(streams)
            for name in await self._topology.consumers.of_group(stream, self._environment.group)
            if (stream, name) not in used
        ]


def permissions(
    options: NatsOptions,
    names: Names,
    declarations: Sequence[Declaration],
    subscriptions: Sequence[Subscription],
) -> list[str]:
    """Return the rights that an application needs, as `publish <subject>`, `subscribe <subject>`
    with the queue group where there is one.
    """
    rights = set(_always(names))
    stored = [row for row in subscriptions if is_stored(row)]
    for subscription in subscriptions:
        if not is_stored(subscription):
            subject = names.filter(subscription.kind, subscription.pattern)
            rights.add(f"subscribe {subject}{_queue(options, subscription)}")
    if any(row.kind is Kind.REQUEST for row in subscriptions):
        rights |= {f"publish {prefix}>" for prefix in options.reply_prefixes}
    for declaration in declarations:
        rights.add(f"publish {names.filter(Kind.EVENT, declaration.pattern)}")
    if stored or any(declaration.durable for declaration in declarations):
        rights |= set(_jetstream(options, names, reads=bool(stored)))
    return sorted(rights)


def _queue(options: NatsOptions, subscription: Subscription) -> str:
    if subscription.kind is Kind.REQUEST:
        return f" {options.queue}"
    return "" if subscription.broadcast or subscription.ephemeral else f" {subscription.name}"


def _always(names: Names) -> Iterator[str]:
    yield f"subscribe {names.inboxes}.>"
    yield f"publish {names.inboxes}.>"
    yield f"publish {names.requests}"


def _jetstream(options: NatsOptions, names: Names, *, reads: bool) -> Iterator[str]:
    api = options.api_prefix
    yield f"publish {api}.INFO"
    yield f"publish {api}.STREAM.NAMES"
    for operation in ("INFO", "CREATE", "UPDATE") if options.declare else ("INFO",):
        yield f"publish {api}.STREAM.{operation}.*"
    if not reads:
        return
    for operation in ("INFO", "CREATE", "DELETE", "MSG.NEXT"):
        yield f"publish {api}.CONSUMER.{operation}.>"
    yield f"publish {api}.CONSUMER.LIST.*"
    yield f"publish {api}.DIRECT.GET.>"
    yield f"publish {api}.STREAM.PURGE.{names.attempts}"
    yield f"publish {api}.STREAM.MSG.DELETE.{names.dead}"
    yield f"publish {names.all_dead_letters()}"
    yield f"publish {names.all_dead_letters().removesuffix('dead.>')}delay.>"
    yield "publish $JS.ACK.>"
