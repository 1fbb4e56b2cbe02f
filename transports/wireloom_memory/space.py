"""One namespace of a broker: its queues, logs, request handlers and inboxes."""

from collections.abc import Iterable
from heapq import merge
from itertools import count

from wireloom.errors import ConfigurationError, NoHandlerError, PayloadTooLargeError
from wireloom.pattern import Pattern, PatternIndex
from wireloom.spi import (
    Declaration,
    Intake,
    Kind,
    Limits,
    Message,
    Receipt,
    Receive,
    Subscription,
)
from wireloom.spi.headers import ERROR
from wireloom_memory.delivery import EventDelivery, RequestDelivery
from wireloom_memory.faults import Faults
from wireloom_memory.letters import MemoryDeadLetters
from wireloom_memory.queue import Queue
from wireloom_memory.schedule import Schedule
from wireloom_memory.stream import Entry, SeenIds, Stream, history

__all__ = ["Space"]


class Space:
    """What one namespace of a broker holds."""

    def __init__(self, name: str, schedule: Schedule, faults: Faults, log_bytes: int) -> None:
        self.name = name
        self.queues: dict[str, Queue] = {}
        self.inboxes: dict[str, Receive] = {}
        self.letters = MemoryDeadLetters(self._bring)
        self._schedule = schedule
        self._faults = faults
        self._log_bytes = log_bytes
        self._listening: PatternIndex[Queue] = PatternIndex()
        self._serving: PatternIndex[Intake] = PatternIndex()
        self._default = Stream(name or "events", Limits(), log_bytes)
        self._streams: dict[Pattern, Stream] = {}
        self._stream_of: PatternIndex[Stream] = PatternIndex()
        self._seen = SeenIds()
        self._sequence = count(1)
        self._turn = 0

    # Events

    def publish(self, message: Message, transport: str) -> Receipt:
        """Take an event, or tell that its id was taken already.

        :raises PayloadTooLargeError: if a declared limit says so.
        """
        stream = self._stream(message.address)
        limit = stream.limits.message_size
        if limit is not None and len(message.body) > limit:
            raise PayloadTooLargeError(len(message.body), limit)
        now = self._schedule.now()
        if message.id and not self._seen.add(message.address, message.id, now):
            return Receipt(message.id, transport, stream.name, duplicate=True, acknowledged=True)
        sequence = None
        if message.delay > 0:
            self._schedule.after(message.delay, lambda: self._append(stream, message, now))
        else:
            sequence = self._append(stream, message, now)
        routed = bool(self._listening.find(message.address))
        return Receipt(
            message.id,
            transport,
            stream.name,
            sequence,
            duplicate=False,
            routed=routed,
            acknowledged=True,
        )

    def _append(self, stream: Stream, message: Message, published: float) -> int:
        entry = self._entry(message, published)
        stream.append(entry, published + message.delay)
        for queue in self._listening.find(message.address):
            delivery = EventDelivery(entry)
            delivery.age = message.delay
            queue.put(delivery)
        return entry.sequence

    def _entry(self, message: Message, published: float) -> Entry:
        return Entry(message, next(self._sequence), published, self._schedule.clock.now())

    def _bring(self, subscription: str, message: Message) -> bool:
        queue = self.queues.get(subscription)
        if queue is not None:
            entry = self._entry(message, self._schedule.now())
            queue.put(EventDelivery(entry, replayed=True))
        return queue is not None

    def declare(self, declaration: Declaration) -> None:
        """Keep events of this pattern by these limits. The default limits change nothing, since a
        handler that names none must not undo its emitter's.
        """
        if declaration.limits == Limits():
            return
        stream = self._streams.get(declaration.pattern)
        if stream is not None:
            stream.limits = declaration.limits
            return
        stream = Stream(declaration.pattern.text, declaration.limits, self._log_bytes)
        self._streams[declaration.pattern] = stream
        self._stream_of.add(declaration.pattern, stream)

    def _stream(self, address: str) -> Stream:
        found = self._stream_of.find(address)
        return found[0] if found else self._default

    # Subscriptions

    def queue(self, subscription: Subscription) -> Queue:
        """Return the subscription's queue, made if it is new.

        :raises ConfigurationError: if it is in use with another pattern, order or shards.
        """
        queue = self.queues.get(subscription.name)
        if queue is None:
            return self.open_queue(subscription)
        changed = _difference(queue.subscription, subscription)
        if not changed:
            return queue
        if queue.members or queue.unsettled:
            raise ConfigurationError(
                f"{subscription.name!r} is in use with {changed}", where=subscription.where
            )
        self.close_queue(queue)
        fresh = self._listen(subscription)
        fresh.refill(queue.waiting())
        return fresh

    def open_queue(self, subscription: Subscription) -> Queue:
        """Return a new queue, filled with the history that the subscription asks for."""
        queue = self._listen(subscription)
        if not (subscription.broadcast or subscription.ephemeral):
            self.queues[subscription.name] = queue
        streams = (self._default, *self._streams.values())
        log = list(merge(*streams, key=_sequence))
        past = history(log, subscription.pattern, subscription.start_from)
        queue.refill(EventDelivery(entry, replayed=True) for entry in past)
        return queue

    def close_queue(self, queue: Queue) -> None:
        """Delete a queue; what is in its members' hands can still be settled."""
        queue.closed = True
        self._listening.remove(queue.subscription.pattern, queue)
        if self.queues.get(queue.subscription.name) is queue:
            del self.queues[queue.subscription.name]

    def _listen(self, subscription: Subscription) -> Queue:
        queue = Queue(subscription, self._schedule, self._faults, self.letters)
        self._listening.add(subscription.pattern, queue)
        return queue

    def pump(self) -> None:
        """Hand out what waits anywhere."""
        for queue in self.queues.values():
            queue.pump()

    # Requests

    def serve(self, pattern: Pattern, intake: Intake) -> None:
        """Let requests of this pattern go to this intake, in turn with others."""
        self._serving.add(pattern, intake)

    def unserve(self, pattern: Pattern, intake: Intake) -> None:
        """Let no more requests go there."""
        self._serving.remove(pattern, intake)

    def request(self, message: Message) -> None:
        """Hand a request to one live member.

        :raises NoHandlerError: if there is none.
        """
        intakes = self._serving.find(message.address)
        if not intakes:
            raise NoHandlerError(f"nobody handles {message.address!r}")
        intake = intakes[0] if len(intakes) == 1 else self._choose(intakes)
        intake.put(RequestDelivery(message, self.inboxes, self._reroute))

    def _choose(self, intakes: tuple[Intake, ...]) -> Intake:
        for _ in intakes:
            self._turn = (self._turn + 1) % len(intakes)
            if intakes[self._turn].room > 0:
                break
        return intakes[self._turn]

    def _reroute(self, message: Message) -> None:
        try:
            self.request(message)
        except NoHandlerError:
            error = Message(
                Kind.ERROR, message.reply_to or "", b"", {ERROR: "UNAVAILABLE"}, message.id
            )
            self.deliver(error)

    def deliver(self, message: Message) -> None:
        """Hand a message to an inbox; one that is gone is no error."""
        receive = self.inboxes.get(message.address)
        if receive is not None:
            receive(message)


def _sequence(entry: Entry) -> int:
    return entry.sequence


def _difference(old: Subscription, new: Subscription) -> str:
    names: Iterable[str] = ("pattern", "ordered", "shards")
    pairs = ((name, getattr(old, name), getattr(new, name)) for name in names)
    return ", ".join(f"{name}={a!s}, not {b!s}" for name, a, b in pairs if a != b)
