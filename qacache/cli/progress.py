"""The progress display: how far a run is, how fast, and what holds it up. Terminals only, on stderr."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qacache.cli.run import rate_text
from qacache.cli.tables import length_text
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from qacache.cli.run import Run

_BAR_WIDTH = 30
# a probe that takes longer than most is worth a line
_SLOW_S = 1.0


def progress_display(run: Run, expected: int | None, is_stopping: Callable[[], bool]) -> Live:
    """Return the display of `run`, a context manager; `expected` is how many files there will be, where known."""
    return live(_Display(run, expected, is_stopping).render)


def live(render: Callable[[], RenderableType]) -> Live:
    """Return the display of what `render` returns, again and again: on stderr, gone when it ends."""
    return Live(
        get_renderable=render,
        console=Console(stderr=True),
        refresh_per_second=8,
        transient=True,
        # around the display, what is printed passes through it; into a file or a pipe, it must not
        redirect_stdout=sys.stdout.isatty(),
    )


class _Display:
    def __init__(self, run: Run, expected: int | None, is_stopping: Callable[[], bool]) -> None:
        self._run = run
        self._expected = expected
        self._is_stopping = is_stopping
        self._began = time.monotonic()

    def render(self) -> Group:
        summary = self._run.summary
        elapsed_s = time.monotonic() - self._began
        rate = summary.done / elapsed_s if elapsed_s else 0.0
        total = max(self._expected, summary.found, summary.done) if self._expected else None
        first = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=total, completed=summary.done, width=_BAR_WIDTH, pulse=total is None)
        first.add_row(bar, Text(self._times(summary.done, total, rate, elapsed_s)))
        counts = Text.assemble(
            f"{summary.found:,} found",
            f"  {summary.unchanged:,} unchanged  {summary.reused:,} reused  {summary.probed:,} probed  ",
            (f"{summary.failed:,} failed", "red" if summary.failed else ""),
        )
        return Group(first, counts, self._last_line())

    def _times(self, done: int, total: int | None, rate: float, elapsed_s: float) -> str:
        parts = [f"{done:,}" if total is None else f"{done:,} of {total:,}", rate_text(rate)]
        if total is None:
            parts.append(length_text(elapsed_s))
        elif rate:
            parts.append(f"{length_text((total - done) / rate)} left")
        return " · ".join(parts)

    def _last_line(self) -> Text:
        if self._is_stopping():
            return Text("stopping: storing what is finished", style="yellow")
        slowest = self._run.slowest()
        if slowest is None and self._run.summary.done < self._run.summary.found:
            return Text("waiting for files that were written to a moment ago", style="dim")
        if slowest is None or slowest[1] < _SLOW_S:
            return Text()
        path, seconds = slowest
        # the name comes first: it is the folder that may be cut off
        folder, name = os.path.split(path)
        line = f"{seconds:.0f} s: {printable(name)} in {printable(folder)}"
        return Text(line, style="dim", no_wrap=True, overflow="ellipsis")
