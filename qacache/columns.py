"""The columns that tables, CSV and the like can have: names as users write them come in, values of files go out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.config.near import nearest
from qacache.errors import UsageError
from qacache.store.reader import COLUMNS
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from qacache.store.reader import Found

HEAD = ("path", "status", "last_seen")
"""What every file has, whatever else is asked for."""

KNOWN = (*HEAD, *COLUMNS)
"""All columns that there are."""

MEDIA = (
    *("size", "duration_s", "display_width", "display_height", "orientation", "rotation", "hdr"),
    *("video_codec", "audio_codec", "avg_frame_rate", "bit_rate", "format_name", "error"),
)
"""What is told besides, where nothing else is asked for."""


def parse_columns(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the columns that `texts` name, with commas between them; raises `UsageError`."""
    return tuple(column_named(name.strip(), KNOWN) for text in texts for name in text.split(","))


def column_named(name: str, known: Sequence[str], what: str = "column") -> str:
    """Return the one of `known` of that name, which may begin with `media.`, as in records; raises `UsageError`."""
    column = name.removeprefix("media.")
    if column not in known:
        hint = nearest(column, known) or f"one of: {', '.join(known)}"
        raise UsageError(f"no such {what}: {name}", hint=hint)
    return column


def sql_of(columns: Iterable[str]) -> tuple[str, ...]:
    """Return the SQL that reads those of `columns` which are not in `HEAD`."""
    return tuple(COLUMNS[column] for column in columns if column not in HEAD)


def row_of(found: Found, columns: Iterable[str]) -> list[object]:
    """Return the values of `columns`, of a row that was read with `sql_of` them."""
    values = iter(found.values)
    return [
        found.path
        if column == "path"
        else found.status
        if column == "status"
        else iso_time(found.last_seen_ms)
        if column == "last_seen"
        else next(values)
        for column in columns
    ]
