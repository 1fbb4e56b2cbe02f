"""Find the fenced blocks of a Markdown page, and refuse the ones that nobody would run."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath


class Label(StrEnum):
    """What may stand after an opening fence."""

    PYTHON = "python"
    SH = "sh"
    TEXT = "text"
    YAML = "yaml"
    TOML = "toml"
    JSON = "json"


RUNNABLE = frozenset({Label.PYTHON, Label.SH})

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_DIRECTIVE = re.compile(
    r"^\s*<!--\s*(?P<word>file|at|background)(?:\s+until)?(?::\s*(?P<value>\S.*?)?)?\s*-->\s*$"
)


class SnippetError(ValueError):
    """A page holds a block that the tests could not run as it stands."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block, with what the comment above it asks for."""

    page: str
    line: int
    """Line of the first line inside the fence, counted from 1."""
    label: Label
    text: str
    file: str | None = None
    """Written to this file of the page's directory instead of being run."""
    background: bool = False
    """Started and left running until the page ends."""
    until: str | None = None
    """Text in its output that says a background block is ready."""
    at_repository: bool = False
    """Run where the repository is, not in the page's own directory."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(text: str, page: str) -> list[Block]:
    """Return the page's blocks in order, those inside HTML comments (hidden set-up) included."""
    lines = text.splitlines()
    blocks = []
    at = 0
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if opening is None:
            at += 1
            continue
        end = _closing(lines, at, opening, page)
        body = [_outdented(line, opening["indent"]) for line in lines[at + 1 : end]]
        above = lines[at - 1] if at else ""
        blocks.append(_block(page, at + 2, opening["info"], "\n".join(body) + "\n", above))
        at = end + 1
    return blocks


def _closing(lines: list[str], start: int, opening: re.Match[str], page: str) -> int:
    fence = opening["fence"]
    closing = re.compile(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for at in range(start + 1, len(lines)):
        if closing.match(lines[at]):
            return at
    raise SnippetError(f"{page}:{start + 1}: this fence is never closed")


def _outdented(line: str, indent: str) -> str:
    return line.removeprefix(indent) if line.strip() else ""


def _block(page: str, line: int, info: str, text: str, above: str) -> Block:
    place = f"{page}:{line - 1}"
    name = info.split()[0] if info.strip() else ""
    if name not in set(Label):
        allowed = ", ".join(Label)
        raise SnippetError(f"{place}: a block labelled {name!r} would not be run; use {allowed}")
    label = Label(name)
    directive = _DIRECTIVE.match(above)
    if directive is None:
        return Block(page, line, label, text)
    word, value = directive["word"], directive["value"]
    if word == "file":
        return Block(page, line, label, text, file=_inside(value, place))
    if label is not Label.SH:
        raise SnippetError(f"{place}: {word!r} is for sh blocks")
    if word == "background":
        return Block(page, line, label, text, background=True, until=value)
    if value != "repository":
        raise SnippetError(f"{place}: a block runs at the repository, or says nothing")
    return Block(page, line, label, text, at_repository=True)


def _inside(path: str | None, place: str) -> str:
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise SnippetError(f"{place}: {path!r} is not a file of the page's own directory")
    return path


def unused_files(blocks: list[Block]) -> list[Block]:
    """Return the Python files that no other block of the page runs or imports."""
    return [
        block
        for block in blocks
        if block.file and block.label is Label.PYTHON and not _mentioned(block, blocks)
    ]


def _mentioned(block: Block, blocks: list[Block]) -> bool:
    path = PurePosixPath(block.file or "")
    module = ".".join(path.with_suffix("").parts)
    names = {str(path), module, module.removesuffix(".__init__")}
    if path.name == "__init__.py":
        names.add(path.parent.name)
    word = re.compile("|".join(rf"(?<![\w./]){re.escape(name)}(?!\w)" for name in names))
    return any(word.search(other.text) for other in blocks if other is not block)
