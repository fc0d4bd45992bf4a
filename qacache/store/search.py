"""Searches: which files fit a `Selection`, in any order, all of them or a page at a time.

First come the ids of what fits, out of one walk of an index that holds all that is looked at; then the rows, in
batches. Of a million files the longest walk takes a tenth of a second. Which one that is depends on the selection:

- few files have the trigrams of its texts: these are looked at, and no others;
- it is about a folder with a part of the library, or in path order: `file_walk`, from there on;
- else `file_size`, which ends early where the largest or the smallest are wanted.
"""

from __future__ import annotations

import time
from array import array
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from qacache.errors import UsageError
from qacache.selection import RANDOM
from qacache.store import criteria, ordering, path_index
from qacache.store.criteria import Condition
from qacache.store.database import explained, open_reader
from qacache.store.ordering import PATH
from qacache.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qacache.selection import Selection, SortKey
    from qacache.store.reader import Found

    Position = Sequence[Any]

_PAGE = 2000
_BATCH = 500
# To look at so many rows, one by one or along the index, takes less time than to walk a million.
_FEW = 50_000
_PART = 300_000

_BY_ID, _BY_PATH, _BY_SIZE = "NOT INDEXED", "INDEXED BY file_walk", "INDEXED BY file_size"


class Page(NamedTuple):
    """Some rows in order, and the position to go on from: None where no row comes after them."""

    found: list[Found]
    position: Position | None


