"""What exists otherwise is reported, what is missing is made, what is needed can be told."""

import pytest

from tests.brokers import Broker, RabbitMqServer
from tests.transports.rabbitmq.harness import Peer, Place, event, events, request, requests
from wireloom.errors import ConfigurationError, ConnectionFailedError, TransportError
from wireloom.spi import Action, Limits, Subscription
from wireloom_rabbitmq import RabbitMqHandlerOptions

OLD = events(limits=Limits(age=60.0))
NEW = events(limits=Limits(age=5.0, messages=10))


async def test_queue_with_another_limit_is_reported_with_both_values(place: Place) -> None:
    async with place.peer() as peer:
        await peer.handle(OLD)
        with pytest.raises(ConfigurationError) as drift:
            await peer.handle(events(limits=Limits(age=5.0)))
        assert "x-message-ttl" in str(drift.value)
        assert "60000" in str(drift.value)
        assert "5000" in str(drift.value)
        await peer.transport.publish(event())  # the refusal closed a channel that nobody uses


async def test_exchange_of_another_type_is_a_fatal_failure(place: Place) -> None:
    async with place.peer() as peer:
        session = peer.transport._supervisor.session
        assert session is not None
        async with session.consuming.throw_away() as channel:
            await channel.exchange_declare(
                f"{place.namespace}.other", exchange_type="fanout", durable=True
            )
    with pytest.raises(ConnectionFailedError, match="type=fanout") as failure:
        async with place.peer(exchange="other"):
            pass
    assert failure.value.fatal


async def test_plan_shows_what_is_missing_and_changes_nothing(place: Place) -> None:
    async with place.peer() as peer:
        plan = await peer.transport.plan([], [events()])
        again = await peer.transport.plan([], [events()])
    assert plan == again
    missing = {(change.what, change.name) for change in plan if change.action is Action.CREATE}
    assert ("queue", f"{place.namespace}.g.Users.welcome") in missing
    assert ("queue", f"{place.namespace}.dead.g.Users.welcome") in missing


async def test_applying_twice_does_nothing_the_second_time(place: Place) -> None:
    subscriptions = [
        events(longest_delay=30.0),
        events(name="sharded", ordered=True, shards=2),
        requests(),
    ]
    async with place.peer() as peer:
        done = await peer.transport.apply([], subscriptions)
        assert {change.action for change in done} == {Action.CREATE}
        assert await peer.transport.apply([], subscriptions) == []
        receipt = await peer.transport.publish(event(id="before the first deploy"))
        box = await peer.handle(subscriptions[0])
        assert receipt.routed
        assert (await box.take()).message.id == "before the first deploy"


async def test_queue_left_by_a_renamed_handler_is_told(place: Place) -> None:
    async with place.peer() as peer:
        await peer.handle(events(name="g.Users.greet"))
        await peer.handle(requests())
    async with place.peer() as peer:
        plan = await peer.transport.plan([], [events(name="g.Users.welcome")])
        orphans = [change.name for change in plan if change.action is Action.ORPHAN]
        assert orphans == [f"{place.namespace}.g.Users.greet"]
        await peer.transport.apply([], [events(name="g.Users.welcome")])
        both = [events(name="g.Users.welcome"), events(name="g.Users.greet")]
        plan = await peer.transport.plan([], both)
        assert {change.action for change in plan} == {Action.KEEP}


async def test_what_cannot_be_changed_is_reported_setting_by_setting(place: Place) -> None:
    async with place.peer() as peer:
        await peer.handle(OLD)
        plan = await peer.transport.plan([], [NEW])
        done = await peer.transport.apply([], [NEW])
    impossible = {
        (change.setting, change.old, change.new)
        for change in plan
        if change.action is Action.IMPOSSIBLE
    }
    assert impossible == {
        ("x-message-ttl", "60000", "5000"),
        ("x-max-length", "none", "10"),
        ("x-overflow", "none", "reject-publish"),
    }
    assert {change.action for change in done} == {Action.IMPOSSIBLE}


async def test_handler_options_shape_the_queue(place: Place) -> None:
    native = RabbitMqHandlerOptions(queue_type="classic", max_priority=10)
    async with place.peer(priorities={"user.urgent": 9}) as peer:
        box = await peer.handle(events("user.*", native=native), 1)
        await peer.transport.publish(event("user.created", id="blocks"))
        first = await box.take()
        await peer.transport.publish(event("user.created", id="ordinary"))
        await peer.transport.publish(event("user.urgent", id="urgent"))
        await first.ack()
        delivery = await box.take()
    assert (delivery.message.id, delivery.priority) == ("urgent", 9)


