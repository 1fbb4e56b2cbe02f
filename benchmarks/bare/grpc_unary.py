"""grpc.aio: unary calls on one channel, a pydantic model validated on both sides, no protobuf.

What it pipelines: HTTP/2 carries the `in_flight` calls as concurrent streams of one connection.
Each is awaited by a task of its own on the client and handled by a task of its own on the server;
gRPC decides what shares a write.
"""

import grpc
import grpc.aio

from benchmarks.load import drive
from benchmarks.model import GET_USER, USER, GetUser, User, user

_SERVICE = "Users"
_METHOD = "Get"


async def _get(request: GetUser, _context: object) -> User:
    return user(request.id)


async def serve(port: int) -> None:
    """Answer until cancelled."""
    handler = grpc.unary_unary_rpc_method_handler(
        _get, request_deserializer=GET_USER.validate_json, response_serializer=USER.dump_json
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler})]
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


async def measure(port: int, in_flight: int, seconds: float) -> float:
    """Calls that were answered in a second."""
    request = GetUser(id=7)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{_SERVICE}/{_METHOD}",
            request_serializer=GET_USER.dump_json,
            response_deserializer=USER.validate_json,
        )
        return await drive(lambda: call(request), in_flight, seconds)
