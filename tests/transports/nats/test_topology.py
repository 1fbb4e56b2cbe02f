"""Streams and consumers: created, updated, refused, listed."""

import asyncio

import pytest

from tests.transports.nats.conftest import Site, Taken, declaration, event, subscription
from wireloom.errors import ConfigurationError
from wireloom.spi import Action, Limits
from wireloom_nats import NatsHandlerOptions


async def config(site: Site, stream: str) -> dict[str, object]:
    transport = await site.connect("looker")
    return (await transport._jetstream.call(f"STREAM.INFO.{stream}"))["config"]


async def test_default_limits_share_a_stream_and_others_have_their_own(site: Site) -> None:
    transport = await site.connect()
    special = declaration("order.placed", age=60.0, messages=5, bytes=100_000, message_size=2_000)
    await transport.declare([declaration("user.created"), declaration("user.{id}"), special])
    shared = await config(site, f"{site.namespace}~events")
    assert f"{site.namespace}.user.*" in shared["subjects"]
    assert f"{site.namespace}.user.created" not in shared["subjects"]
    assert shared["max_age"] == 7 * 24 * 3600 * 10**9
    own = await config(site, f"{site.namespace}~event~order~placed")
    assert (own["max_age"], own["max_msgs"], own["max_bytes"], own["max_msg_size"]) == (
        60 * 10**9,
        5,
        100_000,
        2_000,
    )
    receipt = await transport.publish(event("order.placed"))
    assert receipt.stream == f"{site.namespace}~event~order~placed"
    taken = Taken()
    await transport.subscribe(
        subscription("order.placed", limits=special.limits, start_from="first"), taken
    )
    assert (await taken.take()).stream == receipt.stream


async def test_limits_that_changed_are_updated(site: Site) -> None:
    one = await site.connect()
    await one.declare([declaration("user.created", age=60.0)])
    two = await site.connect()
    await two.declare([declaration("user.created", age=120.0, messages=10)])
    found = await config(site, f"{site.namespace}~event~user~created")
    assert (found["max_age"], found["max_msgs"]) == (120 * 10**9, 10)


async def test_what_cannot_be_changed_is_refused_with_old_and_new(site: Site) -> None:
    one = await site.connect(storage="memory")
    await one.declare([declaration("user.created")])
    two = await site.connect(storage="file")
    with pytest.raises(ConfigurationError, match=r"storage.* = memory, not file"):
        await two.declare([declaration("user.created")])
    three = await site.connect()
    await three.declare([declaration("user.created")])


async def test_one_event_with_two_kinds_of_limits_is_refused(site: Site) -> None:
    transport = await site.connect()
    await transport.declare([declaration("user.created")])
    with pytest.raises(ConfigurationError, match="limits of its own"):
        await transport.declare([declaration("user.created", age=60.0)])


async def test_a_stream_of_somebody_else_is_read_and_left_alone(site: Site) -> None:
    transport = await site.connect()
    subject = f"{site.namespace}.order.*"
    name = f"{site.namespace}-ORDERS"
    await transport._jetstream.call(
        f"STREAM.CREATE.{name}", {"name": name, "subjects": [subject], "storage": "memory"}
    )
    taken, other = Taken(), Taken()
    await transport.subscribe(subscription("order.placed"), taken)
    native = NatsHandlerOptions(stream=name)
    await transport.subscribe(subscription("order.*", "a.b", native=native), other)
    receipt = await transport.publish(event("order.placed"))
    assert receipt.stream == name
    assert (await taken.take()).stream == (await other.take()).stream == name
    assert (await config(site, name))["subjects"] == [subject]


async def test_applications_that_declare_at_once_lose_nothing(site: Site) -> None:
    transports = [await site.connect() for _ in range(6)]
    await asyncio.gather(
        *(
            transport.declare([declaration(f"a{number}.b"), declaration(f"c{number}.*")])
            for number, transport in enumerate(transports)
        )
    )
    subjects = (await config(site, f"{site.namespace}~events"))["subjects"]
    for number, transport in enumerate(transports):
        assert f"{site.namespace}.a{number}.b" in subjects
        assert (await transport.publish(event(f"c{number}.x"))).acknowledged


