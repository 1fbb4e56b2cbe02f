"""The interface between the core and transports. A transport imports this, `wireloom.pattern`,
`wireloom.errors`, and its own driver.
"""

from wireloom.spi.backoff import FullJitter
from wireloom.spi.capabilities import Capabilities
from wireloom.spi.clock import Clock, SystemClock, Timer
from wireloom.spi.context import Context, Origin, current_context
from wireloom.spi.dead_letters import DeadLetter, DeadLetters
from wireloom.spi.delivery import Delivery, Intake
from wireloom.spi.message import Kind, Message, Receipt
from wireloom.spi.names import Naming
from wireloom.spi.options import MAX_PAYLOAD, HandlerOptions, TransportOptions, redact_url
from wireloom.spi.subscription import Declaration, Limits, StartFrom, Subscription
from wireloom.spi.topology import Action, Change
from wireloom.spi.transport import Environment, Receive, Status, Subscriber, Transport

__all__ = [
    "MAX_PAYLOAD",
    "Action",
    "Capabilities",
    "Change",
    "Clock",
    "Context",
    "DeadLetter",
    "DeadLetters",
    "Declaration",
    "Delivery",
    "Environment",
    "FullJitter",
    "HandlerOptions",
    "Intake",
    "Kind",
    "Limits",
    "Message",
    "Naming",
    "Origin",
    "Receipt",
    "Receive",
    "StartFrom",
    "Status",
    "Subscriber",
    "Subscription",
    "SystemClock",
    "Timer",
    "Transport",
    "TransportOptions",
    "current_context",
    "redact_url",
]
