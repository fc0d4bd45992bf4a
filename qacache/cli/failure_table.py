"""The table of failures, for people on a terminal."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qacache.moments import relative_time
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qacache.store.ledger import FailedFile

_HEADERS = ("file", "reason", "next try", "tries", "message", "failed", "stage", "by")
# (columns of the terminal, headers): what comes last is left out where there would be no room for names
_ROOM = ((150, 8), (72, 5), (0, 2))


def write_failures(listed: Iterable[FailedFile], now_ms: int) -> None:
    """Print failures as a table, below the folder that they have in common, and how many there are by reason."""
    failures = list(listed)
    console = Console()
    if not failures:
        console.print("no failures")
        return
    folder = os.path.commonpath([os.path.dirname(each.path) for each in failures])
    if folder != b"/":
        console.print(Text(printable(folder), "dim"), soft_wrap=True)
    headers = _HEADERS[: next(count for width, count in _ROOM if console.width >= width)]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in headers:
        if name in {"file", "message"}:
            table.add_column(name, overflow="fold", min_width=20)
        else:
            table.add_column(name, no_wrap=True, justify="right" if name == "tries" else "left")
    for each in failures:
        table.add_row(*_cells(each, folder, now_ms)[: len(headers)])
    console.print(table)
    console.print(Text(_counts(failures)), soft_wrap=True)


def _cells(failed: FailedFile, folder: bytes, now_ms: int) -> list[Text]:
    path, stage, reason, message, attempts, failed_ms, next_retry_ms, prober = failed
    return [
        Text(printable(os.path.relpath(path, folder))),
        Text(printable(reason), "red"),
        Text(relative_time(next_retry_ms, now_ms) if failed.is_waiting(now_ms) else "next scan"),
        Text(f"{attempts:,}"),
        Text(printable(message)),
        Text(relative_time(failed_ms, now_ms)),
        Text(stage),
        Text(printable(prober or "")),
    ]


def _counts(failures: Iterable[FailedFile]) -> str:
    reasons = Counter(each.reason for each in failures)
    total = reasons.total()
    of_each = " · ".join(f"{count:,} {printable(reason)}" for reason, count in reasons.most_common())
    return f"{total:,} {'failure' if total == 1 else 'failures'}: {of_each}"
