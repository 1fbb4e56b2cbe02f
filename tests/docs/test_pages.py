"""Every block of every page runs."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE_SECONDS = 150.0


PAGES = [
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/*/README.md")
    for page in sorted(REPOSITORY.glob(pattern))
]


@pytest.mark.timeout(PAGE_SECONDS + 30)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_block_of_the_page_runs(page: Path, count_blocks: Callable[[str, int], None]) -> None:
    status, output = run_page(page)
    assert status == 0, output
    count_blocks(str(page), int(output.splitlines()[-1]))


def run_page(page: Path) -> tuple[int, str]:
    """Run the page in an interpreter of its own; it ends its own processes when told to stop."""
    command = [sys.executable, "-W", "error", "-m", "tests.docs.page", str(page)]
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=PAGE_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            output, _ = process.communicate(timeout=25)
            output += f"\nstill running after {PAGE_SECONDS:g} s"
        finally:
            process.kill()
    return process.returncode, output
