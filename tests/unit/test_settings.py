"""Settings of handlers: what works, what is refused, and the waits between runs."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom import Batch, Dedup, Retry, exponential, fixed
from wireloom.settings import DeadLettering


@given(st.floats(0, 10), st.floats(0, 100), st.floats(1, 8), st.integers(1, 10_000))
def test_exponential_waits_grow_from_the_first_and_stay_below_the_cap(
    first: float, more: float, factor: float, attempt: int
) -> None:
    backoff = exponential(first, first + more, factor)
    assert backoff(1) == first
    assert first <= backoff(attempt) <= first + more
    assert backoff(attempt) <= backoff(attempt + 1)


def test_default_backoff_doubles_from_half_a_second_to_thirty() -> None:
    backoff = exponential()
    assert [backoff(attempt) for attempt in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff(1_000_000) == 30


def test_fixed_waits_are_taken_in_turn_and_the_last_one_stays() -> None:
    backoff = fixed(0.2, 0.4)
    assert [backoff(attempt) for attempt in (1, 2, 3, 9)] == [0.2, 0.4, 0.4, 0.4]


@pytest.mark.parametrize(
    "make",
    [
        lambda: exponential(-1),
        lambda: exponential(2, 1),
        lambda: exponential(factor=0.5),
        fixed,
        lambda: fixed(-0.1),
        lambda: Retry(attempts=0),
        lambda: Retry(jitter=1.1),
        lambda: Retry(jitter=float("nan")),
        lambda: Retry(backoff=lambda _attempt: -1.0),
        lambda: Retry(on=["ValueError"]),  # type: ignore[arg-type]
        lambda: Retry(never=(int,)),  # type: ignore[arg-type]
        lambda: Batch(size=0),
        lambda: Batch(within=0),
        lambda: Dedup(window=0),
    ],
)
def test_setting_that_cannot_work_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_retry_wants_what_it_is_for_and_never_what_it_is_not() -> None:
    retry = Retry(on=(OSError,), never=(FileNotFoundError,))
    assert retry.wants(OSError())
    assert not retry.wants(FileNotFoundError())
    assert not retry.wants(ValueError())


@given(st.integers(1, 20), st.floats(0, 1))
def test_longest_delay_covers_every_wait_with_its_jitter(attempts: int, jitter: float) -> None:
    retry = Retry(attempts, jitter=jitter)
    waits = [retry.backoff(attempt) * (1 + jitter) for attempt in range(1, attempts)]
    assert retry.longest_delay == max(waits, default=0)


def test_defaults_are_those_of_the_documentation() -> None:
    retry = Retry()
    assert (retry.attempts, retry.jitter, retry.on, retry.never) == (5, 0.2, (Exception,), ())
    assert Dedup().window == 120
    assert (DeadLettering().failed, DeadLettering().expired) == (True, False)
    assert Retry() == Retry()
