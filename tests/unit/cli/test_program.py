import sys
from pathlib import Path

import pytest

from wireloom import ConfigurationError
from wireloom.cli.program import load

SOURCE = """
from wireloom import Application, MessagePattern
@MessagePattern("ping")
async def ping() -> str:
    return "pong"
app = Application("one", handlers=[ping])
class box:
    app = app
def make() -> Application:
    return Application("made", handlers=[ping])
def wrong() -> int:
    return 1
number = 1
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of a unique name in the current directory."""
    name = f"program_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(SOURCE)
    (tmp_path / f"{name}_broken.py").write_text("import there_is_no_such_thing\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    return name


def test_application_is_found_in_a_module_of_the_current_directory(module: str) -> None:
    assert load(f"{module}:app").name == "one"


def test_application_may_be_an_attribute_of_an_attribute(module: str) -> None:
    assert load(f"{module}:box.app").name == "one"


def test_factory_is_called(module: str) -> None:
    assert load(f"{module}:make", factory=True).name == "made"


@pytest.mark.parametrize(
    ("target", "factory", "text"),
    [
        ("{}", False, "names no application"),
        ("{}:", False, "names no application"),
        ("there_is_no_module:app", False, "there is no module 'there_is_no_module'"),
        ("{}.deeper:app", False, "there is no module"),
        ("{}:nope", False, "has no 'nope'"),
        ("{}:number", False, "is int, not an Application"),
        ("{}:make", False, "--factory calls a function that makes it"),
        ("{}:app", True, "leave out --factory"),
        ("{}:number", True, "leave out --factory"),
        ("{}:wrong", True, "is int, not an Application"),
    ],
)
def test_target_that_is_no_application_is_refused(
    module: str, target: str, factory: bool, text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        load(target.format(module), factory=factory)


def test_import_that_fails_inside_the_module_is_told_as_it_is(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_thing"):
        load(f"{module}_broken:app")
