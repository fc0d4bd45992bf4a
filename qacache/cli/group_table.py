"""The table of groups of copies, for people on a terminal."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from qacache.cli.tables import common_folder, new_table, size_text, write_below
from qacache.store.duplicates import Totals
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.table import Table

    from qacache.duplicates.groups import Group

# of one group
_MOST_PATHS = 10


def write_table(groups: Iterable[Group], most: int, expected: Totals | None) -> None:
    """Print at most `most` of the groups (0: all), below the folder that their files have in common, and what all are.

    Where that is `expected` already, no more are read than are printed.
    """
    shown, totals = _read(groups, most, expected)
    console = Console()
    if not shown:
        console.print("no duplicates found")
        return
    folder = common_folder(path for group in shown for copy in group.copies for path in copy.paths)
    write_below(console, folder, _table(shown, folder))
    if totals.groups > len(shown):
        left_out = _count(totals.groups - len(shown), "more group")
        console.print(f"... and {left_out}: --limit 0 lists all", highlight=False)
    console.print(_summary(totals, are_verified=shown[0].is_verified), highlight=False, soft_wrap=True)


def _read(groups: Iterable[Group], most: int, expected: Totals | None) -> tuple[list[Group], Totals]:
    if expected:
        return list(islice(groups, most or None)), expected
    shown: list[Group] = []
    copies = size = wasted = count = 0
    for count, group in enumerate(groups, start=1):
        if not most or count <= most:
            shown.append(group)
        copies += len(group.copies)
        size += len(group.copies) * group.size
        wasted += group.wasted
    return shown, Totals(count, copies, size, wasted)


def _table(groups: Iterable[Group], folder: bytes) -> Table:
    table = new_table()
    for name in ("wasted", "size", "copies"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("files", overflow="fold", min_width=20)
    for group in groups:
        names = list(_names(group, folder))
        if len(names) > _MOST_PATHS:
            names[_MOST_PATHS - 1 :] = [Text(f"... and {len(names) - _MOST_PATHS + 1:,} more", "dim")]
        numbers = size_text(group.wasted), size_text(group.size), f"{len(group.copies):,}"
        table.add_row(*numbers, Text("\n").join(names))
    return table


def _names(group: Group, folder: bytes) -> Iterator[Text]:
    for copy in group.copies:
        first, *others = (printable(os.path.relpath(path, folder)) for path in copy.paths)
        yield Text(first)
        for other in others:
            yield Text.assemble(other, (" (the same file)", "dim"))


def _summary(totals: Totals, *, are_verified: bool) -> str:
    spare = totals.copies - totals.groups
    what = f"{size_text(totals.wasted)} wasted by {_count(spare, 'copy', 'copies')} in {_count(totals.groups, 'group')}"
    if are_verified:
        return f"{what}: all equal, byte for byte"
    return f"{what}\ncandidates, by size and samples: --verify reads the files"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
