"""Layouts: descriptions of streams, each kept once for all the files that share it.

In: the JSON array of a file's streams. Out: what stands for it in `media.layouts`, an array with an array for each
stream: the id of its layout, and as texts what files differ in (how long it is, its bit rate, an uneven frame rate). In
the layout, characters that no JSON text has hold their places. Both together are the array again, to the letter; the
view `videos` puts them together in SQL.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import re
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    Ask = Callable[[str, Sequence[int]], Iterable[Any]]

COLUMN = "media.layouts"
"""The column to ask a `Reader` for; it answers with the JSON array of the streams."""

# Where texts are cut makes no difference to what they are when they are put together again; and no JSON text of one
# line has these characters, but for the first: the view fills as many.
_NEXT_STREAM = '},{"index":'
_PLACES = ("\x01", "\x02", "\x03")

# Readers remember so many: some megabytes of them.
_MOST_KNOWN = 20_000
# SQLite 3.31 and older take 999 parameters
_BATCH = 900


def stored(connection: sqlite3.Connection, streams: str) -> str:
    """Return what stands for `streams`, a compact JSON array; adds new layouts, in the transaction that is open."""
    import json

    parts = _cut(streams[1:-1])
    found = [[_id_of(connection, layout), *own] for layout, own in map(_layout_of, parts)]
    return json.dumps(found, separators=(",", ":"))


def forget_unused(connection: sqlite3.Connection) -> None:
    """Delete the layouts that no file has, within the transaction that is open."""
    connection.execute(
        "DELETE FROM layout WHERE id NOT IN "
        "(SELECT json_extract(part.value, '$[0]') FROM media CROSS JOIN json_each(media.layouts) AS part)"
    )


class Layouts:
    """The layouts that one reader came across. An id is never given again, so that what is known is never outdated."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def streams(self, stored: str | None) -> str | None:
        """Return the JSON array that `stored` stands for; raises `KeyError` where a layout is not known.

        What no qacache wrote is returned as it is: whoever reads it is going to see that.
        """
        if stored is None:
            return None
        import json  # many a look-up asks for no streams, and it takes longer to load than that

        try:
            return f"[{','.join([self._known[layout_id] % tuple(own) for layout_id, *own in json.loads(stored)])}]"
        except (TypeError, ValueError, RecursionError):
            return stored

    def streams_known(self, stored: str | None) -> str | None:
        """Return what `streams` does, and `stored` itself where there is no such layout: in no store that is sound."""
        try:
            return self.streams(stored)
        except KeyError:
            return stored

    def learn(self, stored: Iterable[str | None], ask: Ask) -> None:
        """Come to know what all of `stored` stand for; `ask` is given queries with their parameters."""
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        unknown = list({layout_id for each in stored for layout_id in _ids(each)} - self._known.keys())
        for start in range(0, len(unknown), _BATCH):
            batch = unknown[start : start + _BATCH]
            rows = ask(f"SELECT id, json FROM layout WHERE id IN ({','.join('?' * len(batch))})", batch)
            self._known.update((layout_id, _pattern(layout)) for layout_id, layout in rows)


def _ids(stored: str | None) -> list[int]:
    import json

    try:
        return [layout_id for layout_id, *_ in json.loads(stored or "[]") if 0 < layout_id < 1 << 63]
    except (TypeError, ValueError, RecursionError):
        return []


def _cut(streams: str) -> list[str]:
    # each begins with its index
    return streams.replace(_NEXT_STREAM, _NEXT_STREAM.replace(",", "\n")).split("\n") if streams else []


@cache
def _of_one_file() -> re.Pattern[str]:
    import re

    return re.compile(r'"(?:duration_s|bit_rate)":(\d[\d.]*)|"avg_frame_rate":"(\d+/\d{5,})')


def _layout_of(stream: str) -> tuple[str, list[str]]:
    """Return the layout of a stream, and what it has of its own."""
    texts, own, end = [], [], 0
    for place, found in zip(_PLACES, _of_one_file().finditer(stream), strict=False):
        group = found.lastindex or 0
        texts += [stream[end : found.start(group)], place]
        own.append(found[group])
        end = found.end(group)
    return "".join((*texts, stream[end:])), own


def _id_of(connection: sqlite3.Connection, layout: str) -> int:
    # an index of the texts themselves would hold each a second time
    checksum = zlib.crc32(layout.encode())
    row = connection.execute("SELECT id FROM layout WHERE checksum = ? AND json = ?", (checksum, layout)).fetchone()
    if row is None:
        added = connection.execute("INSERT INTO layout (checksum, json) VALUES (?, ?)", (checksum, layout))
        assert added.lastrowid is not None
        return added.lastrowid
    return int(row[0])


def _pattern(layout: str) -> str:
    """Return `layout` as the pattern that `%` fills."""
    pattern = layout.replace("%", "%%")
    for place in _PLACES:
        pattern = pattern.replace(place, "%s")
    return pattern
