"""The application that the tests of the command line run."""

import os
from collections.abc import AsyncIterator
from typing import Annotated

from wireloom import (
    Application,
    Controller,
    Ctx,
    Event,
    EventPattern,
    Header,
    MessagePattern,
    Rpc,
    RpcError,
    from_env,
)
from wireloom.spi import Context

DOUBLE = Rpc("numbers.double", request=int, response=int)
SEEN = Event("numbers.seen", int, key=None)


@Controller()
class Numbers:
    def __init__(self) -> None:
        self._seen: list[dict[str, object]] = []

    @MessagePattern(DOUBLE)
    async def double(self, number: int) -> int:
        if number < 0:
            raise RpcError("no number below 0", code="OUT_OF_RANGE", details={"number": number})
        return number * 2

    @MessagePattern({"cmd": "pid"})
    async def pid(self) -> int:
        return os.getpid()

    @MessagePattern("numbers.tenant")
    async def tenant(self, tenant: Annotated[str, Header("tenant")]) -> str:
        return tenant

    @MessagePattern("numbers.upto")
    async def upto(self, number: int) -> AsyncIterator[int]:
        for each in range(number):
            yield each

    @EventPattern(SEEN)
    async def seen(self, number: int, ctx: Annotated[Context, Ctx()]) -> None:
        self._seen.append({"number": number, "id": ctx.message_id, "key": ctx.key})

    @MessagePattern("numbers.all")
    async def all(self) -> list[dict[str, object]]:
        return self._seen


MAIN = from_env("MAIN_URL", default="memory://")
app = Application("numbers", controllers=[Numbers], transports={"main": MAIN})


def make() -> Application:
    return Application("made", controllers=[Numbers], transports={"main": MAIN})
