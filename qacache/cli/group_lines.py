"""Groups of copies as lines: for programs, and for whoever removes what is not to be kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qacache.cli.raw_output import write_paths
from qacache.duplicates.groups import group_dict
from qacache.text import json_line, tsv_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qacache.duplicates.groups import Group
    from qacache.duplicates.keeping import Keeper

COLUMNS = ("group", "wasted", "size", "copies", "verified", "copy", "path")


def write_json(groups: Iterable[Group], keeper: Keeper | None) -> None:
    """Print groups as JSON; where there is a `keeper`, each file says whether it stays."""
    for group in groups:
        sys.stdout.write(json_line(group_dict(group, keeper.kept(group) if keeper else None)))


def write_tsv(groups: Iterable[Group]) -> None:
    """Print a line a path; those with the same number of `copy`, within a group, are names of one."""
    sys.stdout.write(tsv_line(COLUMNS))
    for number, group in enumerate(groups, start=1):
        head = (number, group.wasted, group.size, len(group.copies), "yes" if group.is_verified else "no")
        for copy_number, copy in enumerate(group.copies, start=1):
            sys.stdout.writelines(tsv_line((*head, copy_number, path)) for path in copy.paths)


def write_rest(groups: Iterable[Group], keeper: Keeper, *, with_nul: bool) -> int:
    """Print the paths of the copies that do not stay, ended by line breaks, or by NUL; return how many had no room."""
    paths = (path for group in groups for copy in keeper.rest(group) for path in copy.paths)
    return write_paths(paths, b"\0" if with_nul else b"\n")
