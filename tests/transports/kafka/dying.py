"""A process that takes one event and never settles it: `python -m ... url group address`."""

import asyncio
import sys

from tests.transports.kafka.harness import Collector, joined, subscription


async def main(url: str, group: str, address: str) -> None:
    party = await joined(url, group, session_timeout=6.0)
    intake = Collector()
    await party.transport.subscribe(subscription(f"{group}.h", address), intake)
    print("subscribed", flush=True)  # noqa: T201 - read by the test
    await intake.wait_for(1)
    await asyncio.sleep(0.5)  # a few commit intervals
    print("taken", flush=True)  # noqa: T201
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
