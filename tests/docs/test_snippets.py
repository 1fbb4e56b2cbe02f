"""The extractor finds what a reader sees, and refuses what nobody would run."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.docs.snippets import Block, Label, SnippetError, blocks_of, unused_files
from tests.docs.test_pages import run_page


def page(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def only(*lines: str) -> Block:
    (block,) = blocks_of(page(*lines), "page.md")
    return block


def test_block_keeps_its_text_its_label_and_its_line() -> None:
    block = only("# Title", "", "```python", "a = 1", "", "b = 2", "```")
    assert (block.label, block.text, block.line) == (Label.PYTHON, "a = 1\n\nb = 2\n", 4)


def test_blocks_come_in_the_order_of_the_page() -> None:
    found = blocks_of(page("```sh", "ls", "```", "text", "```json", "{}", "```"), "page.md")
    assert [block.label for block in found] == [Label.SH, Label.JSON]


def test_words_after_the_label_are_not_part_of_it() -> None:
    assert only('```python title="app.py"', "pass", "```").label is Label.PYTHON


def test_indented_block_loses_its_indentation() -> None:
    assert only("- item", "", "    ```python", "    if a:", "        b", "    ```").text == (
        "if a:\n    b\n"
    )


def test_longer_fence_may_hold_a_shorter_one() -> None:
    assert only("````text", "```python", "broken(", "```", "````").label is Label.TEXT


def test_block_inside_a_comment_is_hidden_set_up() -> None:
    assert only("<!--", "```python", "a = 1", "```", "-->").text == "a = 1\n"


@pytest.mark.parametrize(
    "label", ["", "bash", "console", "pycon", "shell", "py", "Python", "{.py}"]
)
def test_any_other_label_is_refused_with_its_place(label: str) -> None:
    with pytest.raises(SnippetError, match=r"page\.md:2: a block labelled"):
        blocks_of(page("", f"```{label}", "x", "```"), "page.md")


def test_tildes_are_fences_too() -> None:
    with pytest.raises(SnippetError, match="bash"):
        blocks_of(page("~~~bash", "x", "~~~"), "page.md")


def test_unclosed_fence_is_refused() -> None:
    with pytest.raises(SnippetError, match=r"page\.md:1: .* never closed"):
        blocks_of(page("```python", "x"), "page.md")


def test_file_comment_names_where_the_block_is_written() -> None:
    assert only("<!-- file: users/app.py -->", "```python", "x", "```").file == "users/app.py"


@pytest.mark.parametrize("path", ["/etc/passwd", "../app.py", "a/../../b.py", ""])
def test_file_outside_the_pages_directory_is_refused(path: str) -> None:
    with pytest.raises(SnippetError, match="own directory"):
        blocks_of(page(f"<!-- file: {path} -->", "```python", "x", "```"), "page.md")


def test_background_comment_says_what_to_wait_for() -> None:
    block = only("<!-- background until: ready in -->", "```sh", "serve", "```")
    assert (block.background, block.until) == (True, "ready in")


def test_background_comment_may_wait_for_nothing() -> None:
    assert only("<!-- background -->", "```sh", "serve", "```").until is None


def test_python_does_not_run_in_the_background() -> None:
    with pytest.raises(SnippetError, match="sh blocks"):
        blocks_of(page("<!-- background -->", "```python", "serve()", "```"), "page.md")


def test_block_may_run_at_the_repository() -> None:
    assert only("<!-- at: repository -->", "```sh", "make", "```").at_repository


def test_block_runs_nowhere_else() -> None:
    with pytest.raises(SnippetError, match="at the repository"):
        blocks_of(page("<!-- at: home -->", "```sh", "ls", "```"), "page.md")


def test_comment_further_up_says_nothing_about_a_block() -> None:
    assert only("<!-- file: a.py -->", "", "```python", "x", "```").file is None


def test_file_that_nothing_runs_or_imports_is_found() -> None:
    source = page("<!-- file: users/app.py -->", "```python", "x", "```")
    assert [block.file for block in unused_files(blocks_of(source, "page.md"))] == ["users/app.py"]


@pytest.mark.parametrize(
    "use", ["wireloom run users.app:app", "python users/app.py", "python -m users.app"]
)
def test_file_that_a_later_block_runs_is_used(use: str) -> None:
    source = page("<!-- file: users/app.py -->", "```python", "x", "```", "```sh", use, "```")
    assert unused_files(blocks_of(source, "page.md")) == []


@given(st.text())
def test_any_text_gives_blocks_or_a_snippet_error(text: str) -> None:
    with suppress(SnippetError):
        assert all(block.page == "page.md" for block in blocks_of(text, "page.md"))


def run(tmp_path: Path, *lines: str) -> tuple[int, str]:
    source = tmp_path / "page.md"
    source.write_text(page(*lines), encoding="utf-8")
    return run_page(source)


def test_page_runs_files_servers_shell_and_python_together(tmp_path: Path) -> None:
    status, output = run(
        tmp_path,
        "<!-- file: pkg/serve.py -->",
        "```python",
        "import pathlib, signal",
        "signal.signal(signal.SIGTERM, lambda *_: exit(0))",
        "pathlib.Path('up').touch(); print('ready to serve')",
        "signal.pause()",
        "```",
        "<!-- background until: ready -->",
        "```sh",
        "python -m pkg.serve",
        "```",
        "```sh",
        "test -f up",
        "```",
        "```python",
        "import asyncio, contextlib",
        "asyncio.run(asyncio.sleep(0))",
        "scope = contextlib.AsyncExitStack()",
        "```",
        "```python",
        "await scope.enter_async_context(asyncio.timeout(5))",
        "```",
        "```python",
        "await scope.aclose()",
        "```",
    )
    assert (status, output.splitlines()[-1]) == (0, "6"), output


@pytest.mark.parametrize(
    ("label", "line"),
    [
        ("python", "raise ValueError('boom')"),
        ("python", "import warnings; warnings.warn('boom')"),
        ("sh", "echo boom; false; true"),
        ("sh", "echo boom; false | true"),
        ("sh", "echo boom $UNSET"),
        ("json", "{boom"),
        ("toml", "boom"),
        ("yaml", "boom: [1"),
        ("bash", "boom"),
    ],
)
def test_page_with_a_broken_block_fails_and_says_where(
    tmp_path: Path, label: str, line: str
) -> None:
    status, output = run(tmp_path, "", f"```{label}", line, "```")
    assert status != 0
    assert "page.md" in output


def test_server_that_dies_early_fails_its_page(tmp_path: Path) -> None:
    status, output = run(tmp_path, "<!-- background until: ready -->", "```sh", "echo no", "```")
    assert status != 0
    assert "never printed 'ready'" in output
