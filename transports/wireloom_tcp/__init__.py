"""Wireloom over TCP, without a broker: every application is a node that others connect to."""

from wireloom_tcp.context import TcpContext
from wireloom_tcp.options import TcpOptions

__all__ = ["TcpContext", "TcpOptions"]
