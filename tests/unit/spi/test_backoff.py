"""Waits between attempts to connect."""

from hypothesis import given
from hypothesis import strategies as st

from wireloom.spi import FullJitter


@given(st.floats(0.001, 1), st.floats(1, 60), st.integers(1, 50))
def test_each_wait_is_below_a_bound_that_doubles_up_to_the_cap(
    first: float, cap: float, times: int
) -> None:
    backoff = FullJitter(first, cap)
    bound = first
    for _ in range(times):
        assert 0 <= backoff.next() <= bound
        bound = min(cap, bound * 2)


def test_waits_begin_anew_after_a_reset() -> None:
    backoff = FullJitter(0.01, 100.0)
    for _ in range(20):
        backoff.next()
    backoff.reset()
    assert all(backoff.next() <= 0.01 for _ in range(1))


def test_fleet_does_not_return_at_one_moment() -> None:
    waits = {round(FullJitter(1.0, 1.0).next(), 6) for _ in range(50)}
    assert len(waits) > 40
