"""Names are legal, reversible and free of collisions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import ConfigurationError
from wireloom.pattern import Pattern
from wireloom.spi import Kind
from wireloom_rabbitmq.items import Binding
from wireloom_rabbitmq.ladder import Ladder, original_key
from wireloom_rabbitmq.names import Names

names = Names("ns", "wireloom")
letters = "".join(set(map(chr, range(0x21, 0x7F))) - set(".*>{}")) + "\u00e4\u20ac\U0001f600"
tokens = st.text(letters, min_size=1, max_size=8)
addresses = st.lists(tokens, min_size=1, max_size=4).map(".".join)
kinds = st.sampled_from([Kind.EVENT, Kind.REQUEST])
driver_lets_through = re.compile(r"^[a-zA-Z0-9-_.:@#,/+ ]*$")


@given(kinds, addresses)
def test_address_comes_back_from_its_key(kind: Kind, address: str) -> None:
    assert names.address(kind, names.key(kind, address)) == address


@given(kinds, addresses, kinds, addresses)
def test_two_addresses_never_share_a_key(
    kind: Kind, address: str, other_kind: Kind, other: str
) -> None:
    if (kind, address) != (other_kind, other):
        assert names.key(kind, address) != names.key(other_kind, other)


@given(addresses)
def test_queue_names_pass_the_driver_and_are_no_name_of_ours(name: str) -> None:
    queue = Names("", "wireloom").queue_of(name)
    assert driver_lets_through.fullmatch(queue)
    assert queue.partition(".")[0] not in ("rpc", "dead", "delay", "amq")
    assert "/" not in queue


@pytest.mark.parametrize(
    ("pattern", "binding"),
    [
        ("user.created", "ns.user.created"),
        ("user.*", "ns.user.*"),
        ("user.>", "ns.user.*.#"),
        (">", "ns.*.#"),
        ("user.{id}.left", "ns.user.*.left"),
        ("a#b.*", "ns.a%23b.*"),
        ("rpc.x", "ns.%72pc.x"),
    ],
)
def test_binding_matches_what_the_pattern_does(pattern: str, binding: str) -> None:
    assert names.binding(Kind.EVENT, Pattern(pattern)) == binding


def test_request_names_are_apart() -> None:
    assert names.key(Kind.REQUEST, "users.get") == "ns.rpc.users.get"
    assert names.key(Kind.REQUEST, '{"cmd":"x"}') == "ns.rpc.+7B+22cmd+22:+22x+22+7D"


def test_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="200"):
        names.key(Kind.EVENT, "x" * 300)
    with pytest.raises(ConfigurationError, match="127"):
        names.spread("x" * 125)


@pytest.mark.parametrize("key", ["ns.%zz", "ns.%", "ns.%C3", "other", "", "ns."])
def test_key_of_a_stranger_has_some_address(key: str) -> None:
    assert isinstance(names.address(Kind.EVENT, key), str)


@given(st.floats(min_value=0.001, max_value=1_600_000), tokens)
def test_ladder_keeps_a_message_for_its_delay_and_knows_its_key(delay: float, key: str) -> None:
    exchange, routing_key = Ladder(names).entry(delay, key=key)
    bits = routing_key[:48].replace(".", "")
    waited = int(bits, 2) * 0.1
    assert delay - 1e-6 <= waited <= delay + 0.1
    assert exchange == f"ns.delay.{len(bits.lstrip('0')) - 1}"
    assert original_key(routing_key) == key


def test_every_rung_leads_down() -> None:
    ladder = Ladder(names)
    made = {item.name for item in ladder.foot()}
    for item in ladder.rungs(24):
        if isinstance(item, Binding):
            assert {item.source, item.target} <= made
        made.add(item.name)
    assert original_key(Ladder(names).entry(1.0, queue="q")[1]) is None


def test_queue_option_stands_in_for_the_group() -> None:
    renamed = Names("ns", "wireloom", group="users", queue="accounts")
    assert renamed.queue_of("users.Users.welcome") == "ns.accounts.Users.welcome"
    assert renamed.dead("users.Users.welcome") == "ns.dead.accounts.Users.welcome"
    assert renamed.queue_of("users2.Users.welcome") == "ns.users2.Users.welcome"
