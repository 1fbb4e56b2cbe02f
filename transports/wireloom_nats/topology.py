"""Which streams and consumers an application needs."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from wireloom.errors import ConfigurationError, UnsupportedOptionError
from wireloom.pattern import Pattern, PatternIndex
from wireloom.spi import (
    Action,
    Declaration,
    Environment,
    Kind,
    Limits,
    Subscription,
)
from wireloom_nats.consumers import Consumers, ConsumerSpec, consumer_spec
from wireloom_nats.jetstream import JetStream, timestamp
from wireloom_nats.names import Names
from wireloom_nats.options import NatsHandlerOptions, NatsOptions
from wireloom_nats.streams import Streams, StreamSpec, stream_settings

__all__ = ["Topology", "check_declaration", "is_stored"]

MONTH: Final = 30 * 24 * 3600.0
"""Seconds for which a message's count of runs is kept: longer than any sensible retry."""


class Topology:
    """Knows what was declared, and sees that the server has what that needs."""

    def __init__(
        self,
        options: NatsOptions,
        environment: Environment,
        names: Names,
        jetstream: JetStream,
    ) -> None:
        self._options = options
        self._environment = environment
        self._names = names
        self._jetstream = jetstream
        self._declared: PatternIndex[Declaration] = PatternIndex()
        self._lock = asyncio.Lock()
        self._holding = asyncio.Lock()
        self._held: dict[str, float] = {}
        self.streams = Streams(jetstream)
        self.consumers = Consumers(jetstream)

    async def declare(self, declarations: Iterable[Declaration]) -> None:
        """See that what stores these exists, and remember them.

        :raises ConfigurationError: if it exists otherwise and cannot be changed, or is missing and
            must not be created.
        """
        declarations = list(declarations)
        async with self._lock:
            if any(declaration.durable for declaration in declarations):
                await self._jetstream.check()
            for spec in await self.stream_specs(declarations):
                await self._ensure(spec)
            for declaration in declarations:
                if declaration not in self._declared.find(declaration.pattern.filter):
                    self._declared.add(declaration.pattern, declaration)

    async def is_durable(self, address: str) -> bool:
        """Tell whether an event is stored; one that nobody declared is from now on."""
        found = self._declared.find(address)
        if not found:
            await self.hold(address)
            found = self._declared.find(address)
        return found[0].durable

    async def hold(self, address: str) -> None:
        """See that a stream holds an address, as declared or by default. Of many who find out at
        once that none does, one acts and the others wait.
        """
        asked = self._environment.clock.monotonic()
        async with self._holding:
            if self._held.get(address, asked) > asked:
                return
            held = [found for found in self._declared.find(address) if _is_held(found)]
            default = Declaration(pattern=_concrete(address), limits=Limits())
            await self.declare(held or [default])
            self._held = {address: self._environment.clock.monotonic()}

    async def declare_for(self, subscription: Subscription) -> None:
        """See that a stream holds what a subscription reads, declared before or not."""
        native = subscription.native
        if isinstance(native, NatsHandlerOptions) and native.stream is not None:
            return
        declaration = Declaration(pattern=subscription.pattern, limits=subscription.limits)
        await self.declare([declaration])

    async def serve(self) -> None:
        """See that what handlers of durable events need exists."""
        for spec in self.bookkeeping():
            await self._ensure(spec)

    async def hold_dead_letters(self) -> None:
        """See that the stream of dead letters exists."""
        await self._ensure(self.bookkeeping()[0])

    async def stream_specs(self, declarations: Iterable[Declaration]) -> list[StreamSpec]:
        """Return the streams that must hold these."""
        wanted: dict[str, tuple[Limits, list[str]]] = {}
        for declaration in declarations:
            if declaration.durable:
                name = self._own_stream(declaration)
                _, subjects = wanted.setdefault(name, (declaration.limits, []))
                subjects += await self._to_hold(declaration, name)
        return [self._spec(name, *wanted[name]) for name in wanted]

    def bookkeeping(self) -> list[StreamSpec]:
        """Return the streams of dead letters, and of attempts and owners."""
        forever = Limits(age=None)
        dead = self._spec(self._names.dead, forever, [self._names.all_dead_letters()], ours=True)
        counts = self._spec(
            self._names.attempts, Limits(age=MONTH), self._names.bookkeeping(), ours=True
        )
        settings = {**counts.settings, "max_msgs_per_subject": 1}
        return [dead, StreamSpec(counts.name, counts.subjects, settings, counts.initial)]

    async def consumer_specs(self, subscription: Subscription) -> list[ConsumerSpec]:
        """Return the consumers that a subscription needs: one for each stream and shard.

        :raises ConfigurationError: if no stream holds its pattern.
        """
        return [
            self._consumer_spec(subscription, stream, shard)
            for stream in await self._streams_of(subscription)
            for shard in range(subscription.shards)
        ]

    async def ensure_consumer(self, spec: ConsumerSpec) -> float:
        """See that a consumer exists; return when it was created, by the server's clock."""
        if not self._options.declare and "durable_name" in spec.config:
            info = await self.consumers.info(spec.stream, spec.name)
            if info is None:
                raise _missing("consumer", f"{spec.stream}/{spec.name}")
            return timestamp(info["created"])
        return timestamp((await self.consumers.ensure(spec))["created"])

    def _consumer_spec(self, subscription: Subscription, stream: str, shard: int) -> ConsumerSpec:
        name = self._names.consumer(subscription.name)
        if subscription.shards > 1:
            name = f"{name}~{shard}"
        if subscription.broadcast or subscription.ephemeral:
            name = f"{name}~{self._environment.instance}"
        filters = [self._names.filter(Kind.EVENT, subscription.pattern)]
        if self._names.is_ours(stream):
            filters.append(self._names.replays(stream, subscription.name))
        return consumer_spec(self._options, subscription, stream=stream, name=name, filters=filters)

    async def _streams_of(self, subscription: Subscription) -> list[str]:
        native = subscription.native
        if isinstance(native, NatsHandlerOptions) and native.stream is not None:
            return [native.stream]
        subject = self._names.filter(Kind.EVENT, subscription.pattern)
        not_events = {self._names.dead, self._names.attempts}
        found = set(await self.streams.holders(subject)) - not_events
        if not subscription.pattern.is_concrete:
            found.add(self._names.events)
        return sorted(found or {self._own_stream_of(subscription.pattern, subscription.limits)})

    async def _to_hold(self, declaration: Declaration, name: str) -> list[str]:
        """Return the subject of a declaration, unless another stream holds it or must not."""
        subject = self._names.filter(Kind.EVENT, declaration.pattern)
        if not _is_held(declaration):  # it would hold requests and inboxes too
            return []
        others = [other for other in await self.streams.holders(subject) if other != name]
        if not others:
            return [subject]
        if declaration.limits != Limits():
            raise ConfigurationError(
                f"{declaration.pattern.text!r} has limits of its own and stream {others[0]!r} "
                "holds it already, with others",
                remedy="give it no limits, or take its subject out of that stream",
            )
        return []

    def _own_stream(self, declaration: Declaration) -> str:
        return self._own_stream_of(declaration.pattern, declaration.limits)

    def _own_stream_of(self, pattern: Pattern, limits: Limits) -> str:
        return self._names.events if limits == Limits() else self._names.own_stream(pattern)

    def _spec(
        self, name: str, limits: Limits, subjects: Sequence[str], *, ours: bool = False
    ) -> StreamSpec:
        settings, initial = stream_settings(self._options, limits)
        held = subjects if ours else [*subjects, self._names.replays(name)]
        return StreamSpec(name, held, settings, initial)

    async def _ensure(self, spec: StreamSpec) -> None:
        if self._options.declare:
            await self.streams.ensure(spec)
            return
        changes = await self.streams.compare(spec)
        for change in changes:
            if change.action is Action.CREATE or change.setting == "subjects":
                raise _missing("stream", f"{spec.name} for {', '.join(spec.subjects)}")


def is_stored(subscription: Subscription) -> bool:
    """Tell whether a subscription reads from streams."""
    return subscription.kind is Kind.EVENT and subscription.durable


def check_declaration(declaration: Declaration) -> None:
    """Refuse an event that no stream can hold as declared.

    :raises UnsupportedOptionError: naming the option.
    """
    if not _is_held(declaration) and declaration.limits != Limits():
        raise UnsupportedOptionError(
            "limits", "nats", "a pattern that begins with a wildcard has no stream of its own"
        )


def _is_held(declaration: Declaration) -> bool:
    return declaration.pattern.tokens[0] not in ("*", ">")


def _missing(what: str, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"there is no {what} {name}, and NatsOptions(declare=False) forbids to create it",
        remedy="have it created with `wireloom topology apply`",
    )


def _concrete(address: str) -> Pattern:
    return Pattern(address, opaque=not _is_text(address))


def _is_text(address: str) -> bool:
    return all(token and token not in ("*", ">") for token in address.split("."))
