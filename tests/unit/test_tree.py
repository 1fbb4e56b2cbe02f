"""What no file of the repository may hold, whoever writes it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCES = ("framework", "transports")
SKIPPED = frozenset({"node_modules", "site", "build", "dist", "__pycache__"})
TEXT = frozenset(
    {"", ".cfg", ".ini", ".js", ".json", ".lua", ".md", ".py", ".sh", ".toml", ".ts", ".txt"}
    | {".yaml", ".yml", ".conf", ".proto"}
)
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
OBJECTS_FROM_BYTES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle"})

# Assembled, so that this file does not hold what it looks for.
HOSTS = tuple(
    rf"{name}\.{domain}"
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "(org|com)"),
        ("yarnpkg", "com"),
        ("maven", "org"),
        ("proxy\\.golang", "org"),
        ("crates", "io"),
    )
)
MACHINE_PATHS = tuple(rf"(?<![\w.~-])/{top}(/|\b)" for top in ("root", "work", "tmp", "home"))


def files() -> Iterator[Path]:
    for top in sorted(REPOSITORY.iterdir()):
        hidden = top.name.startswith(".") and top.name not in {".ci", ".gitignore", ".editorconfig"}
        if hidden or top.name in SKIPPED:
            continue
        yield from (top,) if top.is_file() else _below(top)


def _below(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(REPOSITORY).parts
        if path.is_file() and not SKIPPED.intersection(parts) and ".venv" not in parts:
            yield path


def modules(*roots: str) -> list[Path]:
    return [path for root in roots for path in sorted((REPOSITORY / root).rglob("*.py"))]


def found(patterns: tuple[str, ...], paths: Iterator[Path]) -> list[str]:
    expression = re.compile("|".join(patterns))
    return [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:80]}"
        for path in paths
        if path.suffix in TEXT
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if expression.search(line)
    ]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert found(HOSTS, files()) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert found(MACHINE_PATHS, files()) == []


@pytest.mark.parametrize("top", ["root", "work", "tmp"])
def test_path_of_a_machine_is_recognised(top: str) -> None:
    assert all(
        re.search("|".join(MACHINE_PATHS), line)
        for line in (f"cd /{top}", f"open('/{top}/x')", f"HOME=/{top} run")
    )


@pytest.mark.parametrize("top", ["root", "work", "tmp"])
def test_part_of_an_ordinary_path_is_no_path_of_a_machine(top: str) -> None:
    assert not any(
        re.search("|".join(MACHINE_PATHS), line)
        for line in (f"docs/{top}/x", f"./{top}/x", f"/{top}s", f"$HOME/{top}")
    )


def test_no_module_turns_bytes_into_arbitrary_objects() -> None:
    assert [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for path in modules(*SOURCES)
        for name in imported(path)
        if name.partition(".")[0] in OBJECTS_FROM_BYTES
    ] == []


def test_only_the_clock_module_reads_the_wall_clock() -> None:
    clock = REPOSITORY / "framework/wireloom/spi/clock.py"
    others = (path for path in modules(*SOURCES) if path != clock)
    assert found((r"\btime\.time(_ns)?\b", r"from time import .*\btime\b"), others) == []


def test_modules_and_functions_stay_small() -> None:
    assert list(oversized(modules(*SOURCES))) == []


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def oversized(paths: list[Path]) -> Iterator[str]:
    for path in paths:
        text = path.read_text(encoding="utf-8")
        place = path.relative_to(REPOSITORY)
        if (lines := len(text.splitlines())) > MAX_MODULE_LINES:
            yield f"{place}: {lines} lines"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    yield f"{place}:{node.lineno}: {node.name} has {length} lines"
