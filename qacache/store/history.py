"""What the journal tells: the scans there were, and the changes that each of them noticed.

Out: rows, as they were committed. Each query is short, as those of `qacache.store.reader` are, so that listings of any
length need no more memory than a page of them.
"""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from qacache.store.database import explanation, open_reader
from qacache.store.journal import path_key
from qacache.store.lock import is_held, scan_lock_path
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.events import ScanState

_PAGE = 2000
_LARGEST_ID = (1 << 63) - 1

OUTCOMES = ("unchanged", "reused", "probed", "failed", "vanished", "unstable")
"""What can become of a file in a scan."""

# of the files that were found, those that are through
_DONE = ("unchanged", "reused", "probed", "failed", "unstable")

ChangeKind = Literal["added", "removed", "moved", "replaced", "re-encoded"]


class JournaledScan(NamedTuple):
    """A scan, as the journal has it: `finished_ms` is None of one that runs, or died.

    `roots` are as text, with replacement characters where a name is no UTF-8. `summary` has the counts by outcome,
    `duration_s` and `changes`, a mapping of kinds to counts; it is empty before the end of the scan.
    """

    scan_id: int
    roots: list[str]
    started_ms: int
    finished_ms: int | None
    state: ScanState | Literal["running"]
    summary: dict[str, Any]

    @property
    def duration_s(self) -> float | None:
        """How long it took, None before its end."""
        duration_s: float | None = self.summary.get("duration_s")
        return duration_s

    @property
    def is_whole(self) -> bool:
        """Whether it saw all that it was to see."""
        return self.state == "complete" and not (self.summary.get("refused") or self.summary.get("incomplete"))

    @property
    def files_per_s(self) -> float | None:
        """How many files were through in a second, None where that is not known."""
        return sum(self.summary.get(name, 0) for name in _DONE) / self.duration_s if self.duration_s else None


def scan_dict(scan: JournaledScan) -> dict[str, Any]:
    """Return a scan as programs see it, ready for JSON."""
    rate = scan.files_per_s
    return {
        "event": "scan",
        "scan_id": scan.scan_id,
        "state": scan.state,
        "started": iso_time(scan.started_ms),
        "finished": iso_time(scan.finished_ms),
        "roots": scan.roots,
        "files_per_s": None if rate is None else round(rate, 3),
        **dict.fromkeys(("duration_s", "found", "bytes", *OUTCOMES, "changes")),
        "refused": [],
        "incomplete": [],
        **scan.summary,
    }


class Change(NamedTuple):
    """One change of one file. Sizes are in bytes; they and all else of a version is None where no file was.

    `scan_id` is None of what was found since the last scan, and is the next one's. `is_half_told` says that an earlier
    change has half of this one already: that the file left `from_path`, if it was moved, or that there is one at
    `path`, if it was re-encoded.
    """

    change_id: int
    scan_id: int | None
    kind: ChangeKind
    path: bytes
    from_path: bytes | None
    changed_ms: int
    size_before: int | None
    digest_before: bytes | None
    codec_before: str | None
    size_after: int | None
    digest_after: bytes | None
    codec_after: str | None
    is_half_told: bool = False


_SELECT_SCANS = "SELECT id, roots, started_ms, finished_ms, state, summary FROM scan"

# A scan that was interrupted may have seen a file go, and the next one where it went; and what is there instead of a
# file that goes now may have been there for long.
_SELECT_CHANGES = """
SELECT id, scan_id, kind, path, from_path, changed_ms, size_before, digest_before, codec_before,
    size_after, digest_after, codec_after,
    CASE WHEN from_path IS NULL THEN 0 ELSE coalesce((
        SELECT (earlier.kind = 'removed') = (change.kind = 'moved') FROM change AS earlier
        WHERE earlier.path_key = CASE change.kind WHEN 'moved' THEN path_key(change.from_path) ELSE change.path_key END
        AND earlier.path = CASE change.kind WHEN 'moved' THEN change.from_path ELSE change.path END
        AND earlier.id < change.id ORDER BY earlier.id DESC LIMIT 1
    ), 0) END
FROM change
"""

_SELECT_ENDS = """
SELECT (SELECT min(id) FROM change WHERE scan_id = ?1 AND kind = ?2),
    (SELECT max(id) FROM change WHERE scan_id = ?1 AND kind = ?2)
"""

# the plus keeps SQLite from going through all that the scan noticed
_SELECT_OF_PATH = f"{_SELECT_CHANGES} WHERE ((path_key = ? AND path = ?) OR from_path = ?) AND +scan_id = ?"


