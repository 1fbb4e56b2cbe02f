"""What waiting costs in memory: idle connections, and deliveries that are queued.

    python -m benchmarks.memory_use

1. 10,000 events emitted to a handler that is blocked, on the memory transport: resident memory over
   their bodies.
2. A TCP node with 1,000 open idle connections of peers that have said hello: resident memory of the
   serving process for each.
"""

import asyncio
import gc
import subprocess
import sys
from pathlib import Path

from wireloom import Application, EventPattern
from wireloom_memory import MemoryOptions
from wireloom_tcp import TcpOptions

CONNECTIONS = 1_000
EVENTS = 10_000
BODY = "x" * 100


def resident(process: int | str = "self") -> int:
    """Return the bytes of a process that are in memory now."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS; this needs Linux")


@EventPattern("queued", concurrency=1)
async def handle(text: str) -> None:
    """Wait until the measurement is over."""
    assert text
    await asyncio.Event().wait()


async def idle_connections() -> float:
    """Return the bytes that one idle connection takes in the serving process."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVER, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
    )
    assert server.stdout is not None
    port = int((await server.stdout.readline()).split()[1])
    before = resident(server.pid)
    clients = [
        Application(
            f"client-{number}", clients={"node": TcpOptions(connect=(f"127.0.0.1:{port}",))}
        )
        for number in range(CONNECTIONS)
    ]
    for client in clients:
        await client.start()
    for client in clients:
        await client.client("node").emit("nobody.listens", BODY)  # it has said hello by then
    after = resident(server.pid)
    for client in clients:
        await client.stop()
    server.kill()
    await server.wait()
    return (after - before) / CONNECTIONS


async def queued_events() -> int:
    """Return the bytes that queued events take beyond their bodies."""
    app = Application(
        "queue",
        handlers=[handle],
        transports={"main": MemoryOptions(broker="memory-use")},
        grace=0.1,
    )
    async with app:
        client = app.client("main")
        await client.emit("queued", BODY)
        gc.collect()
        before = resident()
        for _ in range(EVENTS):
            await client.emit("queued", BODY)
        gc.collect()
        return resident() - before - EVENTS * (len(BODY) + 2)


_SERVER = """
import asyncio
from wireloom import Application
from wireloom_tcp import TcpOptions
from benchmarks.memory_use import CONNECTIONS, handle
async def main():
    options = TcpOptions(
        listen="127.0.0.1:0",
        max_connections=2 * CONNECTIONS,
        max_connections_per_ip=2 * CONNECTIONS,
    )
    app = Application("idle", handlers=[handle], transports={"main": options})
    async with app:
        print("ready", app.links["main"].transport.address.rpartition(":")[2], flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def main() -> None:
    """Measure and print."""
    print(f"{EVENTS} queued events: {await queued_events() / 2**20:.1f} MiB beyond their bodies")
    print(f"{CONNECTIONS} idle connections: {await idle_connections() / 1024:.1f} KiB each")


if __name__ == "__main__":
    asyncio.run(main())
