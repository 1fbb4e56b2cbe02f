"""What would be created, changed, and what nobody uses any more."""

from redis.asyncio import Redis

from tests.transports.redis.conftest import Joins
from tests.transports.redis.harness import declaration, event
from wireloom.spi import Action, Change, Kind, Limits


async def test_applying_twice_does_nothing_the_second_time(join: Joins, namespace: str) -> None:
    peer = await join()
    wanted = (
        [declaration("x"), declaration("tick", durable=False), declaration("user.{id}")],
        [event("x"), event("ask", kind=Kind.REQUEST), event("x", name="b", broadcast=True)],
    )
    created = [
        Change(Action.CREATE, "stream", f"{namespace}.x"),
        Change(Action.CREATE, "group", "service.x"),
    ]
    assert await peer.transport.plan(*wanted) == created
    assert await peer.transport.apply(*wanted) == created
    assert await peer.transport.apply(*wanted) == []
    assert {change.action for change in await peer.transport.plan(*wanted)} == {Action.KEEP}


async def test_changed_limit_is_updated_and_shown_with_old_and_new(
    join: Joins, namespace: str
) -> None:
    peer = await join()
    await peer.transport.apply([declaration("x")], [])
    changed = [declaration("x", limits=Limits(age=60.0, messages=10))]
    updates = [
        Change(Action.UPDATE, "stream", f"{namespace}.x", "limits.age", "604800.0", "60.0"),
        Change(Action.UPDATE, "stream", f"{namespace}.x", "limits.messages", "None", "10"),
    ]
    assert await peer.transport.plan(changed, []) == updates
    assert await peer.transport.apply(changed, []) == updates
    assert await peer.transport.apply(changed, []) == []


async def test_key_of_another_type_is_impossible(join: Joins, raw: Redis, namespace: str) -> None:
    peer = await join()
    await raw.set(f"{namespace}.x", "text")
    (change,) = await peer.transport.plan([declaration("x")], [])
    assert (change.action, change.old, change.new) == (Action.IMPOSSIBLE, "string", "stream")


async def test_group_of_a_renamed_handler_is_an_orphan(join: Joins) -> None:
    peer = await join()
    await peer.transport.apply([], [event("x", name="service.old"), event("x", name="other.one")])
    plan = await peer.transport.plan([], [event("x", name="service.new")])
    assert plan == [
        Change(Action.CREATE, "group", "service.new"),
        Change(Action.ORPHAN, "group", "service.old"),
    ]


async def test_group_that_was_applied_before_the_first_deploy_misses_nothing(join: Joins) -> None:
    admin = await join()
    await admin.transport.apply([declaration("x")], [event("x")])
    await admin.emit("x", b"early")
    assert await (await (await join()).handle("x")).bodies(1) == [b"early"]
