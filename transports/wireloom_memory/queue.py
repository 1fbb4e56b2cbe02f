"""What waits for one subscription, and who takes it."""

from binascii import crc32
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from wireloom.spi import Intake, Subscription
from wireloom_memory.delivery import EventDelivery
from wireloom_memory.faults import Faults
from wireloom_memory.letters import MemoryDeadLetters
from wireloom_memory.schedule import Schedule

__all__ = ["Member", "Queue"]


class Lane:
    """Deliveries in order of arrival. In an ordered queue each lane has one owner at a time."""

    __slots__ = ("owner", "taken", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[EventDelivery] = deque()
        self.owner: Member | None = None
        self.taken = 0

    def insert(self, delivery: EventDelivery) -> None:
        """Put a delivery back where its event stood in the order of publishing."""
        sequence = delivery.entry.sequence
        for position, other in enumerate(self.waiting):
            if other.entry.sequence > sequence:
                self.waiting.insert(position, delivery)
                return
        self.waiting.append(delivery)


class Queue:
    """One subscription's own copy of every event that it listens to, its members competing.

    Deliveries are pushed to members while these have fewer than their intake's capacity in hand.
    """

    def __init__(
        self,
        subscription: Subscription,
        schedule: Schedule,
        faults: Faults,
        letters: MemoryDeadLetters,
    ) -> None:
        self.subscription = subscription
        self.members: list[Member] = []
        self.closed = False
        self.schedule: Final = schedule
        self.faults: Final = faults
        self.letters: Final = letters
        self._ordered = subscription.ordered
        count = subscription.shards if subscription.ordered else 1
        self._lanes = [Lane() for _ in range(count)]
        self._turn = 0

    @property
    def backlog(self) -> int:
        """Return how many deliveries wait, those in a member's hand not counted."""
        return len(self.waiting())

    @property
    def unsettled(self) -> int:
        """Return how many deliveries are in a member's hand."""
        return sum(lane.taken for lane in self._lanes)

    def join(self, member: "Member") -> None:
        """Let a member take part."""
        self.members.append(member)
        self.pump()

    def leave(self, member: "Member") -> None:
        """Give a member nothing more. What it has in hand stays there."""
        if member in self.members:
            self.members.remove(member)
            self.pump()

    def put(self, delivery: EventDelivery) -> None:
        """Add a delivery behind all others."""
        if self.closed:
            return
        index = delivery.lane = self._lane_of(delivery)
        lane = self._lanes[index]
        member = None if lane.waiting else self._taker(index)
        if member is None:
            lane.waiting.append(delivery)
        else:
            self._hand(lane, member, delivery)

    def put_again(self, delivery: EventDelivery) -> None:
        """Add a delivery of an event that was published a while ago behind all others."""
        delivery.age = self.schedule.now() - delivery.entry.published
        self.put(delivery)

    def refill(self, deliveries: Iterable[EventDelivery]) -> None:
        """Add deliveries where their events stood."""
        for delivery in deliveries:
            delivery.lane = self._lane_of(delivery)
            self._lanes[delivery.lane].insert(delivery)
        self.pump()

    def waiting(self) -> list[EventDelivery]:
        """Return the deliveries that wait."""
        return [delivery for lane in self._lanes for delivery in lane.waiting]

    def release(self, delivery: EventDelivery) -> None:
        """Count a delivery as no longer in anybody's hand."""
        self._lanes[delivery.lane].taken -= 1

    def pump(self) -> None:
        """Hand out what waits, lane by lane in turn, as long as somebody has room."""
        if not any(lane.waiting for lane in self._lanes):
            return
        idle = 0
        while idle < len(self._lanes):
            self._turn = (self._turn + 1) % len(self._lanes)
            idle = 0 if self._advance(self._turn) else idle + 1

    def _advance(self, index: int) -> bool:
        lane = self._lanes[index]
        while lane.waiting:
            member = self._taker(index)
            if member is None:
                return False
            delivery = lane.waiting.popleft()
            entry = delivery.entry
            now = self.schedule.now()
            if not entry.expired and entry.expires >= now:
                delivery.age = now - entry.published
                self._hand(lane, member, delivery)
                return True
        return False

    def _hand(self, lane: Lane, member: "Member", delivery: EventDelivery) -> None:
        lane.taken += 1
        delivery.pending = len(lane.waiting)
        member.take(delivery)

    def _lane_of(self, delivery: EventDelivery) -> int:
        if len(self._lanes) == 1:
            return 0
        return crc32((delivery.message.key or "").encode()) % len(self._lanes)

    def _taker(self, index: int) -> "Member | None":
        members = self.members
        if not members or self.faults.frozen:
            return None
        if self._ordered:
            return self._owner(index)
        for _ in members:
            member = members.pop(0)
            members.append(member)
            if member.free:
                return member
        return None

    def _owner(self, index: int) -> "Member | None":
        """Return the lane's owner, a new one only once the old one has nothing in hand."""
        lane = self._lanes[index]
        wanted = self.members[index % len(self.members)]
        if lane.owner is not wanted and lane.taken:
            return None
        lane.owner = wanted
        return wanted if wanted.free else None


class Member:
    """One instance's part in a queue."""

    def __init__(self, queue: Queue, intake: Intake) -> None:
        self._queue = queue
        self._intake = intake
        self._taken: dict[EventDelivery, None] = {}

    @property
    def free(self) -> bool:
        """Tell whether it may take another delivery."""
        return len(self._taken) < self._intake.capacity

    def take(self, delivery: EventDelivery) -> None:
        """Have a delivery in hand from now on."""
        delivery.holder = self
        self._taken[delivery] = None
        self._intake.put(delivery)

    def leave(self) -> None:
        """Take nothing more."""
        self._queue.leave(self)

    def abandon(self) -> None:
        """Take nothing more, and lose what is in hand to the others."""
        self._queue.leave(self)
        taken = [*self._taken]
        for delivery in taken:
            delivery.lost = True
            self._let_go(delivery)
        self._queue.refill(delivery.again(delivery.attempt) for delivery in taken)

    async def settle(self) -> None:
        """Pass planted faults; to be awaited before anything is settled."""
        if self._queue.faults.active:
            await self._queue.faults.answer()

    def done(self, delivery: EventDelivery) -> None:
        """Let go of it for good."""
        self._let_go(delivery)
        self._queue.pump()

    def later(self, delivery: EventDelivery, again: EventDelivery, delay: float) -> None:
        """Let go of it, and queue its successor after so many seconds."""
        self._let_go(delivery)
        if delay > 0:
            self._queue.schedule.after(delay, lambda: self._queue.put_again(again))
        else:
            self._queue.put_again(again)
        self._queue.pump()

    def back(self, delivery: EventDelivery, again: EventDelivery) -> None:
        """Let go of it, and queue its successor where it stood."""
        self._let_go(delivery)
        self._queue.refill([again])

    def bury(self, delivery: EventDelivery, facts: Mapping[str, str]) -> None:
        """Store it as a dead letter, and let go of it."""
        self._queue.faults.on_bury()
        self._queue.letters.add(self._queue.subscription.name, delivery.entry, facts)
        self.done(delivery)

    def _let_go(self, delivery: EventDelivery) -> None:
        delivery.holder = None
        del self._taken[delivery]
        self._queue.release(delivery)
