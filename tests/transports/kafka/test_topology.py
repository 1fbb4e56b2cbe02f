import re

import pytest

from tests.transports.kafka.harness import Collector, Join, event, subscription
from wireloom.errors import ConfigurationError, PublishError, UnsupportedOptionError
from wireloom.pattern import Pattern
from wireloom.spi import Action, Declaration, Kind, Limits
from wireloom_kafka import KafkaHandlerOptions

pytestmark = pytest.mark.timeout(60)
DAY = 24 * 3600.0


def declared(address: str, **limits: float | None) -> Declaration:
    return Declaration(pattern=Pattern(address), limits=Limits(**limits))  # type: ignore[arg-type]


async def test_plan_shows_apply_makes_and_applying_twice_does_nothing(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    events = [declared(f"{unique}.a", age=DAY)]
    handlers = [
        subscription(f"{unique}.h", f"{unique}.a", limits=Limits(age=DAY), start_from="first"),
        subscription(f"{unique}.r", f"{unique}.get", Kind.REQUEST, ack_first=True),
    ]
    planned = await one.plan(events, handlers)
    assert {change.action for change in planned} == {Action.CREATE}
    assert {change.name for change in planned} == {
        f"{unique}.a",
        f"rpc.{unique}.get",
        f"delay.{unique}.h",
        f"dead.{unique}.h",
        f"dead.{unique}.r",
        f"inbox.{unique}",
        f"{unique}.h",
    } - {f"dead.{unique}.r"}
    assert await one.apply(events, handlers) == planned
    assert await one.apply(events, handlers) == []
    assert {change.action for change in await one.plan(events, handlers)} == {Action.KEEP}


async def test_group_made_by_apply_gets_what_was_published_before_its_first_start(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    wanted = subscription(f"{unique}.h", f"{unique}.a")
    await one.apply([], [wanted])
    await one.publish(event(f"{unique}.a", b"early"))
    intake = Collector(acks=True)
    await one.subscribe(wanted, intake)
    await intake.wait_for(1)
    assert intake.bodies() == [b"early"]


async def test_changed_limit_is_updated_and_other_settings_are_kept(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    name = f"{unique}.a"
    await one.apply([declared(name, age=DAY, message_size=1000)], [])
    before = (await one._link.admin.describe([name]))[name]
    changes = await one.apply([declared(name, age=2 * DAY, message_size=1000)], [])
    assert [(c.action, c.setting, c.old, c.new) for c in changes] == [
        (Action.UPDATE, "retention.ms", "86400000", "172800000")
    ]
    after = (await one._link.admin.describe([name]))[name]
    assert dict(after.own) == {**before.own, "retention.ms": "172800000"}


async def test_what_cannot_be_changed_is_reported_with_both_values(join: Join, unique: str) -> None:
    one, other = (await join(partitions=2)).transport, (await join(partitions=3)).transport
    await one.apply([declared(f"{unique}.a")], [])
    (change,) = [c for c in await other.apply([declared(f"{unique}.a")], []) if c.name[-1] == "a"]
    assert (change.action, change.setting) == (Action.IMPOSSIBLE, "partitions")
    assert (change.old, change.new) == ("2", "3")
    with pytest.raises(ConfigurationError, match="partitions=2, not 3"):
        await other.declare([declared(f"{unique}.a")])


async def test_topics_and_groups_that_renaming_left_are_orphans(join: Join, unique: str) -> None:
    one = (await join()).transport
    await one.apply([], [subscription(f"{unique}.old", f"{unique}.a")])
    planned = await one.plan([], [subscription(f"{unique}.young", f"{unique}.a")])
    orphans = {change.name for change in planned if change.action is Action.ORPHAN}
    assert orphans == {f"delay.{unique}.old", f"dead.{unique}.old", f"{unique}.old"}


async def test_without_declare_missing_topics_are_named_and_none_is_made(
    join: Join, unique: str
) -> None:
    strict, maker = (await join(declare=False)).transport, (await join()).transport
    wanted = subscription(f"{unique}.h", f"{unique}.a")
    with pytest.raises(ConfigurationError, match=f"{unique}.a"):
        await strict.subscribe(wanted, Collector())
    with pytest.raises(ConfigurationError, match="declare=False"):
        await strict.declare([declared(f"{unique}.a")])
    with pytest.raises(PublishError, match=f"{unique}.a"):
        await strict.publish(event(f"{unique}.a"))
    assert f"{unique}.a" not in await strict._link.admin.names()
    await maker.apply([declared(f"{unique}.a")], [wanted])
    intake = Collector(acks=True)
    await strict.subscribe(wanted, intake)
    await strict.publish(event(f"{unique}.a"))
    await intake.wait_for(1)


async def test_handler_reads_further_topics_by_name_and_they_must_exist(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    native = KafkaHandlerOptions(topics=[f"{unique}-b"])
    wanted = subscription(f"{unique}.h", f"{unique}.a", native=native)
    await one.publish(event(f"{unique}-b", b"0"))
    intake = Collector(acks=True)
    await one.subscribe(wanted, intake)
    await one.publish(event(f"{unique}.a", b"1"))
    await one.publish(event(f"{unique}-b", b"2"))
    await intake.wait_for(2)
    assert sorted(intake.bodies()) == [b"1", b"2"]


async def test_permissions_name_every_topic_and_group_in_the_brokers_notation(
    join: Join, unique: str
) -> None:
    one = (await join(declare=False)).transport
    lines = one.permissions(
        [declared(f"{unique}.out")], [subscription(f"{unique}.h", f"{unique}.in")]
    )
    assert f"--operation Write --operation Describe --topic {unique}.out" in lines
    assert f"--operation Read --operation Describe --topic {unique}.in" in lines
    assert f"--operation Read --operation Describe --group {unique}.h" in lines
    assert all(line.startswith("--operation ") for line in lines)


async def test_options_that_kafka_cannot_honour_are_refused_by_name(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    with pytest.raises(UnsupportedOptionError, match=r"limits\.messages"):
        one.check_declaration(declared("a", messages=5))
    for option, wrong in {
        "start_from": {"start_from": "middle"},
        "retry": {"longest_delay": 15 * DAY},
        "limits.messages": {"limits": Limits(messages=1)},
    }.items():
        with pytest.raises(UnsupportedOptionError, match=re.escape(option)):
            one.check(subscription("g.h", "a", **wrong))
    with pytest.raises(UnsupportedOptionError, match="pattern"):
        one.check(subscription("g.h", "a.*", Kind.REQUEST))
    native = KafkaHandlerOptions(topics=["x"])
    with pytest.raises(UnsupportedOptionError, match="native"):
        one.check(subscription("g.h", "a", Kind.REQUEST, native=native))


async def test_names_that_kafka_takes_for_the_same_live_side_by_side(
    join: Join, unique: str
) -> None:
    one = (await join()).transport
    intakes = {}
    for number, address in enumerate((f"{unique}.a.b", f"{unique}.a_b", f"{unique}.a-b")):
        intakes[address] = Collector(acks=True)
        await one.subscribe(subscription(f"{unique}.h{number}", address), intakes[address])
    for address in intakes:
        await one.publish(event(address, address.encode()))
    for address, intake in intakes.items():
        await intake.wait_for(1)
        assert intake.bodies() == [address.encode()]
