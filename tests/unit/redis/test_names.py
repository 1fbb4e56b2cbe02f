"""Names are legal, reversible and never collide."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern, route_text
from wireloom_redis.names import Names

tokens = st.text(min_size=1, max_size=12).filter(lambda text: "." not in text)
addresses = st.lists(tokens, min_size=1, max_size=4).map(".".join)
objects = st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=5), min_size=1).map(
    route_text
)


def concrete(address: str) -> bool:
    try:
        return Pattern(address).is_concrete
    except InvalidPatternError:
        return False


@given(st.one_of(addresses, objects).filter(concrete))
def test_stream_stands_for_its_address_alone(address: str) -> None:
    for names in (Names(""), Names("shop"), Names("shop", cluster=True)):
        stream = names.stream(address)
        assert names.address(stream) == address
        assert not set(stream.removeprefix(names.prefix)) & set("*?[]\\{}@ \r\n")


@given(addresses.filter(concrete), addresses.filter(concrete))
def test_two_addresses_never_share_a_stream(one: str, two: str) -> None:
    names = Names("shop")
    assert (one == two) == (names.stream(one) == names.stream(two))


@pytest.mark.parametrize("first", ["rpc", "inbox", "dead", "delay"])
def test_event_that_begins_like_a_name_of_ours_is_kept_apart(first: str) -> None:
    names = Names("")
    taken = {
        names.members("x"),
        names.dead("x"),
        names.due("x"),
        names.inbox("inbox.x"),
        names.wild_members,
    }
    assert names.stream(f"{first}.x") not in taken
    assert names.address(names.stream(f"{first}.x")) == f"{first}.x"


@pytest.mark.parametrize("name", ["rpc.x", "inbox.x", "x@seen.1", "other.x", "shop.%FF", "shop.%"])
def test_name_that_stands_for_no_event_is_none(name: str) -> None:
    assert Names("shop").address(name) is None


def test_everything_of_a_namespace_has_one_hash_tag_on_a_cluster() -> None:
    names = Names("shop", cluster=True)
    every = [names.stream("a"), names.due("s"), names.dead("s"), names.members("r")]
    every += [names.wild_members, names.member(Pattern("r"), "i"), names.registry("groups")]
    assert all(name.startswith("{shop}.") for name in every)
    assert Names("", cluster=True).stream("a") == "{wireloom}.a"


@pytest.mark.parametrize("pattern", ["a.*", "a.>", "{x}.b", "*.*", "a%.*", "a[b].*"])
def test_glob_matches_at_least_what_the_pattern_does(pattern: str) -> None:
    names = Names("shop")
    glob = names.glob(Pattern(pattern))
    for address in ("a.b", "a.b.c", "x.b", "a%.z", "a[b].c"):
        if Pattern(pattern).matches(address):
            assert fnmatch.fnmatchcase(names.stream(address), glob)


def test_member_tells_what_it_serves() -> None:
    names = Names("shop")
    for text in ("users.{id}.get", "users.get", '{"cmd":"sum"}', "a.>"):
        pattern = Pattern(text)
        assert names.served(names.member(pattern, "i-1")) == pattern.filter


@pytest.mark.parametrize("address", [None, "", "x", "inbox.", "inbox.a.b", "inbox.ä", "inbox.a\r"])
def test_only_instances_have_inboxes(address: str | None) -> None:
    assert Names("shop").inbox(address) is None


def test_inbox_is_below_the_namespace() -> None:
    assert Names("shop").inbox("inbox.a-1_B") == "shop.inbox.a-1_B"
