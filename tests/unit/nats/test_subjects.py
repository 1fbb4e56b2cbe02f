"""Sets of subjects."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wireloom_nats.subjects import collide, covers, merged

TOKENS = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=3)
SUBJECTS = st.builds(
    lambda tokens, tail: ".".join([*tokens, ">"] if tail else tokens), TOKENS, st.booleans()
)
CONCRETE = [
    ".".join(tokens) for length in range(1, 6) for tokens in itertools.product("ab", repeat=length)
]


def matching(subject: str) -> set[str]:
    """All subjects of a small world that a subject stands for."""
    return {name for name in CONCRETE if covers(subject, name)}


@given(SUBJECTS, SUBJECTS)
def test_covering_and_colliding_are_what_the_sets_say(one: str, other: str) -> None:
    assert collide(one, other) == bool(matching(one) & matching(other))
    assert covers(one, other) == (matching(other) <= matching(one))


@given(st.lists(SUBJECTS, max_size=6))
def test_merged_subjects_are_apart_and_lose_nothing(subjects: list[str]) -> None:
    found = merged(subjects)
    for one, other in itertools.combinations(found, 2):
        assert not collide(one, other)
    for subject in subjects:
        assert any(covers(wide, subject) for wide in found)


def test_what_has_nothing_in_common_stays_as_it_is() -> None:
    assert merged(["b.c", "a.*", "a.b", "x.>"]) == ["a.*", "b.c", "x.>"]
    assert merged(["a.*.c", "a.b.*"]) == ["a.*.*"]
