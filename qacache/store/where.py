"""Conditions that users write: SQL over the view `videos`, of which nothing but an answer can come.

In: an expression, and the ids of candidates in order. Out: the ids for which it holds. It runs on a read-only
connection of its own, which lets nothing through but reads of the public views and functions without effects, and
stops when the time is up.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from qacache.config.near import nearest
from qacache.errors import SearchTimeout, UsageError
from qacache.store.database import explained, explanation, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# what each public view reads: a name of one that a query gives to something else opens nothing else
_VIEWS = {
    "videos": {"file", "media", "layout", "root"},
    "failures": {"file", "failure"},
    "duplicates": {"file"},
    "scans": {"scan"},
    "changes": {"change"},
}
_TABLE_FUNCTIONS = ("json_each", "json_tree")
_READABLE = {*_VIEWS, *_TABLE_FUNCTIONS, "candidate"}
# no column of theirs is read, only that there is a row
_COUNTABLE = set().union(*_VIEWS.values())

_FUNCTIONS = {
    *("abs", "char", "coalesce", "concat", "concat_ws", "format", "glob", "hex", "ifnull", "iif", "instr"),
    *("length", "like", "likelihood", "likely", "lower", "ltrim", "max", "min", "nullif", "octet_length"),
    *("printf", "quote", "random", "replace", "round", "rtrim", "sign", "substr", "substring", "trim"),
    *("typeof", "unhex", "unicode", "unlikely", "upper", "avg", "count", "group_concat", "median"),
    *("percentile", "string_agg", "sum", "total", "cume_dist", "dense_rank", "first_value", "lag"),
    *("last_value", "lead", "nth_value", "ntile", "percent_rank", "rank", "row_number", "current_date"),
    *("current_time", "current_timestamp", "date", "datetime", "julianday", "strftime", "time", "timediff"),
    *("unixepoch", "json", "json_array", "json_array_length", "json_error_position", "json_extract"),
    *("json_group_array", "json_group_object", "json_object", "json_quote", "json_type", "json_valid", "->"),
    *("->>", "acos", "asin", "atan", "atan2", "ceil", "ceiling", "cos", "degrees", "exp", "floor", "ln", "log"),
    *("log10", "log2", "mod", "pi", "pow", "power", "radians", "sin", "sqrt", "tan", "trunc"),
}

# an operation of SQLite's machine takes tens of nanoseconds
_OPERATIONS = 10_000
# no text of a store is longer, and some functions take long for longer ones
_LONGEST = 1_000_000

_FIRST_PART = 10_000

# what is wrong with an expression; all else is wrong with the store
_OF_EXPRESSIONS = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOMEM}
_FORM = "write SQL over the columns of the view videos, such as: duration_s > 600 AND video_codec <> 'hevc'"


def chosen_by(
    expression: str,
    ids: Sequence[int],
    path: str,
    *,
    limit: int | None,
    timeout_s: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> list[int]:
    """Return those of `ids` for which `expression` holds, in their order, up to `limit` of them.

    Raises `UsageError` for what is no such expression, or asks for more than to read; `SearchTimeout` where it takes
    longer than `timeout_s` seconds.
    """
    with closing(open_reader(path)) as connection:
        with explained(path):
            columns = _prepare(connection)
        deadline = monotonic() + timeout_s
        connection.set_progress_handler(lambda: monotonic() >= deadline, _OPERATIONS)
        chosen: list[int] = []
        # where many fit, a few candidates are enough; but what is asked of the whole store is asked again of the rest
        for part in [ids] if limit is None else [ids[:_FIRST_PART], ids[_FIRST_PART:]]:
            try:
                chosen += _ask(connection, expression, part, -1 if limit is None else limit - len(chosen))
            except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
                raise _meaning(error, path, columns, timeout_s) from error
            if len(chosen) == limit or len(part) == len(ids):
                break
        return chosen


def _prepare(connection: sqlite3.Connection) -> list[str]:
    """Make a place for candidates; return the columns of the view."""
    connection.execute("CREATE TEMP TABLE candidate (place INTEGER PRIMARY KEY, file_id INTEGER)")
    for name in _TABLE_FUNCTIONS:
        # their first use declares a table, which is not let through later; old SQLites may lack them
        with suppress(sqlite3.OperationalError):
            connection.execute(f"SELECT 1 FROM {name}('[]')")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    return [name for _, name, *_ in connection.execute("PRAGMA table_info(videos)")]


def _ask(connection: sqlite3.Connection, expression: str, ids: Sequence[int], most: int) -> list[int]:
    connection.set_authorizer(None)
    connection.execute("DELETE FROM candidate")
    connection.executemany("INSERT INTO candidate (file_id) VALUES (?)", ((each,) for each in ids))
    connection.set_authorizer(_authorize)
    rows = connection.execute(
        "SELECT candidate.file_id FROM candidate CROSS JOIN videos ON videos.id = candidate.file_id "
        f"WHERE (\n{expression}\n) ORDER BY candidate.place LIMIT {most}"
    )
    return [file_id for (file_id,) in rows]


def _authorize(action: int, first: str | None, second: str | None, _database: str | None, source: str | None) -> int:
    match action:
        case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
            is_allowed = True
        case sqlite3.SQLITE_READ:
            is_allowed = first in _READABLE or first in (_VIEWS.get(source or "", ()) if second else _COUNTABLE)
        case sqlite3.SQLITE_FUNCTION:
            is_allowed = second in _FUNCTIONS
        case _:
            is_allowed = False
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


def _meaning(error: Exception, path: str, columns: Sequence[str], timeout_s: float) -> Exception:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_INTERRUPT:
        return SearchTimeout(
            f"--where took longer than {timeout_s:g} s", hint="narrow it with other options, or raise --where-timeout"
        )
    if isinstance(error, sqlite3.DatabaseError) and code not in _OF_EXPRESSIONS:
        return explanation(error, path)
    text = str(error)
    unknown = text.partition("no such column: ")[2]
    hint = nearest(unknown, columns) if unknown else ""
    if code == sqlite3.SQLITE_AUTH:
        hint = f"it can read the views {', '.join(_VIEWS)}, and do nothing else"
    return UsageError(f"--where: {text[:1].lower()}{text[1:]}", hint=hint or _FORM)
