"""The progress display of a verification: how much is read, how fast, and how much is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qacache.cli.progress import live
from qacache.cli.tables import length_text, size_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.live import Live

    from qacache.duplicates.verification import Verification
    from qacache.store.duplicates import Totals

_BAR_WIDTH = 30


def verify_display(run: Verification, expected: Totals, is_stopping: Callable[[], bool]) -> Live:
    """Return the display of `run`, a context manager; `expected` is what the candidates come to."""
    return live(_Display(run, expected, is_stopping).render)


class _Display:
    def __init__(self, run: Verification, expected: Totals, is_stopping: Callable[[], bool]) -> None:
        self._run = run
        self._expected = expected
        self._is_stopping = is_stopping
        self._began = time.monotonic()

    def render(self) -> Group:
        if self._is_stopping():
            return Group(Text("stopping: storing what is proven", style="yellow"))
        done, total = min(self._run.bytes_done, self._expected.size), self._expected.size
        first = Table.grid(padding=(0, 1))
        first.add_row(ProgressBar(total=total, completed=done, width=_BAR_WIDTH), Text(self._times(done, total)))
        groups = f"{self._run.groups_done:,} of {self._expected.groups:,} groups compared"
        return Group(first, Text(groups, style="dim"))

    def _times(self, done: int, total: int) -> str:
        elapsed_s = time.monotonic() - self._began
        parts = [f"{size_text(done)} of {size_text(total)}"]
        if elapsed_s and self._run.bytes_read:
            parts.append(f"{size_text(int(self._run.bytes_read / elapsed_s))}/s")
            parts.append(f"{length_text((total - done) * elapsed_s / done)} left")
        return " · ".join(parts)
