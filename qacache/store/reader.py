"""Everything that is read from the store: by a scan, in path order; by people and programs, by path.

Each query is short, so that no reader keeps the write-ahead log from being checkpointed; long listings are read
in pages by key, and see what is written meanwhile.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from qacache.models import RootIdentity
from qacache.paths import nfc, range_below
from qacache.store import layouts
from qacache.store.database import explanation, open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qacache.models import Status

_PAGE = 2000
_ANCHORS = 10


class KnownFile(NamedTuple):
    """What the merge join needs to know of a row, for each of millions: the rest is in `Known`."""

    path: bytes
    size: int
    mtime_ns: int
    status: str


class Known(NamedTuple):
    """What a scan needs to know of a row that is not plainly unchanged.

    The `failed_…` fields and those after them are of the last failure, if there is one.
    """

    size: int
    mtime_ns: int
    status: Status
    digest: bytes | None
    failed_size: int | None
    failed_mtime_ns: int | None
    failed_prober: str | None
    next_retry_ms: int | None
    failed_reason: str | None = None


class Root(NamedTuple):
    """A folder that was scanned completely at least once, last at `scanned_ms`, and what it was then."""

    path: bytes
    scanned_ms: int
    file_count: int
    identity: RootIdentity


class Found(NamedTuple):
    """A row that was looked up: what every answer needs, and the `values` of the columns asked for."""

    path: bytes
    status: Status
    last_seen_ms: int
    size: int
    mtime_ns: int
    values: Sequence[Any]


# The columns of tables that people and scripts see, with the SQL that reads each.
COLUMNS = {
    "size": "file.size",
    "mtime_ns": "file.mtime_ns",
    "digest": "nullif(lower(hex(file.digest)), '')",
    "first_seen": "strftime('%Y-%m-%dT%H:%M:%fZ', file.first_seen_ms / 1e3, 'unixepoch')",
    "probed_at": "strftime('%Y-%m-%dT%H:%M:%fZ', media.probed_ms / 1e3, 'unixepoch')",
    "prober": "media.prober",
    "format_name": "media.format_name",
    "duration_s": "media.duration_s",
    "bit_rate": "media.bit_rate",
    "width": "media.width",
    "height": "media.height",
    "display_width": "media.display_width",
    "display_height": "media.display_height",
    "rotation": "media.rotation",
    "orientation": "media.orientation",
    "hdr": "media.hdr",
    "video_codec": "media.video_codec",
    "audio_codec": "media.audio_codec",
    "avg_frame_rate": "media.avg_frame_rate",
    "error": "failure.reason",
    "error_message": "failure.message",
}

_HEAD_COLUMNS = ("file.path", "file.status", "file.last_seen_ms", "file.unlisted", "file.size", "file.mtime_ns")
_HEAD = len(_HEAD_COLUMNS)

_FROM = """FROM file LEFT JOIN media ON media.file_id = file.id LEFT JOIN failure ON failure.file_id = file.id"""


class Reader:
    """Reads one store. Owns its connection, which belongs to the thread that made it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection = open_reader(path)
        self._roots: dict[Root, tuple[bytes, bytes]] | None = None
        self._layouts = layouts.Layouts()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def known_files(self, below: bytes) -> Iterator[KnownFile]:
        """Yield the rows below the folder `below`, in byte order of their paths."""
        # plain tuples: to make a KnownFile of each would cost more than to read it
        return cast("Iterator[KnownFile]", chain.from_iterable(self._pages_of_known_files(below)))

    def _pages_of_known_files(self, below: bytes) -> Iterator[list[tuple[Any, ...]]]:
        lower, upper = range_below(below)
        query = f"SELECT path, size, mtime_ns, status FROM file WHERE path > ? AND path < ? ORDER BY path LIMIT {_PAGE}"
        while page := self._all(query, (lower, upper)):
            yield page
            lower = page[-1][0]

    def known(self, path: bytes) -> Known | None:
        """Return what a scan needs to know of the row of `path`, None where there is none."""
        row = self._one(
            "SELECT file.size, file.mtime_ns, file.status, file.digest, failure.size, failure.mtime_ns, "
            "failure.prober, failure.next_retry_ms, failure.reason "
            "FROM file LEFT JOIN failure ON failure.file_id = file.id WHERE path = ?",
            (path,),
        )
        return Known(*row) if row else None

    def path_with_content(self, digest: bytes, size: int) -> bytes | None:
        """Return a path whose media is known and belongs to that content, None where there is none."""
        row = self._one(
            "SELECT path FROM file JOIN media ON media.file_id = file.id "
            "WHERE digest = ? AND digest IS NOT NULL AND size = ? AND status <> 'failed' LIMIT 1",
            (digest, size),
        )
        return row[0] if row else None

    def path_with_failure(self, digest: bytes, size: int) -> bytes | None:
        """Return a path at which that content could not be probed, None where there is none."""
        row = self._one(
            "SELECT path FROM file JOIN failure ON failure.file_id = file.id "
            "WHERE digest = ? AND digest IS NOT NULL AND +file.size = ? AND failure.size = file.size "
            "AND failure.prober IS NOT NULL LIMIT 1",
            (digest, size),
        )
        return row[0] if row else None

    def find(self, path: bytes, columns: tuple[str, ...]) -> Found | None:
        """Return the row of exactly `path` with `columns` (SQL expressions of this module), or None."""
        self._roots = None
        rows = self._rows(columns, "WHERE file.path = ?", (path,))
        return self._found(rows[0]) if rows else None

    def find_all(self, paths: Sequence[bytes], columns: tuple[str, ...]) -> dict[bytes, Found]:
        """Return the rows of exactly `paths`, at most 900 of them, by path: in half the time of `find` for each."""
        self._roots = None
        marks = ",".join("?" * len(paths))
        rows = self._rows(columns, f"WHERE file.path IN ({marks})", tuple(paths))
        return {row[0]: self._found(row) for row in rows}

    def rows(self, ids: Sequence[int], columns: tuple[str, ...]) -> list[Found]:
        """Return the rows with these `ids`, at most 900 of them, in their order; those that went are left out."""
        self._roots = None
        marks = ",".join("?" * len(ids))
        rows = self._rows((*columns, "file.id"), f"WHERE file.id IN ({marks})", tuple(ids))
        found = {row[-1]: self._found(row[:-1]) for row in rows}
        return [found[each] for each in ids if each in found]

    def find_composed(self, path: bytes, columns: tuple[str, ...]) -> Found | None:
        """Return the row whose path differs from `path` in its Unicode form alone, or None.

        macOS asks in one form for what a NAS stores in another.
        """
        rows = self._rows(columns, "WHERE file.nfc_path = ? LIMIT 1", (nfc(path) or path,))
        return self._found(rows[0]) if rows else None

    def spellings(self, path: bytes) -> Iterator[bytes]:
        """Yield `path`, and what else it may be called in the store: in Unicode form NFC, below the name of a root.

        A root may be stored by a name with symbolic links; the working directory never has them.
        """
        yield path
        composed = nfc(path)
        if composed is not None and composed != path:
            yield composed
        for root in self._known_roots():
            real_path = root.identity.real_path
            is_inside = path == real_path or path.startswith(range_below(real_path)[0])
            if is_inside and real_path != root.path:
                yield root.path + path[len(real_path) :]

    def below(self, path: bytes, columns: tuple[str, ...], *, only_failed: bool = False) -> Iterator[Found]:
        """Yield the rows below the folder `path` in path order."""
        self._roots = None
        lower, upper = range_below(path)
        # the first condition is that of the index, which SQLite does not infer from the second
        condition = "AND file.status <> 'ok' AND file.status = 'failed' " if only_failed else ""
        rest = f"WHERE file.path > ? AND file.path < ? {condition}ORDER BY file.path LIMIT {_PAGE}"
        while page := self._rows(columns, rest, (lower, upper)):
            for row in page:
                yield self._found(row)
            lower = page[-1][0]

    def below_composed(self, path: bytes, columns: tuple[str, ...], *, most: int = -1) -> list[Found]:
        """Return the rows below a folder whose path differs from `path` in its Unicode form alone, in order.

        All of them, or the first `most`.
        """
        lower, upper = range_below(nfc(path) or path)
        rest = "WHERE file.nfc_path > ? AND file.nfc_path < ? ORDER BY file.nfc_path LIMIT ?"
        return [self._found(row) for row in self._rows(columns, rest, (lower, upper, most))]

    def name_of(self, path: bytes) -> bytes | None:
        """Return what the store calls the file or folder `path`, None where it knows nothing at or below it."""
        for name in self.spellings(path):
            if self._one(
                "SELECT 1 FROM file WHERE path = ? UNION ALL SELECT 1 FROM file WHERE path >= ? AND path < ? LIMIT 1",
                (name, *range_below(name)),
            ):
                return name
        found = self.find_composed(path, ()) or next(iter(self.below_composed(path, (), most=1)), None)
        # as many parts as were asked for: what differs is their Unicode form
        return b"/".join(found.path.split(b"/")[: path.count(b"/") + 1]) if found else None

    def roots(self) -> list[Root]:
        """Return the roots that were ever scanned completely."""
        rows = self._all(
            "SELECT path, scanned_ms, file_count, real_path, filesystem, source, inode FROM root ORDER BY path", ()
        )
        return [
            Root(path, scanned_ms, file_count, RootIdentity(*identity))
            for path, scanned_ms, file_count, *identity in rows
        ]

    def count_below(self, folder: bytes) -> int:
        """Return how many files are below `folder` as far as is known."""
        row = self._one(
            "SELECT count(*) FROM file WHERE path > ? AND path < ? AND status <> 'vanished'", range_below(folder)
        )
        return row[0] if row else 0

    def anchors(self, root: bytes) -> list[KnownFile]:
        """Return some files below `root` that are there as far as is known: the first ones, and the last ones."""
        lower, upper = range_below(root)
        found = []
        for order in ("", " DESC"):
            found += self._all(
                "SELECT path, size, mtime_ns, status FROM file WHERE path > ? AND path < ? AND status = 'ok' "
                f"ORDER BY path{order} LIMIT {_ANCHORS}",
                (lower, upper),
            )
        return [KnownFile(*row) for row in found]

    def _found(self, row: tuple[Any, ...]) -> Found:
        path, status, last_seen_ms, unlisted, size, mtime_ns = row[:_HEAD]
        if not unlisted and status != "vanished":
            for _, scanned_ms in self._roots_of(path):
                last_seen_ms = max(last_seen_ms, scanned_ms)
        # a part of the tuple, not a list: of what cannot hold a cycle the garbage collector need not be told
        return Found(path, status, last_seen_ms, size, mtime_ns, row[_HEAD:])

    def root_of(self, path: bytes) -> bytes | None:
        """Return the longest root that holds `path`, None where there is none."""
        return max((root for root, _ in self._roots_of(path)), key=len, default=None)

    def _roots_of(self, path: bytes) -> list[tuple[bytes, int]]:
        return [
            (root.path, root.scanned_ms)
            for root, (lower, upper) in self._known_roots().items()
            if lower <= path < upper
        ]

    def _known_roots(self) -> dict[Root, tuple[bytes, bytes]]:
        if self._roots is None:
            self._roots = {root: range_below(root.path) for root in self.roots()}
        return self._roots

    def _rows(self, columns: tuple[str, ...], rest: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        query = _select(columns, rest)
        if layouts.COLUMN not in columns:
            return self._all(query, values)
        place = _HEAD + columns.index(layouts.COLUMN)
        try:
            return _replaced(self._all(query, values), place, self._layouts.streams)
        except KeyError:  # a layout that this reader did not come across yet
            return _replaced(self._rows_learned(query, values, place), place, self._layouts.streams_known)

    def _rows_learned(self, query: str, values: tuple[Any, ...], place: int) -> list[tuple[Any, ...]]:
        # at one moment: layouts are forgotten as soon as no file has them
        self._all("BEGIN")
        try:
            rows = self._all(query, values)
            self._layouts.learn((row[place] for row in rows), self._all)
            return rows
        finally:
            self._all("COMMIT")

    # without the context manager `explained`, which takes a fifth of the time of a query for one row

    def _one(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        try:
            return self._connection.execute(query, values).fetchone()  # type: ignore[no-any-return]
        except sqlite3.DatabaseError as error:
            raise explanation(error, self.path) from error

    def _all(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise explanation(error, self.path) from error


def _replaced(rows: list[tuple[Any, ...]], place: int, by: Callable[[Any], object]) -> list[tuple[Any, ...]]:
    return [(*row[:place], by(row[place]), *row[place + 1 :]) for row in rows]


@lru_cache
def _select(columns: tuple[str, ...], rest: str) -> str:
    return f"SELECT {', '.join((*_HEAD_COLUMNS, *columns))} {_FROM} {rest}"
