"""What RabbitMQ cannot honour, refused before anything is connected."""

from wireloom.errors import UnsupportedOptionError
from wireloom.pattern import Pattern
from wireloom.spi import Kind, Subscription
from wireloom_rabbitmq.coverage import covers
from wireloom_rabbitmq.ladder import LONGEST
from wireloom_rabbitmq.layout import BUCKETS, native_options
from wireloom_rabbitmq.options import RabbitMqHandlerOptions, RabbitMqOptions

__all__ = ["check_subscription"]


def check_subscription(subscription: Subscription, options: RabbitMqOptions) -> None:
    """Refuse a subscription with an option that would be ignored.

    :raises UnsupportedOptionError: naming the option and the handler.
    """
    for option, reason in (
        _queues(subscription, options),
        _start(subscription, options),
        _time(subscription),
        _attempts(subscription, options),
        _native(subscription),
    ):
        if option and reason:
            raise UnsupportedOptionError(option, "rabbitmq", reason, where=subscription.where)


def _queues(subscription: Subscription, options: RabbitMqOptions) -> tuple[str, str]:
    own = subscription.broadcast or subscription.ephemeral
    if own and not options.declare:
        return "broadcast", "every instance makes a queue of its own, and declare=False forbids it"
    return ("shards", _why_not_shards(subscription)) if subscription.shards > 1 else ("", "")


def _why_not_shards(subscription: Subscription) -> str:
    if subscription.broadcast or subscription.ephemeral:
        return "every instance has the whole of it already"
    if not subscription.ordered:
        return "without ordered= a queue has any number of consumers as it is"
    if not subscription.durable:
        return "a queue that is not durable is not divided"
    too_many = subscription.shards > BUCKETS
    return f"keys are spread over {BUCKETS} parts at most" if too_many else ""


def _start(subscription: Subscription, options: RabbitMqOptions) -> tuple[str, str]:
    if subscription.start_from == "new":
        return "", ""
    if not options.declare:
        return "start_from", "history is copied into a queue that is made, and declare=False"
    if not any(covers(Pattern(text), subscription.pattern) for text in options.streams):
        return "start_from", "queues hold no history; keep it by RabbitMqOptions(streams=[...])"
    return "", ""


def _time(subscription: Subscription) -> tuple[str, str]:
    if subscription.longest_delay > LONGEST:
        return "retry", f"the longest delay is {LONGEST:.0f} s"
    return "", ""


def _attempts(subscription: Subscription, options: RabbitMqOptions) -> tuple[str, str]:
    if subscription.kind is Kind.EVENT and subscription.attempts + 10 > options.delivery_limit:
        return "retry", f"its attempts + 10 are over delivery_limit={options.delivery_limit}"
    return "", ""


def _native(subscription: Subscription) -> tuple[str, str]:
    if not isinstance(subscription.native, RabbitMqHandlerOptions):
        return "", ""
    native = native_options(subscription)
    queue = native.queue_type or native.queue_arguments or native.max_priority
    if not queue:
        return "", ""
    if subscription.kind is Kind.REQUEST:
        return "native", "the queue of a request pattern is the same for all who serve it"
    if subscription.broadcast or subscription.ephemeral or not subscription.durable:
        return "native", "a queue that is not durable is classic, without further arguments"
    return "", ""
