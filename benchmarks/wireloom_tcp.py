"""Wireloom over TCP: a controller's handler, pydantic on both sides, nothing switched off.

What it pipelines: `in_flight` tasks share one client. Requests and replies of one turn of the loop
go out in one write each. Every request has its deadline, its pending entry and its own context.
"""

import asyncio

from benchmarks.load import drive
from benchmarks.model import PATTERN, GetUser, User, user
from wireloom import Application, Controller, MessagePattern, Rpc
from wireloom_tcp import TcpOptions

__all__ = ["measure", "serve"]

GET_USER = Rpc(PATTERN, request=GetUser, response=User)


@Controller()
class Users:
    """Answers the benchmark's one request."""

    @MessagePattern(GET_USER)
    async def get(self, request: GetUser) -> User:
        """Return the user."""
        return user(request.id)


async def serve(port: int) -> None:
    """Serve until cancelled."""
    app = Application(
        "users", controllers=[Users], transports={"main": TcpOptions(listen=f"127.0.0.1:{port}")}
    )
    async with app:
        await asyncio.Event().wait()


async def measure(port: int, in_flight: int, seconds: float) -> float:
    """Return the requests that were answered in a second."""
    app = Application("client", clients={"users": TcpOptions(connect=(f"127.0.0.1:{port}",))})
    async with app:
        client = app.client("users")
        request = GetUser(id=1)
        await client.send(GET_USER, request)
        return await drive(lambda: client.send(GET_USER, request), in_flight, seconds)
