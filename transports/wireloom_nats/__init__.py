"""NATS: events on JetStream, requests on core NATS."""

from wireloom_nats.context import NatsContext
from wireloom_nats.options import NatsHandlerOptions, NatsOptions

__all__ = ["NatsContext", "NatsHandlerOptions", "NatsOptions"]
