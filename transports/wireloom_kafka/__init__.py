"""Events and requests over Apache Kafka."""

from wireloom_kafka.context import KafkaContext
from wireloom_kafka.options import KafkaHandlerOptions, KafkaOptions

__all__ = ["KafkaContext", "KafkaHandlerOptions", "KafkaOptions"]
