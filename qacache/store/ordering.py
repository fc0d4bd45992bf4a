"""Orders in SQL: sort keys come in, what to order by and where to go on after a row go out.

What has no value comes last, in either direction; rows that are equal in all keys come in the order of their ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.config.near import nearest
from qacache.errors import UsageError
from qacache.selection import RANDOM, SortKey
from qacache.store.criteria import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PATH = SortKey("path")

_OF_KIND = ("format_name", "video_codec", "audio_codec", "orientation", "hdr", "display_width", "display_height")
_OF_MEDIA = {
    **{name: name for name in ("bit_rate", "width", "height", "rotation", "prober")},
    "probed_at": "probed_ms",
    "avg_frame_rate": (
        "CAST(avg_frame_rate AS REAL) / CAST(substr(avg_frame_rate, instr(avg_frame_rate, '/') + 1) AS REAL)"
    ),
}
_OF_FAILURE = {"error": "reason", "error_message": "message"}

SORT_COLUMNS = {
    "path": "file.path",
    "status": "file.status",
    "size": "file.size",
    "mtime_ns": "file.mtime_ns",
    "duration_s": "file.length_s",
    "digest": "file.digest",
    "first_seen": "file.first_seen_ms",
    **{name: f"(SELECT {name} FROM kind WHERE kind.id = file.kind_id)" for name in _OF_KIND},
    **{name: f"(SELECT {sql} FROM media WHERE media.file_id = file.id)" for name, sql in _OF_MEDIA.items()},
    **{name: f"(SELECT {sql} FROM failure WHERE failure.file_id = file.id)" for name, sql in _OF_FAILURE.items()},
    RANDOM.column: "random()",
}
"""What can be sorted by, with the SQL that reads it from a row of `file`."""

# an index gives their order only where nothing is said of NULL
_NEVER_NULL = frozenset({"path", "status", "size", "mtime_ns", "first_seen", RANDOM.column})


def parse_sort(texts: Iterable[str]) -> tuple[SortKey, ...]:
    """Return the keys that `texts` name, with commas between them and a minus before those that descend.

    Raises `UsageError` for what cannot be sorted by.
    """
    return tuple(_parse_key(name.strip()) for text in texts for name in text.split(","))


def order_by(keys: Sequence[SortKey]) -> str:
    """Return what `ORDER BY` is followed by."""
    terms = (f"{SORT_COLUMNS[key.column]}{_direction(key)}" for key in keys)
    return ", ".join((*terms, "file.id"))


def position_of(keys: Sequence[SortKey]) -> str:
    """Return the SQL of a row's place in the order: a column for each key, and the id."""
    return ", ".join((*(SORT_COLUMNS[key.column] for key in keys), "file.id"))


def beyond(keys: Sequence[SortKey], position: Sequence[object]) -> Condition:
    """Return the condition of coming after the row at `position`, which has what `position_of` reads."""
    *values, last_id = position
    sql = "file.id > ?"
    parameters: tuple[object, ...] = (last_id,)
    for key, value in reversed(list(zip(keys, values, strict=True))):
        column = SORT_COLUMNS[key.column]
        later, bound = _later(key, value)
        sql = f"({later} OR ({column} IS ? AND {sql}))"
        parameters = (*bound, value, *parameters)
    first, value = keys[0], position[0]
    if first.column in _NEVER_NULL:
        # says nothing new, but where to begin, where an index has the column
        sql = f"({SORT_COLUMNS[first.column]} {'<=' if first.is_descending else '>='} ? AND {sql})"
        parameters = (value, *parameters)
    return Condition(sql, parameters)


def _later(key: SortKey, value: object) -> tuple[str, tuple[object, ...]]:
    """Return the condition of having a later value than `value` in one key, and its parameters."""
    column = SORT_COLUMNS[key.column]
    if value is None:
        return "0", ()
    sql = f"{column} {'<' if key.is_descending else '>'} ?"
    return (sql if key.column in _NEVER_NULL else f"({sql} OR {column} IS NULL)"), (value,)


def _direction(key: SortKey) -> str:
    if key.is_descending:
        return " DESC"
    return "" if key.column in _NEVER_NULL else " NULLS LAST"


def _parse_key(name: str) -> SortKey:
    column = name.removeprefix("-")
    if column not in SORT_COLUMNS:
        hint = nearest(column, SORT_COLUMNS) or f"one of: {', '.join(SORT_COLUMNS)}"
        raise UsageError(f"cannot sort by {column!r}", hint=hint)
    return SortKey(column, is_descending=column != name)
