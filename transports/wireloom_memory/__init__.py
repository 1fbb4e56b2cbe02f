"""The transport inside one process: what tests run on, and a start without a broker."""

from wireloom_memory.broker import MemoryBroker
from wireloom_memory.context import MemoryContext
from wireloom_memory.options import MemoryOptions

__all__ = ["MemoryBroker", "MemoryContext", "MemoryOptions"]