class History:
    """Reads the journal of one store. Owns its connection, which belongs to the thread that made it.

    Raises `StoreMissing`, a `SchemaError`, or `StoreCorrupt`; all methods raise `StoreError`s.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection = open_reader(path)
        self._connection.create_function("path_key", 1, path_key, deterministic=True)

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def scans(self) -> Iterator[JournaledScan]:
        """Yield the scans, the newest first."""
        before = _LARGEST_ID
        while page := self._all(f"{_SELECT_SCANS} WHERE id < ? ORDER BY id DESC LIMIT {_PAGE}", (before,)):
            yield from map(self._scan, page)
            before = page[-1][0]

    def scan(self, scan_id: int) -> JournaledScan | None:
        """Return that scan, None where there is none (any more)."""
        rows = self._all(f"{_SELECT_SCANS} WHERE id = ?", (scan_id,)) if scan_id <= _LARGEST_ID else []
        return self._scan(rows[0]) if rows else None

    def _scan(self, row: tuple[Any, ...]) -> JournaledScan:
        scan_id, roots, started_ms, finished_ms, state, summary = row
        if state == "running" and not is_held(scan_lock_path(self.path)):
            state = "interrupted"  # its process died, and the next scan is going to write that down
        return JournaledScan(scan_id, json.loads(roots), started_ms, finished_ms, state, json.loads(summary or "{}"))

    def changes(self, after: int, through: int | None = None) -> Iterator[Change]:
        """Yield what the scans after `after` noticed, up to and including the scan `through`, in order.

        Without `through` these are all changes until now: also of a scan that still runs, which tells moves from files
        that came and went at its end only, and what was found since the last scan.
        """
        lower, upper = self._bounds(after, through)
        # the plus keeps SQLite from going by scan, which would mean to sort
        unclaimed = "" if through is not None else " OR scan_id IS NULL"
        chosen = (after, _LARGEST_ID if through is None else through)
        yield from self._between(lower, upper, f"((+scan_id > ? AND +scan_id <= ?){unclaimed})", chosen)

    def changes_of(self, scan_id: int, *, first: int = 0) -> Iterator[Change]:
        """Yield what one scan noticed, in order, from the change `first` on."""
        # kind by kind: to look for the first and the last of all would mean to walk through them
        lower, upper = _outer(self._all(_SELECT_ENDS, (scan_id, kind))[0] for kind in get_args(ChangeKind))
        return self._between(max(lower, first - 1), upper, "+scan_id = ?", (scan_id,))

    def linked(self, change: Change) -> list[Change]:
        """Return all that its scan noticed of the same files as `change`, if only by way of other changes, in order."""
        found: dict[int, Change] = {}
        paths: set[bytes] = set()
        spoken_of = [change.path, change.from_path]
        while spoken_of:
            path = spoken_of.pop()
            if path is None or path in paths:
                continue
            paths.add(path)
            for row in self._all(_SELECT_OF_PATH, (path_key(path), path, path, change.scan_id)):
                each = found[row[0]] = _change(row)
                spoken_of += (each.path, each.from_path)
        return [found[change_id] for change_id in sorted(found)]

    def _between(self, lower: int, upper: int, condition: str, values: tuple[int, ...]) -> Iterator[Change]:
        """Yield the changes with lower < id <= upper for which `condition` holds, read in pages."""
        query = f"{_SELECT_CHANGES} WHERE id > ? AND id <= ? AND {condition} ORDER BY id LIMIT {_PAGE}"
        while page := self._all(query, (lower, upper, *values)):
            yield from map(_change, page)
            lower = page[-1][0]

    def _bounds(self, after: int, through: int | None) -> tuple[int, int]:
        """Return (lower, upper) such that lower < id <= upper for the changes asked for, and few others."""
        last = _LARGEST_ID if through is None else through
        asked = [
            ("scan_id > ? AND scan_id <= ?", (after, last)),
            *([("scan_id IS NULL", ())] if through is None else []),
        ]
        found = [self._all(f"SELECT min(id), max(id) FROM change WHERE {which}", values)[0] for which, values in asked]
        return _outer(found)

    def _all(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise explanation(error, self.path) from error


def _outer(ends: Iterable[tuple[int | None, int | None]]) -> tuple[int, int]:
    """Return (lower, upper) such that lower < id <= upper from the first to the last id of all; None is no id."""
    known = [each for low_high in ends for each in low_high if each is not None]
    return min(known, default=1) - 1, max(known, default=0)


def _change(row: tuple[Any, ...]) -> Change:
    return Change._make(row)._replace(is_half_told=bool(row[-1]))
