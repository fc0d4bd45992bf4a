"""Groups: copies of one content, and what they waste.

In: what the store takes for copies, or what was proven. Out: the same in one shape, for people and programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.record import path_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from qacache.store.duplicates import StoredGroup


class Copy(NamedTuple):
    """One file, by all the names that are known of it: hard links have several. `paths` are in order."""

    paths: list[bytes]
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one content of `size` bytes, in the order of their first paths.

    Of those that are not `is_verified`, samples alone were compared: `digest` is that of the samples.
    """

    digest: bytes
    size: int
    copies: Sequence[Copy]
    is_verified: bool

    @property
    def wasted(self) -> int:
        """How many bytes all copies but one take."""
        return (len(self.copies) - 1) * self.size


def candidates(stored: StoredGroup) -> Group:
    """Return what the store takes for copies of one content."""
    copies: dict[tuple[int, int], Copy] = {}
    for _, path, mtime_ns, device, inode in stored.files:
        if (device, inode) in copies:
            copies[device, inode].paths.append(path)
        else:
            copies[device, inode] = Copy([path], mtime_ns)
    return Group(stored.digest, stored.size, list(copies.values()), is_verified=False)


def group_dict(group: Group, kept: Collection[Copy] | None = None) -> dict[str, Any]:
    """Return the group as programs see it, ready for JSON; where copies are `kept`, each file says whether it is.

    Paths with the same number of `copy` are names of one file.
    """
    files = []
    for number, copy in enumerate(group.copies, start=1):
        fate = {} if kept is None else {"keep": copy in kept}
        files += [{**path_fields(path), "mtime_ns": copy.mtime_ns, "copy": number, **fate} for path in copy.paths]
    return {
        "digest": group.digest.hex(),
        "size": group.size,
        "copies": len(group.copies),
        "wasted": group.wasted,
        "verified": group.is_verified,
        "files": files,
    }


class ByWaste:
    """Puts groups in order, those that waste most first, while most of them come in that order."""

    def __init__(self) -> None:
        self._held: list[tuple[int, int, Group]] = []
        self._count = 0

    def add(self, groups: Sequence[Group]) -> None:
        """Hold `groups` until it is their turn."""
        for group in groups:
            self._count += 1
            heappush(self._held, (-group.wasted, self._count, group))

    def ready(self, most: int = 0) -> Iterator[Group]:
        """Yield those whose turn it is, when what is still to come wastes `most` bytes a group."""
        while self._held and -self._held[0][0] >= most:
            yield heappop(self._held)[2]
