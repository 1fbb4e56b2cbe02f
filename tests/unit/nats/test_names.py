"""Names are legal, reversible and apart."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern
from wireloom.spi import Kind
from wireloom_nats.names import Names

LEGAL_NAME = re.compile(r"[^\s.*>/\\]+")
ADDRESSES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs"]), min_size=1)
SPACES = st.sampled_from(["", "shop", "shop.eu", "wireloom", "rpc", "a-b"])


def concrete(address: str) -> bool:
    """Tell whether an address can be sent to."""
    try:
        return Pattern(address).is_concrete
    except InvalidPatternError:
        return False


@given(SPACES, ADDRESSES.filter(concrete), st.sampled_from([Kind.EVENT, Kind.REQUEST]))
def test_a_subject_is_legal_and_means_its_address(space: str, address: str, kind: Kind) -> None:
    names = Names(space)
    subject = names.subject(kind, address)
    assert subject.isascii()
    assert not re.search(r"[\s*>]|\.\.|^\.|\.$", subject)
    assert Names(space).address(kind, subject) == address
    other = Kind.REQUEST if kind is Kind.EVENT else Kind.EVENT
    assert subject != names.subject(other, address)


@given(SPACES, st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_consumers_and_dead_letters_of_two_subscriptions_are_apart(
    space: str, one: str, other: str
) -> None:
    names = Names(space)
    assert LEGAL_NAME.fullmatch(names.consumer(one))
    if one != other:
        assert names.consumer(one) != names.consumer(other)
        assert names.token(one) != names.token(other)
    assert names.text(names.token(one)) == one


@pytest.mark.parametrize("first", ["rpc", "inbox", "dead", "delay"])
def test_events_never_use_our_own_subjects(first: str) -> None:
    names = Names("shop")
    assert names.subject(Kind.EVENT, f"{first}.x").split(".")[1] != first
    assert names.filter(Kind.EVENT, Pattern(f"{first}.*")).split(".")[1] != first


def test_names_read_like_what_they_stand_for() -> None:
    names, spaced = Names(""), Names("shop.eu")
    assert names.subject(Kind.EVENT, "user.created") == "user.created"
    assert spaced.subject(Kind.REQUEST, "users.get") == "shop.eu.rpc.users.get"
    assert names.filter(Kind.EVENT, Pattern("user.{id}.>")) == "user.*.>"
    assert names.filter(Kind.REQUEST, Pattern("users.*")) == "rpc.users.*"
    assert spaced.filter(Kind.EVENT, Pattern("*.created")) == "shop.eu.*.created"
    assert (names.events, spaced.events) == ("wireloom~events", "shop%2Eeu~events")
    assert Names("wireloom").events != names.events
    assert names.consumer("users.Users.store_it") == "users~Users~store_it"
    assert names.own_stream(Pattern("user.{id}")) == "wireloom~event~user~%2A"
    assert names.dead_letters("users.Users.get") == "dead.users.Users.get"
    assert names.inbox("i-1") == "inbox.i-1"
    assert Names("shop", "_INBOX.app.").inbox("i") == "_INBOX.app.i"


@pytest.mark.parametrize("subject", ["user.100%", "user.%zz", "user.%ff"])
def test_a_foreign_subject_with_our_escape_in_it_is_taken_as_it_is(subject: str) -> None:
    assert Names("shop").address(Kind.EVENT, f"shop.{subject}") == subject


@pytest.mark.parametrize("token", ["%zz", "%", "%ff"])
def test_a_foreign_token_is_taken_as_it_is(token: str) -> None:
    assert Names("").text(token) == token