async def test_an_event_that_nobody_declared_is_stored(site: Site) -> None:
    transport = await site.connect()
    receipts = await asyncio.gather(*(transport.publish(event("never.heard")) for _ in range(5)))
    assert all(receipt.acknowledged for receipt in receipts)


async def test_the_plan_says_what_apply_does_and_then_nothing_is_left(site: Site) -> None:
    transport = await site.connect()
    declared = [declaration("user.created"), declaration("order.placed", age=60.0)]
    handlers = [
        subscription("user.created"),
        subscription("order.placed", "users.Users.order", limits=Limits(age=60.0), shards=2),
    ]
    planned = await transport.plan(declared, handlers)
    assert {(row.action, row.what, row.name) for row in planned} == {
        (Action.CREATE, "stream", f"{site.namespace}~events"),
        (Action.CREATE, "stream", f"{site.namespace}~event~order~placed"),
        (Action.CREATE, "stream", f"{site.namespace}~dead"),
        (Action.CREATE, "stream", f"{site.namespace}~attempts"),
        (Action.CREATE, "consumer", f"{site.namespace}~events/users~Users~welcome"),
        (Action.CREATE, "consumer", f"{site.namespace}~event~order~placed/users~Users~order~0"),
        (Action.CREATE, "consumer", f"{site.namespace}~event~order~placed/users~Users~order~1"),
    }
    done = await transport.apply(declared, handlers)
    assert len(done) == len(planned)
    assert await transport.apply(declared, handlers) == []
    again = await transport.plan(declared, handlers)
    assert {row.action for row in again} == {Action.KEEP}
    taken = Taken()
    await transport.publish(event("user.created"))  # before the first process serves
    await transport.subscribe(handlers[0], taken)
    await taken.take()


async def test_a_changed_consumer_is_updated_and_a_renamed_one_is_an_orphan(site: Site) -> None:
    transport = await site.connect()
    declared = [declaration("user.created")]
    await transport.apply(declared, [subscription("user.created")])
    native = NatsHandlerOptions(ack_wait=5.0)
    changed = await transport.plan(declared, [subscription("user.created", native=native)])
    assert [(row.setting, row.old, row.new) for row in changed if row.action is Action.UPDATE] == [
        ("NatsOptions(ack_wait)", "30000000000", "5000000000")
    ]
    await transport.apply(declared, [subscription("user.created", native=native)])
    renamed = await transport.plan(declared, [subscription("user.created", "users.New.name")])
    orphans = [row.name for row in renamed if row.action is Action.ORPHAN]
    assert orphans == [f"{site.namespace}~events/users~Users~welcome"]


async def test_a_push_consumer_of_that_name_is_refused(site: Site) -> None:
    transport = await site.connect()
    await transport.declare([declaration("user.created")])
    stream = f"{site.namespace}~events"
    await transport._jetstream.call(
        f"CONSUMER.CREATE.{stream}.users~Users~welcome",
        {
            "stream_name": stream,
            "config": {
                "name": "users~Users~welcome",
                "durable_name": "users~Users~welcome",
                "deliver_subject": "somewhere",
                "ack_policy": "explicit",
            },
        },
    )
    with pytest.raises(ConfigurationError, match="delivery = push, not pull"):
        await transport.subscribe(subscription("user.created"), Taken())


async def test_without_leave_to_declare_what_is_missing_fails_the_start(site: Site) -> None:
    careful = await site.connect(declare=False)
    with pytest.raises(ConfigurationError, match="no stream"):
        await careful.declare([declaration("user.created")])
    admin = await site.connect()
    await admin.apply([declaration("user.created")], [])
    await careful.declare([declaration("user.created")])
    assert (await careful.publish(event("user.created"))).acknowledged
    with pytest.raises(ConfigurationError, match=r"no (stream|consumer)"):
        await careful.subscribe(subscription("user.created"), Taken())
    await admin.apply([declaration("user.created")], [subscription("user.created")])
    taken = Taken()
    await careful.subscribe(subscription("user.created"), taken)
    await careful.publish(event("user.created"))
    await taken.take()
