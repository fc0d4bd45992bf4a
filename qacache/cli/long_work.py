"""Long work without events: a line on the terminal says how far it is; it is interrupted where that does no harm."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qacache.cli.signals import stop_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.store.backup.jobs import Tell

_BAR_WIDTH = 30


@contextmanager
def long_work() -> Iterator[Tell]:
    """Show what the block tells: what is being done, how many bytes of it, and of how many (0: nobody knows).

    Terminals only, on stderr. Ctrl-C, SIGTERM and the end of the terminal interrupt the block when it tells something,
    which it does often, so that it can tidy up; the second one does so at once.
    """
    is_interrupted = False

    def interrupt() -> None:
        nonlocal is_interrupted
        is_interrupted = True

    with stop_signals(interrupt), _display() as show:

        def tell(step: str, done: int, total: int) -> None:
            if is_interrupted:
                raise KeyboardInterrupt
            show(step, done, total)

        yield tell


@contextmanager
def _display() -> Iterator[Tell]:
    if not sys.stderr.isatty():
        yield lambda step, done, total: None
        return
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from qacache.cli.progress import live
    from qacache.cli.tables import size_text

    latest, began = ("", 0, 0), time.monotonic()

    def render() -> Table:
        step, done, total = latest
        bar = ProgressBar(total=total or None, completed=done, width=_BAR_WIDTH, pulse=not total)
        amount = f"{size_text(done)} of {size_text(total)}" if total else f"{time.monotonic() - began:.0f} s"
        row = Table.grid(padding=(0, 1))
        row.add_row(bar, Text(f"{step} · {amount}" if step else ""))
        return row

    def show(step: str, done: int, total: int) -> None:
        nonlocal latest, began
        if step != latest[0]:
            began = time.monotonic()
        latest = step, done, total

    with live(render):
        yield show
