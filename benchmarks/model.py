"""The one request every case makes: `users.get`, a small object in, a middling one out."""

from pydantic import BaseModel, TypeAdapter

PATTERN = "users.get"


class GetUser(BaseModel):
    """What is asked."""

    id: int


class User(BaseModel):
    """What is answered."""

    id: int
    name: str
    email: str
    active: bool
    tags: list[str]


GET_USER = TypeAdapter(GetUser)
USER = TypeAdapter(User)


def user(user_id: int) -> User:
    """The answer of every Python server."""
    return User(
        id=user_id, name="Ada Lovelace", email="ada@example.org", active=True, tags=["a", "b"]
    )
