"""Scenarios 44 and 53: what is refused before anything is sent."""

from importlib.metadata import EntryPoint

import pytest
from pydantic import BaseModel

from wireloom import (
    Application,
    Event,
    EventPattern,
    InvalidPayloadError,
    MissingDriverError,
    Rpc,
    discovery,
)
from wireloom.testing.conformance import Cluster, Record
from wireloom_memory import MemoryOptions


class User(BaseModel):
    id: int


USER_CREATED = Event("user.created", User)
GET_USER = Rpc("users.get", request=int, response=User)


async def test_44_a_payload_of_the_wrong_type_is_refused_at_the_producer(cluster: Cluster) -> None:
    seen = Record[User]()

    @EventPattern(USER_CREATED)
    async def handle(user: User) -> None:
        seen.add(user)

    await cluster.start(handle)
    client = await cluster.client()
    with pytest.raises(InvalidPayloadError):
        await client.emit(USER_CREATED, {"id": "not a number"})  # type: ignore[arg-type]
    with pytest.raises(InvalidPayloadError):
        await client.send(GET_USER, "not a number")  # type: ignore[arg-type]
    await client.emit(USER_CREATED, User(id=1))
    await seen.reach(1)
    assert [*await seen.stays(1)] == [User(id=1)]


@pytest.fixture
def ghost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that is installed, and whose driver is not."""
    entry = EntryPoint("ghost", "wireloom_ghost_without_driver:Ghost [ghost]", discovery.GROUP)
    known = discovery.installed_transports()
    monkeypatch.setattr(discovery, "installed_transports", lambda: {**known, "ghost": entry})


async def test_53_a_missing_driver_names_the_extra_and_concerns_that_transport_only(
    ghost: None,
) -> None:
    with pytest.raises(MissingDriverError, match=r'pip install "wireloom\[ghost\]"'):
        Application("x", transports={"bus": "ghost://127.0.0.1"})
    async with Application("x", transports={"bus": MemoryOptions("no-ghost")}) as app:
        assert app.ready
