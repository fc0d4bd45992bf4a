"""The ledger: which files failed, why, how often, and when they are due again.

In: paths of files and folders. Out: a `FailedFile` for each file there whose last look failed. Files that vanished
since are left out. Read in pages by key, as all long listings are (see `qacache.store.reader`): memory stays flat,
and what is written meanwhile is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from qacache.models import Stage
from qacache.record import RecordedFailure, failure_to_dict
from qacache.selection import Selection
from qacache.store.criteria import path_ranges
from qacache.store.database import explained, open_reader
from qacache.store.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator

_PAGE = 2000


class FailedFile(NamedTuple):
    """A file that failed. `attempts` counts those at its size and mtime with `prober`, which is None where none ran.

    Times ending in `_ms` are milliseconds since the epoch.
    """

    path: bytes
    stage: Stage
    reason: str
    message: str
    attempts: int
    failed_ms: int
    next_retry_ms: int
    prober: str | None

    def is_waiting(self, now_ms: int) -> bool:
        """Whether scans leave the file alone at that time, unless it or the prober changes."""
        # permissions change neither, so scans always try
        return self.reason != "permission-denied" and now_ms < self.next_retry_ms


def failure_dict(failed: FailedFile) -> dict[str, Any]:
    """Return what there is to tell of a failure besides the path, ready for JSON. Times are UTC, ISO 8601."""
    return failure_to_dict(RecordedFailure(*failed[1:]))


FAILURE_COLUMNS = tuple(f"failure.{name}" for name in FailedFile._fields[1:])
"""What a `FailedFile` is made of, besides its path."""

# CROSS keeps SQLite from going through all failures first; of the two conditions on the status, the first is that of
# the index, which SQLite does not infer from the second
_SELECT = f"""
SELECT file.path, {", ".join(FAILURE_COLUMNS)}
FROM file CROSS JOIN failure ON failure.file_id = file.id
WHERE file.path >= ? AND file.path < ? AND file.status <> 'ok' AND file.status = 'failed'
ORDER BY file.path LIMIT {_PAGE}
"""


class Ledger:
    """Reads the failures of one store. Owns its connection, which belongs to the thread that made it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._connection = open_reader(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def failures(
        self,
        paths: Iterable[bytes],
        *,
        since_ms: int | None = None,
        reasons: Collection[str] = (),
        after: bytes | None = None,
    ) -> Iterator[FailedFile]:
        """Yield the failures at and below `paths`, each once, in path order.

        `since_ms` leaves out what failed before; `reasons`, where there are any, all other reasons; `after` all up to
        that path. Raises `StoreError`.
        """
        first = b"" if after is None else _following(after)
        for lower, upper in path_ranges(Selection(under=tuple(paths))):
            for each in self._between(max(lower, first), upper):
                is_recent = since_ms is None or each.failed_ms >= since_ms
                if is_recent and (not reasons or each.reason in reasons):
                    yield each

    def _between(self, lower: bytes, upper: bytes) -> Iterator[FailedFile]:
        while page := self._page(lower, upper):
            yield from map(FailedFile._make, page)
            lower = _following(page[-1][0])

    def _page(self, lower: bytes, upper: bytes) -> list[tuple[Any, ...]]:
        with explained(self.path):
            return self._connection.execute(_SELECT, (lower, upper)).fetchall()


def failed_files(
    store_path: str,
    paths: Iterable[bytes] = (),
    *,
    since_ms: int | None = None,
    reasons: Collection[str] = (),
    after: bytes | None = None,
) -> Generator[FailedFile, None, None]:
    """Yield what `Ledger.failures` does, for `paths` by whatever name the store has them; all where there are none.

    The store is open while this is iterated. Raises as `open_reader`.
    """
    with Reader(store_path) as reader, Ledger(store_path) as ledger:
        names = [name for path in paths for name in _names(reader, path)]
        yield from ledger.failures(names or [b"/"], since_ms=since_ms, reasons=reasons, after=after)


def _following(path: bytes) -> bytes:
    """Return the next path there can be."""
    return path + b"\0"


def _names(reader: Reader, path: bytes) -> Iterator[bytes]:
    """Yield what `path`, or what is below it, may be called in the store."""
    yield from reader.spellings(path)
    if not path.isascii():
        found = reader.find_composed(path, ())
        yield from (each.path for each in ([found] if found else reader.below_composed(path, ())))
