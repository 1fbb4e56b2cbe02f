"""Brokers for a developer's shell.

    python -m tests.brokers ensure [name...]   install what native brokers need
    python -m tests.brokers start [name...]    print the URLs and run until interrupted

Without names, all four.
"""

import argparse
import contextlib
import signal
import sys
from collections.abc import Sequence

from tests.brokers.broker import BrokerError
from tests.brokers.choice import NAMES, choose, ensure, variable


def main() -> int:
    """Run one command; 1 when a broker is missing or does not start."""
    parser = argparse.ArgumentParser(prog="python -m tests.brokers", description=__doc__)
    parser.add_argument("command", choices=("ensure", "start"))
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.names) - set(NAMES))
    if unknown:
        parser.error(f"no broker is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    names = chosen.names or NAMES
    try:
        ensure(names)
        if chosen.command == "start":
            _serve(names)
    except BrokerError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _serve(names: Sequence[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack:
        for name in names:
            broker = stack.enter_context(choose(name))
            print(f"export {variable(name)}={broker.url}", flush=True)  # noqa: T201
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
