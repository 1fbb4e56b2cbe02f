import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireloom_kafka.tracker import MAX_METADATA, Marks, OffsetTracker

gaps = st.lists(st.integers(1, 4), min_size=0, max_size=40)  # compaction leaves holes


def offsets_of(steps: list[int]) -> list[int]:
    offsets, offset = [], 9
    for step in steps:
        offset += step
        offsets.append(offset)
    return offsets


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 10)), max_size=40))
def test_commit_never_passes_an_unfinished_offset(script: list[tuple[int, int]]) -> None:
    """Each record is taken in its turn, and finished so many turns later."""
    offsets = offsets_of([step for step, _ in script])
    tracker = OffsetTracker(10)
    finished: set[int] = set()
    taken: list[int] = []
    for turn in range(len(script) + 11):
        if turn < len(script):
            assert tracker.take(offsets[turn])
            taken.append(offsets[turn])
        for position, (_, lag) in enumerate(script):
            if position + lag == turn:
                tracker.finish(offsets[position])
                finished.add(offsets[position])
        unfinished = [offset for offset in taken if offset not in finished]
        assert tracker.unfinished == len(unfinished)
        assert tracker.committable == (unfinished[0] if unfinished else tracker.next)
    assert tracker.committable == (offsets[-1] + 1 if offsets else 10)


@given(gaps, st.data())
def test_next_life_repeats_exactly_what_was_not_finished(
    steps: list[int], data: st.DataObject
) -> None:
    offsets = offsets_of(steps)
    first = OffsetTracker(10)
    for offset in offsets:
        first.take(offset)
    finished = {offset for offset in offsets if data.draw(st.booleans())}
    for offset in data.draw(st.permutations(sorted(finished))):
        first.finish(offset)
    committed = first.committable
    marks = Marks.from_text(Marks(done=first.done()).to_text(committed), committed)
    second = OffsetTracker(committed, marks.done)
    again = [offset for offset in offsets if offset >= committed and second.take(offset)]
    assert again == [offset for offset in offsets if offset not in finished]


@given(gaps, st.data())
def test_what_was_finished_is_remembered_over_a_life_that_did_nothing(
    steps: list[int], data: st.DataObject
) -> None:
    offsets = offsets_of(steps)
    first = OffsetTracker(10)
    for offset in offsets:
        first.take(offset)
    for offset in offsets:
        if data.draw(st.booleans()):
            first.finish(offset)
    idle = OffsetTracker(first.committable, first.done())
    assert idle.done() == first.done()


def test_offset_below_one_that_was_taken_is_refused() -> None:
    tracker = OffsetTracker(5)
    tracker.take(7)
    with pytest.raises(ValueError, match="7"):
        tracker.take(7)


def test_finishing_twice_changes_nothing() -> None:
    tracker = OffsetTracker(0)
    tracker.take(0)
    tracker.take(1)
    tracker.finish(0)
    tracker.finish(0)
    assert (tracker.committable, tracker.unfinished) == (1, 1)


@given(
    st.integers(0, 999_999),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), max_size=20),
)
def test_marks_survive_their_text(
    crashes: int, begin: int, offset: int, pairs: list[tuple[int, int]]
) -> None:
    done = tuple((offset + a, offset + a + b) for a, b in pairs)
    marks = Marks(crashes, begin, done)
    assert Marks.from_text(marks.to_text(offset), offset) == marks


def test_marks_that_would_be_too_long_keep_the_first_stretches() -> None:
    done = tuple((2 * n + 10**9, 2 * n + 10**9) for n in range(5_000))
    text = Marks(done=done).to_text(0)
    kept = Marks.from_text(text, 0).done
    assert len(text) <= MAX_METADATA
    assert len(kept) > 50
    assert kept == done[: len(kept)]


@given(st.text(max_size=200))
def test_metadata_of_others_says_nothing(text: str) -> None:
    marks = Marks.from_text(text, 5)
    assert marks == Marks() or text.startswith("wl1 ")


def test_metadata_with_a_stretch_backwards_says_nothing() -> None:
    assert Marks.from_text("wl1 crashes=3 begin=0 done=5-2", 0) == Marks()
