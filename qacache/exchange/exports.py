"""What an export holds.

In: a reader and the paths that matter, or a search and a selection. Out: entries or records, in path order for each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qacache.lookup import look_up
from qacache.paths import absolute
from qacache.store.records import RAW_COLUMN, RECORD_COLUMNS, entry_of, record_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.record import Entry, Record
    from qacache.selection import Selection
    from qacache.store.reader import Found, Reader
    from qacache.store.search import Search


def export(reader: Reader, paths: Sequence[bytes] = ()) -> Iterator[Record | bytes]:
    """Yield the records at or below `paths`, all there are where none is named.

    A path that the store does not know is yielded as it is, absolute.
    """
    for found in _found(reader, paths, RECORD_COLUMNS):
        yield found if isinstance(found, bytes) else record_of(found)


def entries(reader: Reader, paths: Sequence[bytes] = (), *, raw: bool = False) -> Iterator[Entry | bytes]:
    """Yield the same as `export`, as entries; with `raw`, they hold the probers' whole answers."""
    for found in _found(reader, paths, _columns(raw)):
        yield found if isinstance(found, bytes) else entry_of(found)


def selected(
    search: Search, selection: Selection, paths: Sequence[bytes] = (), *, raw: bool = False
) -> Iterator[Entry | bytes]:
    """Yield what fits `selection`, at or below `paths` where there are any, in path order, each once.

    A path that the store does not know is yielded as it is, absolute, before all else.
    """
    names = {path: search.reader.name_of(path) for path in map(absolute, paths)}
    yield from (path for path, name in names.items() if name is None)
    under = tuple(name for name in names.values() if name is not None)
    if under or not names:
        for found in search.files(replace(selection, under=under), _columns(raw)):
            yield entry_of(found)


def _columns(raw: bool) -> tuple[str, ...]:
    return (*RECORD_COLUMNS, RAW_COLUMN) if raw else RECORD_COLUMNS


def _found(reader: Reader, paths: Sequence[bytes], columns: tuple[str, ...]) -> Iterator[Found | bytes]:
    if not paths:
        yield from reader.below(b"/", columns)
        return
    for answer in look_up(reader, paths, columns):
        yield answer.found or answer.path
