"""Events that are not stored: whoever listens now gets a copy."""

from wireloom.pattern import Pattern
from wireloom.spi import Intake, Kind, Subscriber
from wireloom_redis import frame
from wireloom_redis.copies import Copies, CopyDelivery
from wireloom_redis.hub import Group, Hub

__all__ = ["SignalSubscriber"]


class SignalSubscriber(Subscriber):
    """Listens to the channels of one pattern."""

    def __init__(self, hub: Hub, group: Group, pattern: Pattern, intake: Intake) -> None:
        self._hub = hub
        self._pattern = pattern
        self._intake = intake
        self._copies = Copies(hub, group)
        self._copies.open(intake.put)
        self._glob = not pattern.is_concrete
        names = hub.names
        self._channel = names.glob(pattern) if self._glob else names.stream(pattern.text)

    async def start(self) -> None:
        """Listen; live at the server on return."""
        await self._hub.channels.add(self._hub.session, self._channel, self._heard, glob=self._glob)

    async def stop(self) -> None:
        """Listen no more."""
        self._copies.close()
        await self._hub.channels.remove(
            self._hub.session, self._channel, self._heard, glob=self._glob
        )

    def _heard(self, channel: bytes, data: bytes) -> None:
        address = self._pattern.text
        if self._glob:
            found = self._hub.names.address(channel.decode("utf-8", "replace"))
            if found is None or not self._pattern.matches(found):
                return
            address = found
        message, _ = frame.decode(Kind.EVENT, address, data)
        self._intake.put(CopyDelivery(message, self._copies, None))
