"""Names on a broker: legal, reversible, free of collisions."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern
from wireloom.spi import Kind, Naming
from wireloom.spi.names import RESERVED

LEGAL = string.ascii_letters + string.digits + "-_"
KINDS = (Kind.EVENT, Kind.REQUEST)
NAMINGS = [
    Naming("", LEGAL),
    Naming("prod", LEGAL),
    Naming("", LEGAL, separator="/", escape="="),
    Naming("a.b", LEGAL + '%$:{}"', escape="~"),
]


def _concrete(literal: object) -> Pattern | None:
    try:
        pattern = Pattern.of(literal)
    except InvalidPatternError:
        return None
    return pattern if pattern.is_concrete else None


TOKENS = st.lists(st.text('ab%.~=/é日😀{}"-_ rpcinboxdead', min_size=1, max_size=6), max_size=4)
ADDRESSES = (
    st.one_of(
        TOKENS.map(".".join),
        st.sampled_from([*RESERVED, *(f"{word}.x" for word in RESERVED), "xrpc.y", "%72pc.x"]),
        st.dictionaries(st.text("ab", min_size=1), st.text("a.%/", max_size=5), max_size=2),
        st.integers(-5, 5),
    )
    .map(_concrete)
    .filter(lambda pattern: pattern is not None)
)


@pytest.mark.parametrize("naming", NAMINGS)
@given(address=ADDRESSES, kind=st.sampled_from(KINDS))
def test_name_of_an_address_leads_back_to_it(naming: Naming, address: Pattern, kind: Kind) -> None:
    assert naming.address(kind, naming.name(kind, address.text)) == address.text


@pytest.mark.parametrize("naming", NAMINGS)
@given(one=ADDRESSES, other=ADDRESSES, kinds=st.tuples(*[st.sampled_from(KINDS)] * 2))
def test_names_of_different_addresses_differ(
    naming: Naming, one: Pattern, other: Pattern, kinds: tuple[Kind, Kind]
) -> None:
    names = naming.name(kinds[0], one.text), naming.name(kinds[1], other.text)
    assert (names[0] == names[1]) == ((kinds[0], one.text) == (kinds[1], other.text))


@given(address=ADDRESSES, kind=st.sampled_from(KINDS))
def test_name_holds_legal_characters_only(address: Pattern, kind: Kind) -> None:
    assert set(NAMINGS[1].name(kind, address.text)) <= set(LEGAL + "%.")


@given(address=ADDRESSES, role=st.sampled_from(RESERVED), rest=st.text(max_size=10))
def test_no_event_has_a_name_of_our_own(address: Pattern, role: str, rest: str) -> None:
    naming = NAMINGS[0]
    assert naming.name(Kind.EVENT, address.text) != naming.own(role, rest)
    assert not naming.name(Kind.EVENT, address.text).startswith(tuple(f"{w}." for w in RESERVED))


def test_plain_addresses_are_their_own_names() -> None:
    naming = Naming("prod", LEGAL)
    assert naming.name(Kind.EVENT, "user.created") == "prod.user.created"
    assert naming.name(Kind.REQUEST, "users.get") == "prod.rpc.users.get"
    assert naming.own("dead", "svc.Users.get") == "prod.dead.svc.Users.get"


def test_illegal_characters_are_written_as_the_bytes_of_their_utf8() -> None:
    assert Naming("", LEGAL).name(Kind.EVENT, "a%.é") == "a%25.%C3%A9"


@given(st.text(max_size=20))
def test_escaping_any_text_is_reversible(text: str) -> None:
    naming = Naming("", LEGAL)
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert naming.unescaped(naming.escaped(text)) == text
