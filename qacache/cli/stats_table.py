"""The statistics with bars, for people on a terminal."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from rich.bar import Bar
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qacache.cli.tables import size_text
from qacache.store.stats import Amount
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from qacache.store.stats import Statistics

_TITLES = {
    "video_codec": "codec",
    "resolution": "resolution",
    "orientation": "orientation",
    "hdr": "dynamic range",
    "format_name": "container",
}
_NO_ROOT, _NONE = "(in no root)", "(none)"

# (columns of the terminal, columns of the table): what comes last is left out where there would be no room for names
_ROOM = ((76, 6), (52, 4), (0, 3))
# (columns of the terminal, columns of a bar); what is usually the longest name, mov,mp4,m4a,3gp,3g2,mj2, is to fit
_BARS = ((100, 30), (84, 20), (0, 14))
_MOST_ROWS = 12

_LEAST_SHARE = 0.01

_MINUTE_S, _HOUR_S, _HOUR_MIN = 60, 3600, 60
_MANY_HOURS = 100


def write_statistics(found: Statistics) -> None:
    """Print the totals, and a table of what they are made of: each section has bars by the shares of its bytes."""
    console = Console()
    if not found.total.files and not found.vanished.files:
        console.print("nothing is stored yet; scan a folder: qacache scan FOLDER", highlight=False)
        return
    console.print(Text(_headline(found)), soft_wrap=True)
    columns = next(count for width, count in _ROOM if console.width >= width)
    bar_columns = next(count for width, count in _BARS if console.width >= width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(overflow="fold", min_width=12)
    for justify in ("right", "right", "right", "left", "right")[: columns - 1]:
        table.add_column(justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for title, amounts in _sections(found):
        table.add_row()
        table.add_row(*(Text(word, "bold") for word in (title, "files", "size", "length", "", "")[:columns]))
        whole = sum(amount.size for amount in amounts.values())
        for name, amount in _shown(amounts):
            table.add_row(*_cells(name, amount, whole, bar_columns)[:columns])
    console.print(table)


def hours_text(seconds: float) -> str:
    """Return how long something plays, as one says it of many films: `1,234 h`, `2.5 h`, `12 min` or `7 s`."""
    if round(seconds) < _MINUTE_S:
        return f"{seconds:.0f} s"
    if round(seconds / _MINUTE_S) < _HOUR_MIN:
        return f"{seconds / _MINUTE_S:.0f} min"
    hours = seconds / _HOUR_S
    return f"{hours:,.1f} h" if round(hours, 1) < _MANY_HOURS else f"{hours:,.0f} h"


def _headline(found: Statistics) -> str:
    total = found.total
    files = f"{total.files:,} {'file' if total.files == 1 else 'files'}"
    others = ((total.files - found.ok.files, "failed"), (found.vanished.files, "vanished"))
    parts = [files, size_text(total.size), hours_text(total.duration_s)]
    return " · ".join((*parts, *(f"{count:,} {state}" for count, state in others if count)))


def _sections(found: Statistics) -> Iterator[tuple[str, Mapping[str, Amount]]]:
    roots = {_NO_ROOT if root is None else os.fsdecode(root): amount for root, amount in found.roots.items()}
    facets = (
        (_TITLES[facet], {value or _NONE: amount for value, amount in amounts.items()})
        for facet, amounts in found.facets.items()
    )
    yield from (each for each in (("root", roots), *facets, ("failed", found.failures)) if each[1])


def _shown(amounts: Mapping[str, Amount]) -> Iterator[tuple[str, Amount]]:
    """Yield the rows of a section, the last ones as one where they are many."""
    most = len(amounts) if len(amounts) <= _MOST_ROWS else _MOST_ROWS - 1
    rows = iter(amounts.items())
    yield from islice(rows, most)
    rest = Amount()
    for _, amount in rows:
        rest = rest.plus(amount)
    if rest.files:
        yield f"({len(amounts) - most:,} more)", rest


def _cells(name: str, amount: Amount, whole: int, bar_columns: int) -> tuple[RenderableType, ...]:
    share = amount.size / whole if whole else 0.0
    return (
        Text(printable(name)),
        f"{amount.files:,}",
        size_text(amount.size),
        hours_text(amount.duration_s),
        Bar(1.0, 0.0, share, width=bar_columns, color="cyan"),
        "<1%" if 0 < share < _LEAST_SHARE else f"{share:.0%}",
    )
