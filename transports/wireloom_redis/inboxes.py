"""Messages to the inbox of one instance, in order."""

from collections import OrderedDict
from functools import partial
from typing import Any

from wireloom.errors import PublishError
from wireloom.spi import Message, Receipt
from wireloom_redis import frame
from wireloom_redis.link import pack
from wireloom_redis.names import Names
from wireloom_redis.session import Session

__all__ = ["Inboxes"]

_REMEMBERED = 1000
_HANDED_OVER = Receipt("", "redis")


class Inboxes:
    """Sends without waiting for the server, which keeps the order; remembers who is gone."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names
        self._gone: OrderedDict[str, None] = OrderedDict()

    async def send(self, message: Message) -> Receipt:
        """Send to the inbox that is the message's address.

        :raises PublishError: if that is no inbox, or nobody listened to it last time.
        :raises ConnectionLostError: if the connection is down.
        """
        channel = self._names.inbox(message.address)
        if channel is None:
            raise PublishError(f"{message.address!r} is no inbox")
        if channel in self._gone:
            del self._gone[channel]
            raise PublishError(f"{message.address!r} is gone")
        link = self._session.link
        command = pack(("PUBLISH", channel, frame.encode(message)))
        link.send(command, partial(self._answered, channel))
        if link.is_full:
            await link.drained()
        return _HANDED_OVER

    def _answered(self, channel: str, heard: Any) -> None:
        if heard == 0:
            self._gone[channel] = None
            if len(self._gone) > _REMEMBERED:
                self._gone.popitem(last=False)
