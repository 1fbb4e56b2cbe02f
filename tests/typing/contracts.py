"""What contracts infer, in both type checkers. Never run."""

from typing import Any, assert_type

from pydantic import BaseModel

from wireloom import Event, Pattern, Rpc


class User(BaseModel):
    id: int


USER_CREATED = Event("user.created", User, key="id")
GET_USER = Rpc("users.get", request=int, response=User)
FIND_USER = Rpc("users.find", request=str, response=User | None)
ALL_USERS = Rpc("users.all", request=None, response=list[User])
ANSWER = Rpc("answer", response=int)
UNTYPED = Event("anything")
NUMBERED = Event(5, dict[str, int])
OBJECT = Rpc({"cmd": "sum"}, request=list[int], response=int)

assert_type(USER_CREATED, Event[User])
assert_type(GET_USER, Rpc[int, User])
assert_type(FIND_USER, Rpc[str, User | None])
assert_type(ALL_USERS, Rpc[None, list[User]])
assert_type(ANSWER, Rpc[Any, int])
assert_type(UNTYPED, Event[Any])
assert_type(NUMBERED, Event[dict[str, int]])
assert_type(OBJECT, Rpc[list[int], int])
assert_type(USER_CREATED.at(id=5), Event[User])
assert_type(GET_USER.at(id=5), Rpc[int, User])
assert_type(USER_CREATED.pattern, Pattern)

Event("user.created", User, key=lambda user: user.id)
