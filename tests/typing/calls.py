"""What calls infer, in both type checkers. Never run."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

import reactivex
from pydantic import BaseModel

from wireloom import ClientProxy, Context, Event, EventStream, Receipt, Rpc, Stream


class User(BaseModel):
    id: int


USER_CREATED = Event("user.created", User, key="id")
GET_USER = Rpc("users.get", request=int, response=User)
FIND_USER = Rpc("users.find", request=str, response=User | None)
NOTHING = Rpc("users.drop", request=int, response=None)


async def sends(bus: ClientProxy) -> None:
    assert_type(await bus.send(GET_USER, 1), User)
    assert_type(await bus.send(FIND_USER, "x", timeout=2), User | None)
    assert_type(await bus.send(NOTHING, 1), None)
    assert_type(await bus.send("users.get", 1, response_type=User), User)
    assert_type(await bus.send("users.find", 1, response_type=User | None), User | None)
    assert_type(await bus.send("users.all", response_type=list[User]), list[User])
    assert_type(await bus.send("users.map", response_type=dict[str, User]), dict[str, User])
    assert_type(await bus.send({"cmd": "sum"}, [1, 2], response_type=int), int)
    assert_type(await bus.send("users.get", 1, headers={"a": "b"}), Any)


async def emits(bus: ClientProxy, user: User) -> None:
    assert_type(await bus.emit(USER_CREATED, user, uid="u", delay=3), Receipt)
    assert_type(await bus.emit("anything", {"a": 1}), Receipt)
    assert_type(await bus.emit("nothing"), Receipt)
    assert_type(
        await bus.emit_many(USER_CREATED, [user], uid=lambda one: str(one.id)), list[Receipt]
    )


async def streams(bus: ClientProxy) -> None:
    assert_type(bus.stream(GET_USER, 1), Stream[User])
    assert_type(bus.stream("users", response_type=User), Stream[User])
    assert_type(bus.stream("users", response_type=User | None), Stream[User | None])
    assert_type(bus.stream("users"), Stream[Any])
    async for user in bus.stream(GET_USER, 1):
        assert_type(user, User)
    async with bus.stream("users", response_type=list[int]) as items:
        assert_type(aiter(items), AsyncIterator[list[int]])
        async for item in items:
            assert_type(item, list[int])


async def subscriptions(bus: ClientProxy) -> None:
    assert_type(bus.subscribe(USER_CREATED), EventStream[User])
    async with bus.subscribe(USER_CREATED) as events:
        async for user, ctx in events:
            assert_type(user, User)
            assert_type(ctx, Context)
    async with bus.subscribe("user.*", payload_type=User | None) as some:
        async for payload, _ in some:
            assert_type(payload, User | None)


async def observables(bus: ClientProxy) -> None:
    bus.send_as_observable(GET_USER, 1).subscribe(on_next=takes_user, on_error=takes_error)
    assert_type(await bus.send_as_observable(GET_USER, 1), reactivex.Observable[User])
    assert_type(
        await bus.send_as_observable("users.get", 1, response_type=User | None),
        reactivex.Observable[User | None],
    )


def takes_user(user: User) -> None: ...


def takes_error(error: Exception) -> None: ...


def blocking(bus: ClientProxy, user: User) -> None:
    assert_type(bus.blocking.send(GET_USER, 1), User)
    assert_type(bus.blocking.send("users.get", 1, response_type=User | None), User | None)
    assert_type(bus.blocking.send("users.get", 1), Any)
    assert_type(bus.blocking.emit(USER_CREATED, user), Receipt)
    assert_type(bus.blocking.stream(GET_USER, 1), Iterator[User])
    assert_type(bus.blocking.stream("users", response_type=User), Iterator[User])
