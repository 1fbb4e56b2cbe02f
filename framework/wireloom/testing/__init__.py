"""What tests of applications and of transports are made of."""

from wireloom.testing.app import TestApp
from wireloom.testing.clock import ManualClock
from wireloom.testing.faults import (
    Blackhole,
    Delay,
    Direction,
    DropReply,
    Fault,
    HalfClose,
    Hold,
    Pass,
    Rate,
    Refuse,
    ResetAfter,
    TruncateAfter,
)
from wireloom.testing.loop import idle
from wireloom.testing.proxy import ChaosProxy
from wireloom.testing.standin import Emitted

__all__ = [
    "Blackhole",
    "ChaosProxy",
    "Delay",
    "Direction",
    "DropReply",
    "Emitted",
    "Fault",
    "HalfClose",
    "Hold",
    "ManualClock",
    "Pass",
    "Rate",
    "Refuse",
    "ResetAfter",
    "TestApp",
    "TruncateAfter",
    "idle",
]
