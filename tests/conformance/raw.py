"""Publishing without the core: bytes that no codec made, and none of our headers."""

from collections.abc import Sequence

from wireloom.spi import Environment, Kind, Message, SystemClock, Transport, TransportOptions


async def publish_raw(
    transport_type: type[Transport],
    options: TransportOptions,
    address: str,
    body: bytes,
    headers: Sequence[tuple[str, str]] = (),
) -> None:
    environment = Environment(
        group="foreign",
        instance="foreign",
        token="foreign",
        serves=False,
        clock=SystemClock(),
        report=lambda status, error: None,
    )
    transport = transport_type(options, environment)
    await transport.connect()
    try:
        await transport.publish(Message(Kind.EVENT, address, body, dict(headers), ""))
    finally:
        await transport.close()
