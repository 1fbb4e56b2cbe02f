"""What one subscription reads, worked out before anything is connected."""

from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener

from wireloom.spi import Kind, Subscription
from wireloom_kafka.names import KafkaNames
from wireloom_kafka.options import KafkaHandlerOptions, KafkaOptions

__all__ = ["Interest", "interest_of"]


@dataclass(frozen=True, slots=True)
class Interest:
    """Topics, group and the subscription's own topics."""

    subscription: Subscription
    topics: tuple[str, ...]
    """Topics read, by name; empty if a pattern finds them."""
    regex: str | None
    """What topics of a wildcard pattern match, and those of `topics` beside them."""
    group: str | None
    """The consumer group; None if this process reads for itself."""
    delay: str | None
    """The subscription's own topic of what runs later; None if that waits in memory."""
    dead: str
    """The subscription's own topic of dead letters."""
    fresh: bool
    """Whether what was published while nobody was there is skipped."""
    isolation: str

    @property
    def kind(self) -> Kind:
        """Return what arrives."""
        return self.subscription.kind

    @property
    def own(self) -> tuple[str, ...]:
        """Return the topics to read by name, the delay topic included."""
        return (*self.topics, *((self.delay,) if self.delay else ()))

    def discovery(self, options: KafkaOptions) -> dict[str, int]:
        """Return how a consumer finds new topics; one that waits for none need not look often."""
        if self.regex is None:
            return {}
        return {"metadata_max_age_ms": round(options.metadata_max_age * 1000)}

    def subscribe(
        self, consumer: AIOKafkaConsumer, listener: ConsumerRebalanceListener | None
    ) -> None:
        """Tell a consumer what to read."""
        if self.regex is None:
            consumer.subscribe(self.own, listener=listener)
        else:
            consumer.subscribe(pattern=self.regex, listener=listener)


def interest_of(subscription: Subscription, names: KafkaNames) -> Interest:
    """Return what a subscription reads.

    :raises InvalidPatternError: if a name would be too long for Kafka.
    """
    native = native_options(subscription)
    loose = subscription.broadcast or subscription.ephemeral
    request = subscription.kind is Kind.REQUEST
    delay = None if loose or request else names.delay(subscription.name)
    topics = tuple(native.topics)
    regex = None
    if subscription.pattern.is_concrete:
        topics = (names.topic(subscription.kind, subscription.pattern.text), *topics)
    else:
        regex = _any_of(names.regex(subscription.pattern), *topics, *((delay,) if delay else ()))
    return Interest(
        subscription,
        topics,
        regex,
        None if loose else names.group(subscription.kind, subscription.name, subscription.pattern),
        delay,
        names.dead(subscription.name),
        request or not subscription.durable,
        "read_committed" if native.read_committed else "read_uncommitted",
    )


def native_options(subscription: Subscription) -> KafkaHandlerOptions:
    """Return the handler's own options for Kafka."""
    given = subscription.native
    return given if isinstance(given, KafkaHandlerOptions) else KafkaHandlerOptions()


def _any_of(regex: str, *names: str) -> str:
    literal = "".join(rf"|{_quoted(name)}\Z" for name in names)
    return f"(?:{regex}{literal})"


def _quoted(name: str) -> str:
    return name.replace(".", r"\.")
