"""A store that goes by a clock, and what it says of a library, in the terms of `tests.library_model`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import xxhash

from qacache.diff import net_changes
from qacache.record import Record
from qacache.store.history import Change, History
from qacache.store.maintenance import Maintenance
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.libraries import stored
from tests.library_model import PRUNE_AFTER, Root, Row, is_readable

DAY_S = 86_400
RETRIES = RetrySchedule(DAY_S, 5 * DAY_S, jitter=lambda: 0.5)


class Stored(NamedTuple):
    """What the store says of a file, but for when."""

    size: int
    mtime_ns: int
    digest: str | None
    status: str
    content: str | None
    attempts: int
    failed_prober: str | None
    is_due: bool


def as_stored(row: Row) -> Stored:
    """What the store is to say of a file."""
    content, misses = row.content, row.misses
    digest = xxhash.xxh3_128(len(content).to_bytes(8, "little") + content).hexdigest()
    return Stored(
        len(content),
        row.mtime_ns,
        digest if content else None,
        row.status,
        content.decode() if is_readable(content) else None,
        misses.attempts if misses else 0,
        misses.prober if misses else None,
        bool(misses and misses.is_due),
    )


@cache
def new_store() -> bytes:
    """The file of a new store: to make one takes longer than to scan a small library some times."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        with Store(str(path), retries=RETRIES, create=True):
            pass
        return path.read_bytes()


class LibraryStore(Store):
    """A new store beside the roots in `home`, to which the paths that it tells are relative."""

    def __init__(self, home: Path, clock: FakeClock) -> None:
        path = home / "qacache.db"
        path.write_bytes(new_store())
        super().__init__(str(path), retries=RETRIES)
        self._home = home
        self._clock = clock
        self.writer = self._resources.enter_context(
            Writer(self.path, busy_timeout_s=5.0, retries=RETRIES, clock=clock.time)
        )
        self._history = self._resources.enter_context(History(self.path))

    def _name(self, path: bytes) -> str:
        return os.fsdecode(path).removeprefix(f"{self._home}/")

    def rows(self) -> dict[str, Stored]:
        return {self._name(record.path): self._said(record) for record in stored(self)}

    def sightings(self) -> Iterator[tuple[str, int, int, int]]:
        """When each file was first and last seen, in milliseconds, and how many complete scans missed it since."""
        for found in self.reader.below(os.fsencode(self._home), ("file.first_seen_ms", "file.away")):
            first_seen_ms, away = found.values
            yield self._name(found.path), first_seen_ms, found.last_seen_ms, away

    def roots(self) -> dict[str, Root]:
        found = {}
        for root in self.reader.roots():
            assert root.identity.inode is not None
            found[self._name(root.path)] = Root(root.file_count, root.identity.inode)
        return found

    def roots_since(self, moment_ms: int) -> list[str]:
        """The roots that a scan which began then, or later, has seen to their end."""
        return [self._name(root.path) for root in self.reader.roots() if root.scanned_ms >= moment_ms]

    def changes(self) -> dict[tuple[int | None, str], tuple[str, str | None]]:
        return {
            (change.scan_id, self._name(change.path)): (change.kind, change.from_path and self._name(change.from_path))
            for change in self._changes()
        }

    def net_sizes(self) -> dict[str, int | None]:
        """What all changes come to, which is that the files that are there were added: their sizes."""
        changes = [*net_changes(self._changes())]
        assert {change.kind for change in changes} <= {"added"}
        return {self._name(change.path): change.size_after for change in changes}

    def prune(self) -> None:
        Maintenance(self.path, prune_after=PRUNE_AFTER, history_s=10**9, busy_timeout_s=5.0).prune()

    def _changes(self) -> Iterator[Change]:
        return self._history.changes(0)

    def _said(self, record: Record) -> Stored:
        known = self.reader.known(record.path)
        assert known is not None
        return Stored(
            record.size,
            record.mtime_ns,
            record.digest,
            record.status,
            record.media and record.media.tags["content"],
            record.error.attempts if record.error else 0,
            known.failed_prober,
            known.next_retry_ms is not None and known.next_retry_ms <= self._clock.time() * 1000,
        )
