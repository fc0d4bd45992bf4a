"""Long work on records: a line on the terminal says how far it is, and whatever ends it leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    Item = TypeVar("Item")
    Tell = Callable[[int, float | None], None]

_BAR_WIDTH = 30
_STEP = 500


@contextmanager
def counting(*, quiet: bool = False) -> Iterator[Tell]:
    """Show what the block tells: how many records by now, and which share of the whole that is, None where unknown.

    Terminals only, on stderr, and nothing where it is `quiet`. SIGTERM, and the end of the terminal, interrupt the
    block as Ctrl-C does.
    """
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup(1) wants it to go on
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        with _display(quiet) as tell:
            yield tell
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def counted(items: Iterable[Item], tell: Tell) -> Iterator[Item]:
    """Yield `items`, and tell their count now and then."""
    for count, item in enumerate(items, 1):
        if count % _STEP == 0:
            tell(count, None)
        yield item


@contextmanager
def _display(quiet: bool) -> Iterator[Tell]:
    if quiet or not sys.stderr.isatty():
        yield lambda count, share: None
        return
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from qacache.cli.progress import live
    from qacache.cli.tables import length_text

    count = 0
    share: float | None = None
    began = time.monotonic()

    def render() -> Table:
        elapsed_s = time.monotonic() - began
        parts = [f"{count:,} records", f"{count / elapsed_s if elapsed_s else 0:,.0f}/s"]
        parts.append(f"{length_text(elapsed_s / share - elapsed_s)} left" if share else length_text(elapsed_s))
        bar = ProgressBar(total=None if share is None else 1.0, completed=share or 0, width=_BAR_WIDTH)
        row = Table.grid(padding=(0, 1))
        row.add_row(bar, Text(" · ".join(parts)))
        return row

    def tell(new_count: int, new_share: float | None) -> None:
        nonlocal count, share
        count, share = new_count, new_share

    with live(render):
        yield tell
