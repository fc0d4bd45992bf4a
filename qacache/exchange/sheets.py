"""Records as CSV (RFC 4180), for spreadsheets: a record a line, without tags and streams.

The columns are the fields of the record; those of `error` have its name before theirs. What is in the cells is told by
`qacache.sheet`. A path that is no UTF-8 is in `path_b64`; `path` then only resembles it.
"""

from __future__ import annotations

import csv
from collections import deque
from typing import TYPE_CHECKING, Any

from qacache.exchange.inputs import Unreadable
from qacache.exchange.shape import ERROR, HEAD, MEDIA_VALUES
from qacache.record import BadRecord, failure_to_dict, head_to_dict
from qacache.sheet import sheet_line, unguarded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from qacache.exchange.shape import Kind
    from qacache.record import Entry

_ERROR_PREFIX = "error_"
_ERROR = {f"{_ERROR_PREFIX}{name}": kind for name, kind in ERROR.items()}

COLUMNS: Mapping[str, Kind] = {**HEAD, **MEDIA_VALUES, **_ERROR}
"""What each column of the CSV holds, in their order."""

REQUIRED = ("path", "size", "mtime_ns", "status", "first_seen", "last_seen")
"""The columns without which no record can be read."""

_COMMAS = "the columns are to be named there, with commas between them"
# of one that a quote keeps open
_LONGEST_RECORD = 1 << 20
_NO_PROBE = (None,) * len(MEDIA_VALUES)
_NO_ERROR = (None,) * len(ERROR)


def header() -> str:
    """Return the first line."""
    return sheet_line(COLUMNS)


def line_of(entry: Entry) -> str:
    """Return the line of `entry`, which may hold line breaks in quotes."""
    head = head_to_dict(entry)
    known = [head.get(name) for name in HEAD]
    error = _NO_ERROR if entry.error is None else failure_to_dict(entry.error).values()
    return sheet_line((*known, *(entry.media or _NO_PROBE), *error))


def records(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Mapping[str, Any] | BadRecord]]:
    """Yield the number of the line on which each record begins, and the record, less tags and streams, or why not.

    Raises `Unreadable` where the first line does not name the columns of a CSV that `header` began.
    """
    rows = _rows(lines)
    _, first = next(rows, (1, []))
    columns = _columns(first)
    for number, cells in rows:
        try:
            yield number, _record(columns, cells)
        except BadRecord as bad:
            yield number, bad


def _columns(cells: Sequence[str] | BadRecord) -> Sequence[str]:
    if isinstance(cells, BadRecord):
        raise Unreadable(f"is neither NDJSON nor CSV of records: line 1: {cells}")
    if not set(REQUIRED) <= set(cells):
        missing = ", ".join(name for name in REQUIRED if name not in cells)
        raise Unreadable(f"is no CSV of records: its first line has no column {missing}", hint=_COMMAS)
    unknown = [name for name in cells if name not in COLUMNS]
    if unknown:
        raise Unreadable(
            f"has columns that are not known: {', '.join(unknown)[:200]}",
            hint="a newer qacache may have written it: upgrade, or take them out",
        )
    if len(set(cells)) < len(cells):
        raise Unreadable(f"has a column twice: {', '.join(cells)[:200]}")
    return cells


def _record(columns: Sequence[str], cells: Sequence[str] | BadRecord) -> Mapping[str, Any]:
    if isinstance(cells, BadRecord):
        raise cells
    values = {name: _value(name, cell) for name, cell in zip(columns, cells, strict=True) if cell}
    media = {name: values.pop(name) for name in MEDIA_VALUES if name in values}
    error = {name: values.pop(column) for name, column in zip(ERROR, _ERROR, strict=True) if column in values}
    return {**values, "media": media or None, "error": error or None}


def _rows(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, list[str] | BadRecord]]:
    """Yield the cells of each record, as many as the first has, with the number of the line on which it begins.

    A quote that is never closed takes no other record along: behind the line on which it is, all is read anew.
    """
    coming, again = iter(lines), deque[tuple[int, bytes]]()
    width = None
    while taken := _taken(coming, again):
        cells = _cells(b"".join(line for _, line in taken), width)
        yield taken[0][0], cells
        if isinstance(cells, BadRecord):
            again.extendleft(reversed(taken[1:]))
        elif width is None:
            width = len(cells)


def _taken(coming: Iterator[tuple[int, bytes]], again: deque[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the lines of the next record: more than one where a quote is open at the end of the first."""
    taken: list[tuple[int, bytes]] = []
    quotes = size = 0
    while not taken or (quotes % 2 and size < _LONGEST_RECORD):
        following = again.popleft() if again else next(coming, None)
        if following is None:
            break
        if taken or not following[1].isspace():
            taken.append(following)
            quotes += following[1].count(b'"')
            size += len(following[1])
    return taken


def _cells(data: bytes, width: int | None) -> list[str] | BadRecord:
    try:
        (cells,) = csv.reader([data.decode()], strict=True)
    except UnicodeDecodeError as error:
        return BadRecord(f"no UTF-8: byte 0x{data[error.start]:02x} at {error.start}")
    except csv.Error:
        return BadRecord("no CSV: its quotes do not match")
    if width not in (None, len(cells)):
        return BadRecord(f"{len(cells)} cells under {width} columns")
    return cells


def _value(name: str, cell: str) -> Any:
    kind = COLUMNS[name]
    if kind.from_text is str:
        return unguarded(cell)
    try:
        return kind.from_text(cell)
    except ValueError as error:
        raise BadRecord(f"{name} is {kind.fault}: {cell[:80]!r}") from error
