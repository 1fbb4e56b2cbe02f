"""RabbitMQ: events through a topic exchange into a durable queue for each handler, requests
through queues that live as long as somebody serves them.
"""

from wireloom_rabbitmq.context import RabbitMqContext
from wireloom_rabbitmq.options import RabbitMqHandlerOptions, RabbitMqOptions

__all__ = ["RabbitMqContext", "RabbitMqHandlerOptions", "RabbitMqOptions"]
