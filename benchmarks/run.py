"""Every case beside every other: python -m benchmarks.run [case...] [--rounds N] [--seconds S].

One run takes the cases in turn, several rounds, so that a machine that gets slower gets slower for
all. A round starts a case's server and its client as two processes, warms both up, and measures at
1, 16 and 128 requests in flight. Printed are medians with the lowest and highest sample, and ratios
of medians; the raw samples are kept in `benchmarks/samples/`.
"""

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from benchmarks.cases import BASELINES, REQUESTS, Case
from benchmarks.report import Samples, table
from tests.brokers.native.ports import free_port
from tests.brokers.native.process import Process

IN_FLIGHT = (1, 16, 128)
_ROOT = Path(__file__).parents[1]
_SAMPLES = Path(__file__).with_name("samples") / "requests.json"
_WARM_UP = 1.0  # seconds; V8 needs most of them
_START_TIMEOUT = 30.0  # seconds
_STOP_TIMEOUT = 3.0  # seconds, then the server is killed
_SLACK = 30.0  # seconds a client may take beside its measurements
_VERSIONS = ("uvloop", "pydantic", "grpcio")


def main() -> int:
    """Measure, print and keep the samples."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="case", help=", ".join(_names(REQUESTS)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.cases) - set(_names(REQUESTS)))
    if unknown:
        parser.error(f"no case is called {', '.join(unknown)}")
    cases = [case for case in REQUESTS if not chosen.cases or case.name in chosen.cases]
    for case in cases:
        case.prepare()
    samples = measure_all(cases, chosen.rounds, chosen.seconds)
    print(table(samples, IN_FLIGHT, _names(BASELINES)))
    if not chosen.cases:
        _keep(samples, chosen.seconds)
    return 0


def measure_all(cases: Sequence[Case], rounds: int, seconds: float) -> Samples:
    """Requests per second by case and count in flight, one sample for each round."""
    samples: Samples = {case.name: {count: [] for count in IN_FLIGHT} for case in cases}
    for turn in range(rounds):
        first = turn % len(cases)
        for case in (*cases[first:], *cases[:first]):
            for count, rate in measure(case, seconds).items():
                samples[case.name][count].append(rate)
    return samples


def measure(case: Case, seconds: float) -> dict[int, float]:
    """One round of one case.

    Raises:
        RuntimeError: the server did not start or the client failed.
    """
    port = free_port()
    plan = [port, _WARM_UP, seconds, *IN_FLIGHT]
    with _serving(case, port) as environment:
        done = subprocess.run(
            [*case.measure, *map(str, plan)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_WARM_UP + seconds * len(IN_FLIGHT) + _SLACK,
        )
    if done.returncode:
        raise RuntimeError(f"the client of {case.name} failed:\n{done.stderr}")
    return {int(count): rate for count, rate in json.loads(done.stdout).items()}


@contextmanager
def _serving(case: Case, port: int) -> Iterator[dict[str, str]]:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    with tempfile.TemporaryDirectory() as directory:
        command = [*case.serve, str(port)]
        log = Path(directory) / "server.log"
        server = Process(command, env=environment, directory=Path(directory), log=log)
        try:
            _wait_until_listening(case, server, port)
            yield environment
        finally:
            server.stop(_STOP_TIMEOUT)


def _wait_until_listening(case: Case, server: Process, port: int) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while server.running and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the server of {case.name} did not start:\n{server.tail()}")


def _names(cases: Sequence[Case]) -> list[str]:
    return [case.name for case in cases]


def _keep(samples: Samples, seconds: float) -> None:
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    versions = {"python": platform.python_version(), "node": node.stdout.strip()}
    record = {
        "unit": "requests per second, by case and requests in flight",
        "seconds": seconds,
        "cores": os.cpu_count(),
        "versions": versions | {name: version(name) for name in _VERSIONS},
        "samples": {
            case: {count: [round(rate) for rate in rates] for count, rates in by_count.items()}
            for case, by_count in samples.items()
        },
    }
    _SAMPLES.parent.mkdir(exist_ok=True)
    _SAMPLES.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
