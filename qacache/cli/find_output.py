"""Files that were found, in the form in which a terminal, another program or a player gets them.

In: rows in order, read with the columns of a `Form`. Out: text or bytes on stdout; and how many names a form had no
room for, which are told on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, assert_never

from qacache.cli.raw_output import raw_writer, write_paths
from qacache.columns import HEAD, MEDIA, row_of, sql_of
from qacache.config.near import nearest
from qacache.errors import UsageError
from qacache.selection import CODEC_ALIASES, CONTAINER_ALIASES, named
from qacache.text import json_line, printable, tsv_line

if TYPE_CHECKING:
    from qacache.selection import Selection, SortKey
    from qacache.store.reader import Found

_MOST_SHOWN = 50


class Format(StrEnum):
    """How files are written."""

    TABLE = "table"
    TSV = "tsv"
    CSV = "csv"
    NDJSON = "ndjson"
    M3U8 = "m3u8"
    PATHS = "paths"


class Files(Protocol):
    """What is searched: a store, or a server, which knows less (None)."""

    def files(
        self, selection: Selection, columns: tuple[str, ...], *, order: Sequence[SortKey], limit: int | None
    ) -> Iterator[Found]:
        """Yield what fits, in order."""

    def count(self, selection: Selection) -> int | None:
        """Return how many files fit."""

    def known(self, column: str) -> set[str] | None:
        """Return all names in that column."""


class Form(NamedTuple):
    """A form of output: the SQL that it needs of each row, and what writes the rows.

    `write` returns how many were left out. `is_table` says that it is for people to look at, and thus short.
    """

    columns: tuple[str, ...]
    write: Callable[[Iterable[Found]], int]
    is_table: bool = False


_WITH_COLUMNS = (Format.TABLE, Format.TSV, Format.CSV)


def form_of(format_: Format | None, columns: tuple[str, ...], *, as_json: bool = False, with_nul: bool = False) -> Form:
    """Return the form that was asked for: by default a table on a terminal, and tab-separated lines elsewhere.

    `columns` are empty for the usual ones. Raises `UsageError` for what does not go together.
    """
    asked = {format_, Format.NDJSON if as_json else None, Format.PATHS if with_nul else None} - {None}
    if len(asked) > 1:
        raise UsageError("more than one form of output", hint="choose one of --format, --json and --print0")
    chosen = asked.pop() if asked else None
    chosen = chosen or (Format.TABLE if sys.stdout.isatty() else Format.TSV)
    if columns and chosen not in _WITH_COLUMNS:
        raise UsageError(f"--format {chosen} has no columns", hint="--columns goes with table, tsv and csv")
    return _form(chosen, columns, b"\0" if with_nul else b"\n")


def write_files(search: Files, selection: Selection, form: Form, order: Sequence[SortKey], limit: int | None) -> bool:
    """Write what fits, up to `limit` files (0: all, None: all but in a table); return whether any was left out."""
    most = _MOST_SHOWN if form.is_table and limit is None else None
    files = search.files(selection, form.columns, order=order, limit=limit or None if most is None else most + 1)
    # this is when it is searched: before anything is written
    first = list(islice(files, 1))
    if not first:
        _tell_nothing(search, selection)
        if form.is_table:
            sys.stderr.write("qacache: no file fits\n")
            return False
    unfit = form.write(islice(chain(first, files), most))
    if most is not None and next(files, None):
        # to ask an expression of all files may take long
        count = search.count(selection) if selection.where is None else None
        rest = "more" if count is None else f"{count - most:,} more"
        sys.stdout.write(f"... and {rest}: --limit 0 lists all\n")
    return unfit > 0


def _tell_nothing(search: Files, selection: Selection) -> None:
    """Say which names that were asked for are not those of anything: they may be misspelt."""
    for noun, column, names in (
        ("codec", "video_codec", named(selection.codecs, CODEC_ALIASES)),
        ("audio codec", "audio_codec", named(selection.audio_codecs, CODEC_ALIASES)),
        ("container", "format_name", named(selection.containers, CONTAINER_ALIASES)),
    ):
        known = search.known(column) if names else None
        if known is not None:
            _tell_unknown(noun, names, known)


def _tell_unknown(noun: str, names: Sequence[str], known: set[str]) -> None:
    for name in (each for each in names if each not in known):
        guess = nearest(name, known) or f"there are: {', '.join(sorted(known)) or 'none'}"
        sys.stderr.write(printable(f"qacache: no file has the {noun} {name}; {guess}") + "\n")


def _form(chosen: Format, columns: tuple[str, ...], line_end: bytes) -> Form:
    shown = columns or (*HEAD, *MEDIA)
    match chosen:
        case Format.TABLE:
            return _table(columns)
        case Format.TSV:
            return Form(sql_of(shown), partial(_write_rows, shown, tsv_line))
        case Format.CSV:
            return Form(sql_of(shown), partial(_write_rows, shown, _sheet_line()))
        case Format.NDJSON:
            return _records()
        case Format.M3U8:
            return Form(sql_of(["duration_s"]), _write_playlist)
        case Format.PATHS:
            return Form((), lambda found: write_paths((each.path for each in found), line_end))
        case _:
            assert_never(chosen)


# what each form needs is loaded with it: most of it takes longer than many a search


def _table(columns: tuple[str, ...]) -> Form:
    from qacache.cli import tables

    if columns:
        return Form(sql_of(columns), partial(tables.write_columns, columns), is_table=True)
    return Form(sql_of(tables.TABLE_COLUMNS), tables.write_found, is_table=True)


def _records() -> Form:
    from qacache.record import to_dict
    from qacache.store.records import RECORD_COLUMNS, record_of

    def write(found: Iterable[Found]) -> int:
        for each in found:
            sys.stdout.write(json_line(to_dict(record_of(each))))
        return 0

    return Form(RECORD_COLUMNS, write)


def _write_rows(columns: tuple[str, ...], line_of: Callable[[Sequence[object]], str], found: Iterable[Found]) -> int:
    sys.stdout.write(line_of(columns))
    for each in found:
        sys.stdout.write(line_of(row_of(each, columns)))
    return 0


def _sheet_line() -> Callable[[Sequence[object]], str]:
    from qacache.sheet import sheet_line

    # CSV has no escapes for what a terminal would act on
    return (lambda values: printable(sheet_line(values).rstrip()) + "\n") if sys.stdout.isatty() else sheet_line


def _write_playlist(found: Iterable[Found]) -> int:
    from qacache import playlist

    write = raw_writer()
    write(playlist.HEADER)
    for each in found:
        (duration_s,) = each.values
        write(playlist.entry(each.path, duration_s))
    return 0
