"""The memory transport passes the suite."""

from tests.conformance.memory_site import MemorySite
from wireloom.testing.conformance import TransportConformance
from wireloom_memory.transport import MemoryTransport


class TestMemory(TransportConformance):
    transport = MemoryTransport
    site_type = MemorySite
