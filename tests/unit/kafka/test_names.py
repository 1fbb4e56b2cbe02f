import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom.errors import InvalidPatternError
from wireloom.pattern import Pattern
from wireloom.spi import Kind
from wireloom_kafka.names import KafkaNames

LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")
tokens = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp", "Zs"), exclude_characters=".*>{} "),
    min_size=1,
    max_size=4,
)
addresses = st.lists(tokens, min_size=1, max_size=3).map(".".join)
kinds = st.sampled_from([Kind.EVENT, Kind.REQUEST])
namespaces = st.sampled_from(["", "shop", "a.b", "my_team"])


@given(namespaces, kinds, addresses)
def test_names_are_legal_and_come_back(namespace: str, kind: Kind, address: str) -> None:
    names = KafkaNames(namespace)
    topic = names.topic(kind, address)
    assert LEGAL.fullmatch(topic)
    assert "_" not in topic
    assert names.address(kind, topic) == address


@given(namespaces, kinds, addresses, kinds, addresses)
def test_two_addresses_never_share_a_name_nor_one_that_kafka_takes_for_the_same(
    namespace: str, kind: Kind, address: str, other_kind: Kind, other: str
) -> None:
    names = KafkaNames(namespace)
    one, two = names.topic(kind, address), names.topic(other_kind, other)
    same = (kind, address) == (other_kind, other)
    assert (one.replace(".", "_") == two.replace(".", "_")) is same


@pytest.mark.parametrize("address", ["rpc.a", "inbox.a", "dead.a", "delay.a", "rpc"])
def test_events_never_take_names_that_are_ours(address: str) -> None:
    names = KafkaNames("")
    topic = names.topic(Kind.EVENT, address)
    assert not topic.startswith(("rpc", "inbox", "dead", "delay"))
    assert names.address(Kind.EVENT, topic) == address


def test_plain_patterns_are_their_own_topics() -> None:
    names = KafkaNames("")
    assert names.topic(Kind.EVENT, "user.created-v1") == "user.created-v1"
    assert names.topic(Kind.EVENT, "user_created") == "user..5Fcreated"
    assert names.topic(Kind.REQUEST, "users.get") == "rpc.users.get"


def test_literal_objects_are_one_token() -> None:
    names = KafkaNames("")
    address = Pattern.of({"cmd": "sum", "v": 1.5}).text
    topic = names.topic(Kind.REQUEST, address)
    assert LEGAL.fullmatch(topic)
    assert names.address(Kind.REQUEST, topic) == address


def test_names_that_kafka_has_no_room_for_are_refused() -> None:
    with pytest.raises(InvalidPatternError, match="249"):
        KafkaNames("").topic(Kind.EVENT, "a" * 250)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("user.*", ["user.a", "user.a_b", "user./", "user.ä"], ["user", "user.a.b", "users.a"]),
        ("user.>", ["user.a", "user.a.b", "user./.ü"], ["user", "x.user.a"]),
        ("*.created", ["user.created", "a-b.created"], ["created", "a.b.created"]),
        ("{kind}.x.*", ["a.x.b"], ["a.x", "a.x.b.c"]),
    ],
)
def test_wildcards_match_topics_as_patterns_match_addresses(
    pattern: str, yes: list[str], no: list[str]
) -> None:
    names = KafkaNames("ns")
    regex = re.compile(names.regex(Pattern(pattern)))
    for address in yes:
        assert regex.match(names.topic(Kind.EVENT, address)), address
    for address in no:
        assert not regex.match(names.topic(Kind.EVENT, address)), address


@given(addresses, st.sampled_from(["*", ">", "*.*", "a.*", "a.>", "*.b", "*.*.>"]))
def test_wildcards_agree_with_patterns_on_any_address(address: str, text: str) -> None:
    names, pattern = KafkaNames(""), Pattern(text)
    found = re.match(names.regex(pattern), names.topic(Kind.EVENT, address))
    assert bool(found) == pattern.matches(address)


def test_wildcards_leave_our_own_topics_alone() -> None:
    names = KafkaNames("")
    regex = re.compile(names.regex(Pattern(">")))
    for own in ("rpc.a", names.dead("g.h"), names.delay("g.h"), names.inbox("g")):
        assert not regex.match(own)


@pytest.mark.parametrize(
    ("topic", "legal"),
    [("inbox.g", True), ("inbox.", True), ("__consumer_offsets", False), ("a.b", False)],
)
def test_only_topics_for_replies_are_inboxes(topic: str, legal: bool) -> None:
    assert KafkaNames("").is_inbox(topic) is legal
