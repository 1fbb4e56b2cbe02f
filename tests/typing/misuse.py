"""What must be an error: an ignore that is not needed fails, in both type checkers. Never run."""

from pydantic import BaseModel

from wireloom import ClientProxy, Event, EventPattern, Rpc


class User(BaseModel):
    id: int


class Order(BaseModel):
    id: int


USER_CREATED = Event("user.created", User)
GET_USER = Rpc("users.get", request=int, response=User)


async def wrong_payloads(bus: ClientProxy, order: Order) -> None:
    await bus.emit(USER_CREATED, order)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await bus.emit(USER_CREATED, "text")  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await bus.emit_many(USER_CREATED, [order])  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await bus.send(GET_USER, "text")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await bus.send(GET_USER, order)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    bus.stream(GET_USER, "text")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    bus.send_as_observable(GET_USER, "text")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    bus.blocking.emit(USER_CREATED, order)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    bus.blocking.send(GET_USER, "text")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    bus.blocking.stream(GET_USER, "text")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def wrong_answers(bus: ClientProxy) -> None:
    order: Order = await bus.send(GET_USER, 1)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    number: int = await bus.send("x", response_type=User)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    async for one in bus.stream(GET_USER, 1):
        other: Order = one  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        del other
    async with bus.subscribe(USER_CREATED) as events:
        async for user, _ in events:
            third: Order = user  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
            del third
    del order, number


async def wrong_options(bus: ClientProxy) -> None:
    await bus.send(GET_USER, 1, patience=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await bus.emit("x", headers={"a": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    await bus.send(USER_CREATED, 1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await bus.emit(GET_USER, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    bus.subscribe(GET_USER)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    EventPattern("a", parallel=4)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    EventPattern("a", 5)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
