"""The merge join: what changed since the store was written.

In: discovery's runs, and the store's rows below the same roots, both in the byte order of whole paths. Out:
`Unchanged` for the files that are as the store knows them, a `FileStat` for each that must be looked into, and
`Vanished` for rows without a file. No query a file and constant memory, whatever the size of the library.
"""

from __future__ import annotations

import os
import stat as stat_module
from itertools import chain
from typing import TYPE_CHECKING, Protocol

from qacache.events import Failed, Reused, Unchanged, Vanished
from qacache.models import Failure, FileStat
from qacache.paths import as_folder, root_of
from qacache.store.reader import KnownFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from qacache.scan.discovery import Run
    from qacache.store.reader import Known

# after every path: no more rows
_END = KnownFile(b"\xff", 0, 0, "")


class Rows(Protocol):
    """What the merge join reads of the store."""

    def known_files(self, below: bytes) -> Iterator[KnownFile]:
        """Yield the rows below a folder in path order."""

    def known(self, path: bytes) -> Known | None:
        """Return all that a scan needs to know of one row."""


class MergeJoin:
    """Compares runs of files with rows.

    `is_due` says of a row whose last probe failed whether it is time for another; `lost` gives the folder, if any,
    around a path that is no longer what it was when the scan began; `says_gone` whether the system is sure that a file
    is gone. With `force` no file counts as unchanged, with `verify` none that was probed does by its size and mtime
    alone. After the join, `unlisted` holds the folders that could not be listed, or not to their end.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        is_due: Callable[[Known], bool],
        lost: Callable[[bytes], bytes | None] = lambda path: None,
        says_gone: Callable[[bytes], bool] | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
        force: bool = False,
        verify: bool = False,
    ) -> None:
        self._rows = rows
        self._is_due = is_due
        self._lost = lost
        self._says_gone = says_gone or is_gone
        self._is_stopped = is_stopped
        self._is_forced = force
        self._is_verifying = verify
        self._unchanged_status = None if force or verify else "ok"
        self._roots: list[bytes] = []
        self._coming: Iterator[KnownFile] = iter(())
        self._row = _END
        self._not_listed_here: list[bytes] = []
        self.unlisted: list[bytes] = []

    def skip_unchanged(
        self, runs: Iterable[Run | Failed], roots: Sequence[bytes]
    ) -> Iterator[FileStat | Unchanged | Reused | Vanished | Failed]:
        """Yield what became of each file and row below `roots`, which are in walking order."""
        self._roots = list(roots)
        self._coming = chain.from_iterable(map(self._rows.known_files, roots))
        self._row = next(self._coming, _END)
        for run in runs:
            yield from self._pass_over(run) if isinstance(run, Failed) else self._compare(run)
        if not self._is_stopped():
            yield from self._pass_rows(_END[0])
            for root in roots:
                if root not in self.unlisted and self._lost(root) is not None:
                    yield self._give_up(root)

    def _compare(self, run: Run) -> Iterator[FileStat | Unchanged | Reused | Vanished | Failed]:
        unchanged_status, rows, row = self._unchanged_status, self._coming, self._row
        unchanged = []
        for path, stat in run:
            if row[0] < path:
                yield from self._pass_rows(path)
                row = self._row
            if row[0] != path:
                yield FileStat.of(path, stat)
                continue
            # by position: these few lines run once for each file there is
            if row[3] == unchanged_status and row[1] == stat.st_size and row[2] == stat.st_mtime_ns:
                unchanged.append(path)
            else:
                yield self._differing(FileStat.of(path, stat))
            row = self._row = next(rows, _END)
        if unchanged:
            yield Unchanged(unchanged)

    def _pass_rows(self, place: bytes) -> Iterator[Vanished | Failed]:
        """Move on to the first row at or behind `place`; those before it have no file."""
        while self._row[0] < place:
            path, status = self._row[0], self._row[3]
            if status != "vanished" and not self._is_unlisted(path) and self._says_gone(path):
                yield from self._missing(path)
            self._row = next(self._coming, _END)

    def _missing(self, path: bytes) -> Iterator[Vanished | Failed]:
        """Tell of a file that is gone, unless it is its folder that cannot be seen any more."""
        lost = self._lost(path)
        if lost is not None:
            # unmounted since the scan began, or before: what is there now says nothing of the library
            yield self._give_up(lost)
        elif not _is_behind_link(path, root_of(path, self._roots)):
            yield Vanished(path)

    def _give_up(self, folder: bytes) -> Failed:
        self.unlisted.append(folder)
        self._not_listed_here.append(folder)
        return Failed(folder, Failure("list", "mount-gone", "not the folder that it was: its files stay as they are"))

    def _pass_over(self, failed: Failed) -> Iterator[Vanished | Failed]:
        """Leave the rows of what could not be looked at as they are."""
        is_folder = failed.failure.stage == "list"
        yield from self._pass_rows(as_folder(failed.path) if is_folder else failed.path)
        if is_folder:
            if failed.path in self._not_listed_here:
                return  # said before, at another part of the same folder
            self.unlisted.append(failed.path)
            self._not_listed_here.append(failed.path)
        elif self._row[0] == failed.path:
            self._row = next(self._coming, _END)
        yield failed

    def _is_unlisted(self, path: bytes) -> bool:
        # in path order, what is behind a folder is never followed by something in it
        while self._not_listed_here and not path.startswith(as_folder(self._not_listed_here[-1])):
            self._not_listed_here.pop()
        return bool(self._not_listed_here)

    def _differing(self, stat: FileStat) -> FileStat | Unchanged | Reused:
        """Return what to make of a file whose row is not plainly unchanged."""
        known = self._rows.known(stat.path)
        if known is None or self._is_forced:
            return stat
        if known.status == "ok" and is_unchanged(stat, known):
            # else it is one with an mtime that no row can hold
            return stat if self._is_verifying else Unchanged([stat.path])
        if known.next_retry_ms is not None:
            is_same_failure = (known.failed_size, known.failed_mtime_ns) == (stat.size, stat.mtime_ns)
            waits = known.status == "failed" and is_same_failure and not self._is_due(known)
            return Unchanged([stat.path], known_failures=1) if waits else stat
        if known.status == "vanished" and known.digest and is_unchanged(stat, known) and not self._is_verifying:
            return Reused(stat, known.digest, source=stat.path)
        return stat


def is_unchanged(stat: FileStat, known: Known) -> bool:
    """Whether nobody wrote to the file since its row was stored, as far as size and mtime tell."""
    return (known.size, known.mtime_ns) == (stat.size, stat.mtime_ns)


def is_gone(path: bytes) -> bool:
    """Whether the operating system says for sure that there is no such file, or that it is a folder now.

    Any other refusal (a mount that went away, a folder that may not be entered) is no such word.
    """
    try:
        return stat_module.S_ISDIR(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _is_behind_link(path: bytes, root: bytes) -> bool:
    """Whether a folder between `root` and the file is a symbolic link: such a folder is not entered, so not listed."""
    folder = os.path.dirname(path)
    while len(folder) > len(root):
        if os.path.islink(folder):
            return True
        folder = os.path.dirname(folder)
    return False
