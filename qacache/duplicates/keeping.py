"""Keeping: which copy of a group is to stay.

In: a group, and a rule. Out: the copies that stay, at least one. What stays is a file with all its names: none of them
is waste.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, assert_never

from qacache.paths import as_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.duplicates.groups import Copy, Group


class Rule(StrEnum):
    """Which copy stays; of several that fit, the one whose path comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SHORTEST_PATH = "shortest-path"
    LONGEST_PATH = "longest-path"
    FIRST_PATH = "first-path"


class Keeper(NamedTuple):
    """Says what stays: all that is at or below one of `places`, as the store has them, or else what the rule says."""

    rule: Rule
    places: Sequence[bytes] = ()

    def kept(self, group: Group) -> list[Copy]:
        """Return the copies that stay: all that have a name in one of the places, or else the one of the rule."""
        inside = [copy for copy in group.copies if any(_is_in(path, self.places) for path in copy.paths)]
        return inside or [min(group.copies, key=lambda copy: (_rank(copy, self.rule), copy.paths[0]))]

    def rest(self, group: Group) -> list[Copy]:
        """Return the copies that do not stay."""
        kept = self.kept(group)
        return [copy for copy in group.copies if copy not in kept]


def _is_in(path: bytes, places: Sequence[bytes]) -> bool:
    return any(path == place or path.startswith(as_folder(place)) for place in places)


def _rank(copy: Copy, rule: Rule) -> int:
    match rule:
        case Rule.NEWEST:
            return -copy.mtime_ns
        case Rule.OLDEST:
            return copy.mtime_ns
        case Rule.SHORTEST_PATH:
            return min(len(path) for path in copy.paths)
        case Rule.LONGEST_PATH:
            return -max(len(path) for path in copy.paths)
        case Rule.FIRST_PATH:
            return 0
        case _:
            assert_never(rule)
