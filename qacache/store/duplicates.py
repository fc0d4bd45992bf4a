"""Duplicates: what the store takes for copies of one another, by size and digest.

In: what to leave out. Out: groups of files, those that waste most first, and what all of them come to. Hard links are
names of one copy and waste nothing. Each query is short, as those of `qacache.store.reader` are: the first one notes
the groups in a temporary table, by which their files are then read in pages. Who wants one page of groups alone names
where the one before it ended: nothing is kept between the two.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Self

from qacache.selection import Selection
from qacache.store import criteria
from qacache.store.criteria import Condition
from qacache.store.database import explained, open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Position = tuple[int, bytes, int]

# groups
_PAGE = 500
_LARGEST = (1 << 63) - 1

_CANDIDATES = "file.digest IS NOT NULL AND file.status <> 'vanished'"

_MAKE = """
CREATE TEMP TABLE duplicate (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL, size INTEGER NOT NULL, copies INTEGER NOT NULL
)
"""

_FILL = """
INSERT INTO temp.duplicate (digest, size, copies)
SELECT file.digest, file.size, count(DISTINCT file.device || ' ' || file.inode) AS copies
FROM file
WHERE {condition}
GROUP BY file.digest, file.size
HAVING copies > 1
ORDER BY (copies - 1) * file.size DESC, file.digest, file.size
"""

# CROSS keeps SQLite from reading all files first
_SELECT = """
SELECT duplicate.id, duplicate.digest, duplicate.size, file.id, file.path, file.mtime_ns, file.device, file.inode
FROM temp.duplicate CROSS JOIN file ON file.digest = duplicate.digest AND file.size = duplicate.size
WHERE duplicate.id > ? AND duplicate.id <= ? AND {condition}
ORDER BY duplicate.id, file.path
"""

# as they are in order, the ids are without gaps
_COUNT_UP_TO = "SELECT count(*) FROM temp.duplicate WHERE ((1 - copies) * size, digest, size) <= (-?, ?, ?)"
_POSITION = "SELECT (copies - 1) * size, digest, size FROM temp.duplicate WHERE id = ?"

_group_of = itemgetter(0, 1, 2)


class Totals(NamedTuple):
    """What groups come to: how many there are, and in them copies, and bytes; `wasted` are those of all but one."""

    groups: int
    copies: int
    size: int
    wasted: int


class StoredFile(NamedTuple):
    """A file of a group, as the store has it."""

    file_id: int
    path: bytes
    mtime_ns: int
    device: int
    inode: int


class StoredGroup(NamedTuple):
    """Files of one size and digest, in path order."""

    digest: bytes
    size: int
    files: Sequence[StoredFile]


class Page(NamedTuple):
    """Some groups in order, and the position to go on from: None where no group comes after them."""

    groups: list[StoredGroup]
    position: Position | None


class Duplicates:
    """Reads the groups of one store. Owns its connection, which belongs to the thread that made it.

    Files of less than `min_size` bytes are left out; where `under` names files and folders, as the store has them, so
    is all that is at or below none of them. Raises as `open_reader`; all methods raise `StoreError`s.
    """

    def __init__(self, path: str, *, min_size: int = 1, under: Sequence[bytes] = ()) -> None:
        self.path = path
        # what is empty is no copy of anything
        chosen = [Condition(_CANDIDATES), Condition("file.size >= ?", (max(min_size, 1),))]
        ranges = criteria.path_ranges(Selection(under=tuple(under)))
        self._fits = criteria.all_of([*chosen, criteria.within(ranges)] if ranges else chosen)
        if ranges:
            below = criteria.in_ranges(ranges)
            # the index of digests has the ids, but no paths
            chosen.append(Condition(f"file.id IN ({below.sql})", below.values))
        fill = criteria.all_of(chosen)
        self._connection = open_reader(path)
        try:
            with explained(path):
                self._connection.execute(_MAKE)
                self._connection.execute(_FILL.format(condition=fill.sql), fill.values)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def totals(self, most: int | None = None) -> Totals:
        """Return what all groups come to, or those `most` that waste most."""
        with explained(self.path):
            row = self._connection.execute(
                "SELECT count(*), coalesce(sum(copies), 0), coalesce(sum(copies * size), 0), "
                "coalesce(sum((copies - 1) * size), 0) FROM temp.duplicate WHERE id <= ?",
                (_LARGEST if most is None else most,),
            ).fetchone()
        return Totals(*row)

    def groups(self, most: int | None = None) -> Iterator[StoredGroup]:
        """Yield all groups, or `most` of them, those that waste most first.

        Files that are written meanwhile are as they are by then.
        """
        yield from self._between(0, self.totals(most).groups)

    def page(self, limit: int, after: Sequence[object] | None = None) -> Page:
        """Return the first `limit` groups, 1 or more, or those after another page's position.

        A group that wastes something else by now, is where that belongs. One that is none any more leaves a gap.
        """
        with explained(self.path):
            (start,) = self._connection.execute(_COUNT_UP_TO, tuple(after)).fetchone() if after else (0,)
            position = self._connection.execute(_POSITION, (start + limit,)).fetchone()
        count = self.totals().groups
        end = min(start + limit, count)
        return Page(list(self._between(start, end)), position if end < count else None)

    def _between(self, start: int, end: int) -> Iterator[StoredGroup]:
        """Yield the groups after the first `start` ones, up to the one numbered `end`."""
        query = _SELECT.format(condition=self._fits.sql)
        for lower in range(start, end, _PAGE):
            bounds = lower, min(lower + _PAGE, end)
            with explained(self.path):
                rows = self._connection.execute(query, (*bounds, *self._fits.values)).fetchall()
            for (_, digest, size), group in groupby(rows, key=_group_of):
                files = [StoredFile._make(row[3:]) for row in group]
                if len(files) > 1:
                    yield StoredGroup(digest, size, files)
