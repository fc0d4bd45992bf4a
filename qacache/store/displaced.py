"""Displaced contents: what a scan has found overwritten, kept until its end.

Two folders that swap their names are each the other's source; but rows change batch by batch, and the second one would
find nothing left of what it holds. In: a row that is about to get other content. Out: its media, by their digest. They
are in a temporary table of the writing connection, and go with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

# A library that is encoded anew as a whole has nothing that moved: it is not all to be kept.
_MOST = 100_000


class Displaced:
    """What was displaced, on one connection; `media_columns` are those of the table `media` that are kept."""

    def __init__(self, connection: sqlite3.Connection, media_columns: Sequence[str]) -> None:
        self._connection = connection
        self._media_columns = ", ".join(media_columns)
        self._count = 0

    def begin(self) -> None:
        """Begin with nothing kept. Not within a transaction, which may be undone."""
        self._connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS displaced "
            f"(digest BLOB PRIMARY KEY, size, path, {self._media_columns}, json)"
        )
        self._connection.execute("DELETE FROM temp.displaced")
        self._count = 0

    def keep(self, path: bytes) -> None:
        """Keep the media of the row `path`, which is about to get others."""
        if self._count < _MOST:
            self._count += self._connection.execute(
                f"INSERT OR IGNORE INTO temp.displaced (digest, size, path, {self._media_columns}, json) "
                f"SELECT file.digest, file.size, file.path, {self._media_columns}, json "
                "FROM file JOIN media ON media.file_id = file.id LEFT JOIN raw_probe ON raw_probe.file_id = file.id "
                "WHERE path = ? AND digest IS NOT NULL AND status <> 'failed'",
                (path,),
            ).rowcount

    def path_of(self, digest: bytes, size: int) -> bytes | None:
        """Return the path at which that content was, None where it was not displaced."""
        if not self._count:
            return None
        row = self._connection.execute(
            "SELECT path FROM temp.displaced WHERE digest = ? AND size = ?", (digest, size)
        ).fetchone()
        return row[0] if row else None

    def media_of(self, digest: bytes) -> Sequence[Any] | None:
        """Return the media columns of that content and its raw answer, None where it was not displaced."""
        if not self._count:
            return None
        row: Sequence[Any] | None = self._connection.execute(
            f"SELECT {self._media_columns}, json FROM temp.displaced WHERE digest = ?", (digest,)
        ).fetchone()
        return row
