"""A subscription that reads from streams."""

import random

from wireloom.spi import Environment, Intake, Subscriber, Subscription
from wireloom_nats.attempts import Attempts
from wireloom_nats.connection import Connection
from wireloom_nats.consumers import ConsumerSpec
from wireloom_nats.dead_letters import NatsDeadLetters
from wireloom_nats.inbox import Inbox
from wireloom_nats.jetstream import NANOSECONDS, JetStream
from wireloom_nats.lease import STEP, Lease
from wireloom_nats.names import Names
from wireloom_nats.options import NatsHandlerOptions, NatsOptions
from wireloom_nats.puller import Puller
from wireloom_nats.reader import Reader, Shard, Source
from wireloom_nats.stored import Settling
from wireloom_nats.topology import Topology

__all__ = ["Backend", "StoredSubscriber"]


class Backend:
    """What all stored subscriptions of one transport share."""

    def __init__(
        self,
        options: NatsOptions,
        environment: Environment,
        connection: Connection,
        inbox: Inbox,
        jetstream: JetStream,
        names: Names,
        topology: Topology,
        dead_letters: NatsDeadLetters,
    ) -> None:
        self.options = options
        self.environment = environment
        self.connection = connection
        self.inbox = inbox
        self.jetstream = jetstream
        self.names = names
        self.topology = topology
        self.dead_letters = dead_letters
        self.attempts = Attempts(inbox, jetstream, names)
        self._pullers = 0

    def address(self) -> str:
        """Return a new subject for what one consumer sends: beside the inbox, not below it."""
        self._pullers += 1
        return f"{self.inbox.address}~{self._pullers}"


class StoredSubscriber(Subscriber):
    """One puller for each stream and shard, all into one intake."""

    def __init__(self, backend: Backend, subscription: Subscription, intake: Intake) -> None:
        self._backend = backend
        self._subscription = subscription
        self._intake = intake
        native = subscription.native
        self._native = native if isinstance(native, NatsHandlerOptions) else NatsHandlerOptions()
        self._pullers: list[Puller] = []
        self._specs: list[ConsumerSpec] = []

    async def start(self) -> None:
        """Create what is missing, and take from now on.

        :raises ConfigurationError: if a consumer exists otherwise and cannot be changed.
        """
        self._specs = await self._backend.topology.consumer_specs(self._subscription)
        order = list(range(len(self._specs)))
        random.shuffle(order)
        for place, spec in zip(order, self._specs, strict=True):
            began = await self._backend.topology.ensure_consumer(spec)
            puller = self._puller(spec, began, place * STEP / 3)
            self._pullers.append(puller)
            await puller.start()

    async def stop(self) -> None:
        """Take nothing more."""
        for puller in self._pullers:
            await puller.stop()

    async def close(self) -> None:
        """Stop; leave consumers to other instances, and delete those of this process alone."""
        for puller in self._pullers:
            await puller.close()
        if self._subscription.broadcast or self._subscription.ephemeral:
            for spec in self._specs:
                await self._backend.topology.consumers.delete(spec.stream, spec.name)
        self._specs = []

    def connection_changed(self) -> None:
        """Tell the pullers that the connection was lost or is back."""
        for puller in self._pullers:
            puller.connection_changed()

    def _puller(self, spec: ConsumerSpec, began: float, patience: float) -> Puller:
        backend = self._backend
        subscription = self._subscription
        ack_wait = spec.config["ack_wait"] / NANOSECONDS
        settling = Settling(
            connection=backend.connection,
            inbox=backend.inbox,
            attempts=backend.attempts,
            dead_letters=backend.dead_letters,
            subscription=subscription.name,
            stream=spec.stream,
            consumer=spec.name,
            confirm=self._native.confirm_acks or subscription.ack_first,
        )
        source = Source(
            stream=spec.stream,
            consumer=spec.name,
            replays=backend.names.replays(spec.stream, subscription.name),
            began=began,
            ack_wait=ack_wait,
            keep_alive=self._native.keep_alive,
            shard=self._shard(spec),
        )
        clock = backend.environment.clock
        reader = Reader(
            backend.connection, backend.jetstream, backend.names, clock, source, settling
        )

        async def restore(sequence: int) -> None:
            await backend.topology.declare_for(subscription)
            again = spec if sequence == 0 else spec.starting_at(sequence)
            await backend.topology.ensure_consumer(again)

        return Puller(
            backend.connection,
            backend.inbox,
            clock,
            reader,
            self._intake,
            address=backend.address(),
            pull_subject=f"{backend.jetstream.prefix}.CONSUMER.MSG.NEXT.{spec.stream}.{spec.name}",
            restore=restore,
            lease=self._lease(spec, ack_wait, patience),
        )

    def _shard(self, spec: ConsumerSpec) -> Shard | None:
        if self._subscription.shards == 1:
            return None
        return Shard(int(spec.name.rpartition("~")[2]), self._subscription.shards)

    def _lease(self, spec: ConsumerSpec, ack_wait: float, patience: float) -> Lease | None:
        """Return a lease where order must hold across instances."""
        subscription = self._subscription
        if not subscription.ordered or subscription.broadcast or subscription.ephemeral:
            return None
        backend = self._backend
        return Lease(
            backend.inbox,
            backend.jetstream,
            backend.topology.consumers,
            backend.names,
            backend.environment.clock,
            stream=spec.stream,
            consumer=spec.name,
            instance=backend.environment.instance,
            ack_wait=ack_wait,
            patience=patience,
        )
