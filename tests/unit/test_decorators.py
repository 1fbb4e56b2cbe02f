"""Decorators: they mark, return the same object, and refuse what means nothing."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from wireloom import Batch, ConfigurationError, Controller, EventPattern, MessagePattern, Retry
from wireloom.decorators import controller_of, marks_of, scope_of


def test_decorated_function_is_the_same_function() -> None:
    def handler() -> None: ...

    assert EventPattern("a")(handler) is handler
    assert MessagePattern("b")(handler) is handler
    assert [type(mark) for mark in marks_of(handler)] == [MessagePattern, EventPattern]


def test_decorated_class_is_the_same_class() -> None:
    class Users: ...

    assert Controller(group="g")(Users) is Users
    mark = controller_of(Users)
    assert mark is not None
    assert mark.group == "g"


def test_subclass_of_a_controller_is_none_unless_it_says_so() -> None:
    @Controller()
    class Users: ...

    class Admins(Users): ...

    assert controller_of(Admins) is None


def test_marks_are_in_the_order_in_which_they_are_written() -> None:
    @EventPattern("a")
    @EventPattern("b")
    async def handler() -> None: ...

    assert [mark.pattern for mark in marks_of(handler)] == ["a", "b"]


def test_decorating_again_leaves_the_marks_of_the_wrapped_function_alone() -> None:
    @EventPattern("a")
    async def handler() -> None: ...

    @functools.wraps(handler)
    async def wrapper() -> None: ...

    EventPattern("b")(wrapper)
    assert [mark.pattern for mark in marks_of(handler)] == ["a"]
    assert [mark.pattern for mark in marks_of(wrapper)] == ["b", "a"]


def test_function_without_a_mark_is_no_handler() -> None:
    assert list(marks_of(len)) == []


class Callables:
    def __call__(self) -> None: ...


@pytest.mark.parametrize("target", [object, 5, "a", Callables(), functools.partial(print)])
def test_only_functions_are_marked(target: object) -> None:
    with pytest.raises(ConfigurationError, match="decorates functions"):
        EventPattern("a")(target)  # type: ignore[type-var]


def test_controller_without_parentheses_is_refused() -> None:
    with pytest.raises((ConfigurationError, TypeError)):

        @Controller  # type: ignore[arg-type]
        class Users: ...


def test_controller_on_a_function_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="classes"):
        Controller()(print)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: EventPattern("a", concurrency=0), "concurrency="),
        (lambda: EventPattern("a", shards=0), "shards="),
        (lambda: EventPattern("a", shards=2), "shards="),
        (lambda: EventPattern("a", timeout=0), "timeout="),
        (lambda: EventPattern("a", ack="never"), "ack='never'"),
        (lambda: EventPattern("a", ordered=True, batch=Batch()), "ordered= and batch="),
        (lambda: EventPattern("a", batch=Batch(), emits="b"), "batch="),
        (lambda: EventPattern("a", batch=Batch(), hold_emits=True), "hold_emits="),
        (lambda: EventPattern("a", ack="before", retry=Retry(2)), "retry="),
        (lambda: EventPattern("a", start_from="second"), "start_from='second'"),
        (lambda: EventPattern("a", start_from=-1), "start_from=-1"),
        (lambda: EventPattern("a", start_from=True), "start_from=True"),
        (lambda: EventPattern("a", start_from=datetime(2024, 1, 1)), "start_from="),
        (lambda: MessagePattern("a", concurrency=0), "concurrency="),
        (lambda: MessagePattern("a", timeout=-1), "timeout="),
    ],
)
def test_option_that_means_nothing_is_refused_by_name(
    make: Callable[[], object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make()


@pytest.mark.parametrize(
    "start", ["new", "first", "last", 0, 12, "1526919030474-55", datetime.now(UTC)]
)
def test_every_documented_start_is_legal(start: str | int | datetime) -> None:
    assert EventPattern("a", start_from=start).start_from == start


def test_names_of_the_places_around_a_handler_are_remembered() -> None:
    class Local: ...

    def make() -> Callable[..., object]:
        class Inner: ...

        @EventPattern("a")
        async def handler(value: Inner) -> None: ...

        return handler

    assert "Inner" in scope_of(make())
    assert "Local" not in scope_of(make())


def test_names_of_a_class_body_and_the_function_around_it_are_remembered() -> None:
    class Outside: ...

    class Users:
        Inside = int

        @EventPattern("a")
        async def handler(self, value: Outside) -> None: ...

    assert scope_of(Users.handler)["Outside"] is Outside
    assert scope_of(Users.handler)["Inside"] is int