async def test_consumer_priority_prefers_an_instance(place: Place) -> None:
    preferred = events(native=RabbitMqHandlerOptions(consumer_priority=5))
    async with place.peer() as one, place.peer() as two:
        ordinary = await one.handle(events())
        first = await two.handle(preferred)
        for _ in range(4):
            await one.transport.publish(event())
        for _ in range(4):
            await first.take()
        assert len(ordinary) == 0


async def test_ttl_of_a_pattern_expires_events_in_the_queue(place: Place) -> None:
    async with place.peer(ttl={"user.*": 0.1}) as peer:
        box = await peer.handle(events(), 1)
        await peer.transport.publish_many([event(id="first"), event(id="late")])
        assert (await box.take()).message.id == "first"
        late = await box.take()
    assert (late.message.id, late.message.headers["wl-deadline-ms"]) == ("late", "0")


@pytest.mark.parametrize("declare", [True, False])
async def test_permissions_told_are_all_that_is_needed(
    rabbitmq_broker: Broker, place: Place, declare: bool
) -> None:
    if not isinstance(rabbitmq_broker, RabbitMqServer):
        pytest.fail("this test makes users, which takes a broker of ours")
    server, user = rabbitmq_broker, place.namespace
    subscriptions = [
        events(longest_delay=1.0),
        events(name="sharded", ordered=True, shards=2),
        requests(),
        *([events(name="copy", broadcast=True)] if declare else []),
    ]
    transport = Peer(place.options(declare=declare), "g").transport
    permissions = transport.permissions([], subscriptions)
    if not declare:
        async with place.peer() as admin:
            session = await admin.transport._session()
            await transport._plan(subscriptions).apply(session)
    rules = dict(line.split(" ", 1) for line in permissions)
    server.control("add_user", user, "pw")
    server.control("set_permissions", user, rules["configure"], rules["write"], rules["read"])
    url = rabbitmq_broker.url.replace("guest:guest", f"{user}:pw")
    least = Place(url, declare=declare)
    least.namespace = place.namespace
    async with least.peer() as peer:
        boxes = [await peer.handle(subscription) for subscription in subscriptions]
        await peer.transport.publish(event(key="k"))
        for box in (*boxes[:2], *boxes[3:]):
            await (await box.take()).retry(0.2, 2)
            again = await box.take()
            assert again.attempt == 2
            await again.dead_letter({"wl-dead-reason": "x"})
        await peer.transport.publish(request())
        asked = await boxes[2].take()
        assert asked.message.address == "users.get"
        letters = [x async for x in peer.transport.dead_letters.read("g.Users.welcome")]
        assert len(letters) == 1
        with pytest.raises((ConfigurationError, TransportError)):
            await peer.handle(events(name="not.granted"))


async def test_missing_exchanges_are_told_where_nothing_may_be_made(place: Place) -> None:
    with pytest.raises(ConnectionFailedError, match="topology apply") as failure:
        async with place.peer(declare=False):
            pass
    assert failure.value.fatal


def subscriptions_refused() -> list[tuple[Subscription, str]]:
    return [
        (events(start_from="first"), "start_from"),
        (events(shards=33, ordered=True), "shards"),
        (events(shards=2), "shards"),
        (events(shards=2, ordered=True, durable=False), "shards"),
        (events(shards=2, ordered=True, broadcast=True), "shards"),
        (events(attempts=95), "retry"),
        (events(longest_delay=1e8), "retry"),
        (requests(native=RabbitMqHandlerOptions(queue_type="classic")), "native"),
        (events(broadcast=True, native=RabbitMqHandlerOptions(queue_type="classic")), "native"),
    ]


@pytest.mark.parametrize(("subscription", "option"), subscriptions_refused())
async def test_what_cannot_be_honoured_is_refused_by_name(
    subscription: Subscription, option: str
) -> None:
    peer = Peer(Place("amqp://localhost/").options(), "g")
    with pytest.raises(ConfigurationError, match=f"'{option}'.*rabbitmq"):
        peer.transport.check(subscription)
