"""Names on the broker: exchanges, queues, routing keys."""

from functools import lru_cache
from string import ascii_letters, digits
from typing import Final

from wireloom.errors import ConfigurationError
from wireloom.pattern import Pattern
from wireloom.spi import Kind, Naming, Subscription

__all__ = ["MAX_NAME", "Names"]

LEGAL_IN_KEYS: Final = frozenset(chr(code) for code in range(0x21, 0x7F)) - frozenset("#*%")
"""Of events' routing keys: printable ASCII, as others would write it, but for what means something
in bindings, and the escape `%`."""
LEGAL: Final = frozenset(ascii_letters + digits + "-_.:@,")
"""Of queues and exchanges: what the driver lets through. `+` is the escape, `/` ours."""
MAX_NAME: Final = 200
"""Bytes. AMQP takes 255, of which the delay ladder needs some in a routing key."""
MAX_EXCHANGE: Final = 127
"""Bytes that the driver takes for an exchange."""


class Names:
    """What everything of one namespace is called. Two addresses never share a name.

    `queue` stands in for the group in the names of its handlers' queues.
    """

    def __init__(self, namespace: str, exchange: str, *, group: str = "", queue: str = "") -> None:
        self._replaced, self._stand_in = (f"{group}.", f"{queue}.") if queue else ("", "")
        self._keys = Naming(namespace, LEGAL_IN_KEYS)
        self._naming = Naming(namespace, LEGAL, escape="+")
        prefix = f"{namespace}." if namespace else ""
        self._prefix = prefix
        self.events = exchange if exchange.startswith("amq.") else f"{prefix}{exchange}"
        self.requests = f"{prefix}rpc"
        self.wild_requests = f"{prefix}rpc.wild"
        self.due = f"{prefix}delay.due"
        self.lost = f"{prefix}delay.lost"
        self.key = lru_cache(maxsize=10_000)(self._key)
        self.address = lru_cache(maxsize=10_000)(self._address)

    def _key(self, kind: Kind, address: str) -> str:
        """Return the routing key of an event's or request's concrete address.

        :raises ConfigurationError: if AMQP could not carry it.
        """
        return _bounded(self._of(kind).name(kind, address))

    def _address(self, kind: Kind, key: str) -> str:
        """Return the address of a routing key, which anybody may have written."""
        try:
            return self._of(kind).address(kind, key)
        except ValueError:  # not one of our escapes
            return key

    def binding(self, kind: Kind, pattern: Pattern) -> str:
        """Return the binding key for what a pattern stands for."""
        if pattern.is_concrete:
            return self.key(kind, pattern.text)
        head = "rpc." if kind is Kind.REQUEST else ""
        tokens = [self._binding_token(kind, token) for token in pattern.tokens]
        return _bounded(f"{self._prefix}{head}{'.'.join(tokens)}")

    def queue(self, subscription: Subscription) -> str:
        """Return the queue of a group's handler."""
        if subscription.kind is Kind.REQUEST:
            return _bounded(self._naming.name(Kind.REQUEST, subscription.pattern.filter))
        return self.queue_of(subscription.name)

    def queue_of(self, subscription: str) -> str:
        """Return the event queue of a subscription's name."""
        name = self._naming.name(Kind.EVENT, self._renamed(subscription))
        return _bounded(f"+61{name[1:]}" if name.startswith("amq.") else name)

    def spread(self, queue: str) -> str:
        """Return the exchange that spreads keys over the shards of a queue."""
        return _bounded(f"{queue}/shards", MAX_EXCHANGE)

    def rest(self, queue: str, shards: int) -> str:
        """Return the exchange for what has no key. It names how many shards there are, so that a
        change of that is noticed.
        """
        return _bounded(f"{queue}/rest.{shards}", MAX_EXCHANGE)

    def beside(self, queue: str, role: str) -> str:
        """Return a queue that serves another, such as the one for what the broker gives up."""
        return _bounded(f"{queue}/{role}")

    def shard(self, queue: str, shard: int) -> str:
        """Return one of the sub-queues of an ordered subscription."""
        return _bounded(f"{queue}/{shard}")

    def own_copy(self, queue: str, instance: str) -> str:
        """Return the queue of one instance of a broadcast or ephemeral subscription."""
        return _bounded(f"{queue}/{instance}")

    def dead(self, subscription: str) -> str:
        """Return the queue of a subscription's dead letters."""
        return _bounded(self._naming.own("dead", self._renamed(subscription)))

    def registry(self, group: str) -> str:
        """Return the queue that holds the names of an application's queues."""
        return _bounded(f"{self._prefix}handlers/{self._naming.escaped(group)}")

    def stream(self, pattern: Pattern) -> str:
        """Return the stream that keeps what a pattern stands for."""
        return _bounded(f"{self._prefix}stream/{self._naming.escaped(pattern.filter, keep='.')}")

    def is_ladder(self, exchange: str) -> bool:
        """Tell whether what came through this exchange had been delayed."""
        return exchange.startswith(f"{self._prefix}delay.")

    def rung(self, number: int) -> str:
        """Return the queue and exchange of one rung of the delay ladder."""
        return f"{self._prefix}delay.{number}"

    def _binding_token(self, kind: Kind, token: str) -> str:
        if token == ">":
            return "*.#"
        return token if token == "*" else self._of(kind).escaped(token)

    def _renamed(self, subscription: str) -> str:
        if self._replaced and subscription.startswith(self._replaced):
            return self._stand_in + subscription.removeprefix(self._replaced)
        return subscription

    def _of(self, kind: Kind) -> Naming:
        # A request's key is also the name of its queue.
        return self._naming if kind is Kind.REQUEST else self._keys


def _bounded(name: str, most: int = MAX_NAME) -> str:
    if len(name) > most:
        raise ConfigurationError(
            f"{name[:60]!r}… is {len(name)} bytes long on RabbitMQ; at most {most} fit"
        )
    return name
