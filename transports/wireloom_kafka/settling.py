"""How deliveries of one subscription end."""

from collections.abc import Callable, Mapping

from wireloom.errors import PublishError, TransportError
from wireloom.spi import Message
from wireloom_kafka.committer import Committer
from wireloom_kafka.delivery import KafkaDelivery
from wireloom_kafka.interest import Interest
from wireloom_kafka.letters import dead_record
from wireloom_kafka.link import Link
from wireloom_kafka.parking import Parking
from wireloom_kafka.putoff import put_off
from wireloom_kafka.topics import MAX_DELAY

__all__ = ["Settling"]


class Settling:
    """Settles what a reader handed over."""

    def __init__(
        self,
        link: Link,
        interest: Interest,
        parking: Parking,
        committer: Callable[[], Committer | None],
    ) -> None:
        self._link = link
        self._interest = interest
        self._parking = parking
        self._committer = committer
        self._sure = interest.subscription.ack_first
        self.stopped = False
        """Nothing is handed over any more: what is given back waits for the next owner."""

    async def ack(self, delivery: KafkaDelivery) -> None:
        """Mark it as done. What is settled before it runs is committed before this returns.

        :raises TransportError: if that failed.
        """
        self._finish(delivery)
        committer = self._committer()
        if self._sure and committer is not None:
            await committer.flush()

    async def retry(self, delivery: KafkaDelivery, delay: float, attempt: int) -> None:
        """Put it off: in the subscription's delay topic, or in memory where there is none.

        :raises TransportError: if it was not written.
        """
        if self._interest.delay is None:
            self._keep(delivery, delay, attempt)
            return
        if delay > MAX_DELAY:
            raise PublishError(f"a delay of {delay:g} s is over {MAX_DELAY:g} s")
        record = put_off(delivery.source, self._interest.delay, delay, attempt)
        await self._link.publish(record)
        self._finish(delivery)

    async def dead_letter(self, delivery: KafkaDelivery, facts: Mapping[str, str]) -> None:
        """Write it to the dead letters.

        :raises TransportError: if it was not written.
        """
        record = dead_record(delivery.source, self._interest.dead, facts)
        await self._link.ensure_ready(self._link.plan.dead(self._interest.subscription.name))
        await self._link.publish(record)
        self._finish(delivery)

    async def give_back(self, delivery: KafkaDelivery) -> None:
        """Hand it over again, or leave it to the partition's next owner."""
        if delivery.share is not None:
            delivery.share.release(delivery)
        if not delivery.lost and not self.stopped:
            self._parking.put(delivery, self._link.environment.clock.monotonic())

    async def reply(self, message: Message) -> None:
        """Send a message to an inbox.

        :raises TransportError: if it was not taken.
        """
        await self._link.publish(await self._link.outgoing(message))

    async def forward(self, late: list[KafkaDelivery]) -> None:
        """Move events that are due much later to the delay topic, where they block no commit;
        those that cannot be written now wait in memory.
        """
        clock = self._link.environment.clock
        topic = self._interest.delay or ""
        waits = [max(0.0, delivery.source.due - clock.now()) for delivery in late]
        records = [
            put_off(delivery.source, topic, wait, delivery.attempt)
            for delivery, wait in zip(late, waits, strict=True)
        ]
        outcomes = await self._link.publisher.send_many(records)
        for delivery, wait, outcome in zip(late, waits, outcomes, strict=True):
            if isinstance(outcome, TransportError):
                self._parking.put(delivery, clock.monotonic() + wait)
            else:
                self._finish(delivery)

    def _keep(self, delivery: KafkaDelivery, delay: float, attempt: int) -> None:
        clock = self._link.environment.clock
        source = delivery.source
        source.attempt = attempt
        again = KafkaDelivery(source, self, delivery.group, None, delivery.offset)
        again.age = delivery.age + delay
        self._parking.put(again, clock.monotonic() + delay)
        self._finish(delivery)

    def _finish(self, delivery: KafkaDelivery) -> None:
        if delivery.share is None:
            return
        delivery.share.finish(delivery, delivery.offset)
        committer = self._committer()
        if committer is not None:
            committer.touch()