class Search:
    """Searches one store. Owns its connections, that of its `reader` too, which belong to the thread that made it.

    What users wrote (`Selection.where`) is stopped after `timeout_s` seconds. All methods raise `StoreError`s, and
    where there is such an expression also `UsageError` and `SearchTimeout`.
    """

    def __init__(self, path: str, *, timeout_s: float = 30.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self.reader = Reader(path)
        self._connection = open_reader(path)
        self._connection.create_function(criteria.FOLD, 1, path_index.fold, deterministic=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self.reader.__exit__()

    def files(
        self,
        selection: Selection,
        columns: tuple[str, ...],
        *,
        order: Sequence[SortKey] = (),
        limit: int | None = None,
    ) -> Iterator[Found]:
        """Yield what fits, each with `columns` (SQL expressions of `qacache.store.reader`), in path order by default.

        In path order memory stays flat; in all others a file that fits takes 8 bytes.
        """
        keys = tuple(order) or (PATH,)
        is_long = limit is None or limit > _PAGE
        # of many places, each page would look for all files anew
        is_walk = selection.where is None and len(criteria.path_ranges(selection)) <= criteria.FEW_RANGES
        if keys == (PATH,) and is_long and is_walk:
            yield from self._rows(islice(self._walk(selection), limit), columns)
        else:
            yield from self._rows(self._ids(selection, keys, limit), columns)

    def page(
        self,
        selection: Selection,
        columns: tuple[str, ...],
        *,
        order: Sequence[SortKey] = (),
        limit: int,
        after: Position | None = None,
    ) -> Page:
        """Return the first `limit` rows, 1 or more, of what `files` yields, or those after another page's position.

        Raises `UsageError` for a random order, which has no second page.
        """
        keys = tuple(order) or (PATH,)
        if RANDOM.column in (key.column for key in keys):
            raise UsageError("a random order has no pages", hint="ask for all that you want at once")
        with self._snapshot():
            ids = self._ids(selection, keys, limit + 1, after)
            position = self._position(keys, ids[limit - 1]) if len(ids) > limit else None
        return Page(list(self._rows(ids[:limit], columns)), position)

    def count(self, selection: Selection) -> int:
        """Return how many files fit."""
        if selection.where is not None:
            return len(self._ids(selection, (PATH,), None))
        index, fits = self._plan(selection)
        ((count,),) = self._all(f"SELECT count(*) FROM file {index} WHERE {fits.sql}", fits.values)
        return int(count)

    def known(self, column: str) -> set[str]:
        """Return all names in that column of what the media of files have in common; a format has several names."""
        rows = self._all(f"SELECT DISTINCT {column} FROM kind WHERE {column} IS NOT NULL")
        return {name for (names,) in rows for name in names.split(",")}

    def _rows(self, ids: Iterable[int], columns: tuple[str, ...]) -> Iterator[Found]:
        rest = iter(ids)
        while batch := list(islice(rest, _BATCH)):
            yield from self.reader.rows(batch, columns)

    def _walk(self, selection: Selection) -> Iterator[int]:
        """Yield the ids of what fits in path order, read in pages by key."""
        position: Position | None = None
        while True:
            with self._snapshot():
                ids = self._ids(selection, (PATH,), _PAGE, position)
                position = self._position((PATH,), ids[-1]) if ids else None
            yield from ids
            if len(ids) < _PAGE:
                return

    def _ids(
        self, selection: Selection, keys: Sequence[SortKey], limit: int | None, after: Position | None = None
    ) -> array[int]:
        """Return the ids of what fits, in order."""
        index, fits = self._plan(selection, keys, limit, after)
        most = -1 if limit is None or selection.where is not None else limit
        query = f"SELECT file.id FROM file {index} WHERE {fits.sql} ORDER BY {ordering.order_by(keys)} LIMIT {most}"
        with explained(self.path):
            ids = array("q", (file_id for (file_id,) in self._connection.execute(query, fits.values)))
        if selection.where is None:
            return ids
        from qacache.store.where import chosen_by  # most searches have none

        chosen = chosen_by(
            selection.where, ids, self.path, limit=limit, timeout_s=self._timeout_s, monotonic=self._monotonic
        )
        return array("q", chosen)

    def _position(self, keys: Sequence[SortKey], file_id: int) -> Position:
        (position,) = self._all(f"SELECT {ordering.position_of(keys)} FROM file WHERE id = ?", (file_id,))
        return position

    def _plan(
        self,
        selection: Selection,
        keys: Sequence[SortKey] = (),
        limit: int | None = None,
        after: Position | None = None,
    ) -> tuple[str, Condition]:
        """Return which index to walk, and the condition on its rows."""
        if selection.names:
            self._connection.create_function(
                criteria.NAME_FITS, 1, criteria.name_test(selection.names), deterministic=True
            )
        # where the index begins with what is sorted by, the walk begins behind the position
        start = after[0] if after is not None and keys[:1] == (PATH,) else None
        parts = criteria.conditions(selection, after_path=start)
        if after is not None and start is None:
            parts.append(ordering.beyond(keys, after))
        candidates = [*self._with_texts(selection), *self._in_places(selection)]
        few = next((each for each in candidates if self._are_at_most(_FEW, each)), None)
        # the plus keeps SQLite from beginning with the many
        parts += (Condition(f"{'' if each is few else '+'}file.id IN ({each.sql})", each.values) for each in candidates)
        index = _BY_ID if few else self._index(selection, keys, limit, knows_candidates=bool(candidates))
        return index, criteria.all_of(parts)

    def _with_texts(self, selection: Selection) -> Iterator[Condition]:
        """Yield the query for the ids of all files that may have the texts in their paths, where there is a way."""
        match = path_index.match_of(criteria.needles(selection))
        if match is not None and path_index.is_usable(self._connection):
            yield Condition(path_index.CANDIDATES, (match,))

    def _in_places(self, selection: Selection) -> Iterator[Condition]:
        """Yield the query for the ids of all files in several places, where there are too many for conditions."""
        ranges = criteria.path_ranges(selection)
        if len(ranges) > criteria.FEW_RANGES:
            yield criteria.in_ranges(ranges)

    def _index(
        self, selection: Selection, keys: Sequence[SortKey], limit: int | None, *, knows_candidates: bool
    ) -> str:
        sorts_by = keys[0].column if keys else None
        if sorts_by == PATH.column or self._is_about_a_part(selection):
            return _BY_PATH
        if not (selection.texts or selection.names):
            return _BY_SIZE
        # to get at paths in another order than theirs takes long, unless the end comes early
        ends_early = knows_candidates and limit is not None and sorts_by == "size"
        return _BY_SIZE if ends_early else _BY_PATH

    def _is_about_a_part(self, selection: Selection) -> bool:
        ranges = criteria.path_ranges(selection)
        if not ranges:
            return False
        outer = ranges[0][0], ranges[-1][1]
        below = Condition("SELECT 1 FROM file INDEXED BY file_walk WHERE path >= ? AND path < ?", outer)
        return self._are_at_most(_PART, below)

    def _are_at_most(self, count: int, rows: Condition) -> bool:
        ((found,),) = self._all(f"SELECT count(*) FROM ({rows.sql} LIMIT {count + 1})", rows.values)
        return bool(found <= count)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Let all that is read within the block be of one moment."""
        with explained(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    def _all(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with explained(self.path):
            return self._connection.execute(query, values).fetchall()
