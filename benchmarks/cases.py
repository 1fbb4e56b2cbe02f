"""What is measured, in the order of the table.

A Python case is a module with two coroutines, run by uvloop in two processes:

    async def serve(port: int) -> None                                        # until cancelled
    async def measure(port: int, in_flight: int, seconds: float) -> float     # requests per second

`measure` is called once for the warm-up and once for each count in flight, and connects anew each
time. The request is that of `benchmarks.model`. Its docstring says what it pipelines.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_NESTJS = Path(__file__).with_name("nestjs")
_INSTALL_TIMEOUT = 300.0  # seconds

Command = tuple[str, ...]


def _nothing() -> None:
    """Most cases need no preparation."""


@dataclass(frozen=True)
class Case:
    """One row of the table: a server and a client, each a process."""

    name: str
    """Its name in the table, in the samples and on the command line."""

    serve: Command
    """The server; the port is added."""

    measure: Command
    """The client; the port, the warm-up's and a measurement's seconds and the counts in flight
    are added. It prints a JSON object of requests per second by count in flight."""

    prepare: Callable[[], None] = _nothing
    """Installs what is missing, or raises `RuntimeError` with what to do."""


def python(name: str, module: str) -> Case:
    """A case with both sides in one Python module."""
    worker = (sys.executable, "-m", "benchmarks.worker")
    return Case(name, (*worker, "serve", module), (*worker, "measure", module))


def _install_nestjs() -> None:
    if (_NESTJS / "node_modules" / "@nestjs" / "microservices").exists():
        return
    if shutil.which("npm") is None:
        raise RuntimeError("NestJS needs node 20 or newer and npm; install them, or name the cases")
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=_NESTJS, check=True, timeout=_INSTALL_TIMEOUT)


BARE_TCP = python("bare tcp", "benchmarks.bare.tcp")
CEILING_TCP = python("tcp ceiling", "benchmarks.bare.tcp_ceiling")
GRPC = python("grpc.aio", "benchmarks.bare.grpc_unary")
NESTJS_TCP = Case(
    "nestjs tcp",
    ("node", str(_NESTJS / "server.js")),
    ("node", str(_NESTJS / "client.js")),
    _install_nestjs,
)

WIRELOOM_TCP = python("wireloom tcp", "benchmarks.wireloom_tcp")

REQUESTS = (WIRELOOM_TCP, CEILING_TCP, BARE_TCP, NESTJS_TCP, GRPC)
"""Requests over TCP."""

BASELINES = (BARE_TCP, NESTJS_TCP)
"""What the ratios of the table are taken to."""
