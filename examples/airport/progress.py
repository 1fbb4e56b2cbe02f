"""How far it is, for a terminal or for a log."""

import sys
from time import perf_counter

WIDTH = 40


class Bar:
    """A bar that fills; where nobody watches, a line for each tenth."""

    def __init__(self) -> None:
        self._watched = sys.stdout.isatty()
        self._began: float | None = None
        self._told = -1

    def show(self, done: int, total: int) -> None:
        """Show that so much of it is done."""
        if self._began is None:
            self._began = perf_counter()
        percent = 100 * done // max(total, 1)
        seconds = perf_counter() - self._began
        rate = f"{done / seconds:,.0f}/s" if seconds > 0.5 else ""
        text = f"{percent:3d} %  {done:,} of {total:,} events  {rate}"
        if self._watched:
            filled = WIDTH * done // max(total, 1)
            print(f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {text:<60}", end="", flush=True)
        elif percent // 10 > self._told:
            self._told = percent // 10
            print(text.rstrip(), flush=True)

    def end(self) -> None:
        """Go on below the bar."""
        if self._watched:
            print(flush=True)
