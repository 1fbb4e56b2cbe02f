"""Run every block of one page, in order: `python -m tests.docs.page README.md`.

The page gets a directory and an interpreter of its own, and its Python blocks share one module.
Blocks that await at their top level share one task too, so that `async with` may be entered in one
and left in another; the others run in a thread, so that they may call `asyncio.run` or block.
The last line printed is the number of blocks that ran.
"""

import ast
import asyncio
import inspect
import json
import os
import signal
import sys
import tempfile
import tomllib
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import CodeType, FrameType, ModuleType

import yaml

from tests.docs.shell import Shell, shell
from tests.docs.snippets import RUNNABLE, Block, Label, SnippetError, blocks_of, unused_files

REPOSITORY = Path(__file__).resolve().parents[2]
PARSERS: dict[Label, Callable[[str], object]] = {
    Label.JSON: json.loads,
    Label.TOML: tomllib.loads,
    Label.YAML: yaml.safe_load,
}


class Page:
    """The directory, the module and the background processes of one page."""

    def __init__(self, source: Path, directory: Path, cleanup: ExitStack) -> None:
        self._source = source
        self._directory = directory
        self._cleanup = cleanup
        self._module = ModuleType("page")
        self._background: list[Shell] = []
        sys.modules["page"] = self._module

    async def run(self, blocks: list[Block]) -> int:
        """Run the blocks in order and return how many there were to run."""
        for block in blocks:
            print(f"{block.place}: {block.label}", flush=True)  # noqa: T201 - shown when a block fails
            await self._run(block)
        for process in self._background:
            process.check_running()
        return sum(block.label in RUNNABLE for block in blocks)

    async def _run(self, block: Block) -> None:
        if block.label in PARSERS:
            PARSERS[block.label](block.text)
        if block.file:
            self._write(block.file, block.text)
        elif block.background:
            self._start(block)
        elif block.label is Label.SH:
            await asyncio.to_thread(self._sh, block)
        elif block.label is Label.PYTHON:
            await self._python(block)

    def _write(self, name: str, text: str) -> None:
        file = self._directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _start(self, block: Block) -> None:
        process = self._cleanup.enter_context(shell(block, self._directory))
        self._background.append(process)
        if block.until:
            process.wait_for(block.until)

    def _sh(self, block: Block) -> None:
        with shell(block, REPOSITORY if block.at_repository else self._directory) as process:
            process.finish()

    async def _python(self, block: Block) -> None:
        code = self._compiled(block)
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, vars(self._module))
        else:
            await asyncio.to_thread(exec, code, vars(self._module))

    def _compiled(self, block: Block) -> CodeType:
        padded = "\n" * (block.line - 1) + block.text  # tracebacks then show the page's lines
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code: CodeType = compile(padded, str(self._source), "exec", flags=flags, dont_inherit=True)
        return code


def main(source: Path) -> None:
    signal.signal(signal.SIGTERM, _leave)
    name = str(source.relative_to(REPOSITORY)) if source.is_relative_to(REPOSITORY) else source.name
    blocks = blocks_of(source.read_text(encoding="utf-8"), name)
    for block in unused_files(blocks):
        raise SnippetError(
            f"{block.place}: {block.file} is written, and no block runs or imports it"
        )
    with ExitStack() as cleanup:
        directory = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="page-")))
        os.chdir(directory)
        sys.path.insert(0, str(directory))
        count = asyncio.run(Page(source, directory, cleanup).run(blocks))
    print(count)  # noqa: T201 - the result that the test reads


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(f"stopped by signal {signum}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve())
    except SnippetError as error:
        sys.exit(str(error))
    except Exception:  # noqa: BLE001 - whatever a block raises fails its page
        traceback.print_exc()
        sys.exit(1)
