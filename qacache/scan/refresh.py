"""Refreshing: the files that somebody names are looked into, whatever is stored of them.

In: paths of files and folders. Out: events, as of a scan, but nothing is skipped as unchanged and nothing vanishes.
"""

from __future__ import annotations

import os
import stat as stat_module
from contextlib import closing
from typing import TYPE_CHECKING

from qacache.clock import SystemClock
from qacache.events import Event, Failed, Summary
from qacache.models import Failure, FileStat
from qacache.os_failures import os_failure
from qacache.scan.batches import write_batches
from qacache.scan.crew import Crew
from qacache.scan.discovery import Filters, discover
from qacache.scan.lookahead import looker_for
from qacache.scan.places import places_at
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from qacache.clock import Clock
    from qacache.scan.discovery import Looker
    from qacache.store.session import Store


class Refresh:
    """One run over named files: `events()` is the run, `summary` what it came to by now.

    With `reuse`, content that the store knows is not probed again.
    """

    def __init__(
        self,
        store: Store,
        crew: Crew,
        filters: Filters,
        *,
        reuse: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.summary = Summary()
        self._store = store
        self._crew = crew
        self._filters = filters
        self._reuse = reuse
        self._clock = clock or SystemClock()

    def stop(self) -> None:
        """End early: what is finished gets stored, probes that run are ended."""
        self._crew.stop()

    def slowest(self) -> tuple[bytes, float] | None:
        """Return the path that is worked on for the longest time by now, with its seconds; None when idle."""
        return self._crew.slowest()

    def events(self, paths: Iterable[bytes]) -> Generator[Event, None, None]:
        """Look into the files `paths`, and the videos below those that are folders; yield what became of each.

        Raises `StoreError` where results cannot be stored.
        """
        began = self._clock.monotonic()
        self.summary.state = "interrupted"
        known = self._store.reader if self._reuse else None
        described = self._crew.describe(self._files(paths), known)
        stored = write_batches(described, self._store.writer, self._clock, count=self.summary.add, stop=self._crew.stop)
        # closed here, not by the garbage collector, which would swallow what goes wrong with the last batch
        with self._crew, closing(stored):
            yield from stored
            self.summary.state = "interrupted" if self._crew.is_stopped else "complete"
            self.summary.abandoned = self._crew.abandoned
        self.summary.duration_s = self._clock.monotonic() - began

    def _files(self, paths: Iterable[bytes]) -> Iterator[FileStat | Failed]:
        for path in paths:
            if self._crew.is_stopped:
                return
            for file in self._below(path):
                self.summary.found += 1
                yield file

    def _below(self, path: bytes) -> Iterator[FileStat | Failed]:
        mounts = self._crew.mounts
        try:
            if mounts.place_of(path) is None:
                # by its folder: there are fewer of them
                mounts.add(within(mounts.hang_s, places_at, os.path.dirname(path)))
            with mounts.turn(path):
                # wherever it is: a link may lead to any mount
                stat = within(mounts.hang_s, os.stat, path)
            if stat_module.S_ISDIR(stat.st_mode):
                mounts.add(within(mounts.hang_s, places_at, path))
        except OSError as error:
            yield Failed(path, os_failure("stat", error))
            return
        if stat_module.S_ISREG(stat.st_mode):
            yield FileStat.of(path, stat)
        elif stat_module.S_ISDIR(stat.st_mode):
            with looker_for(path, mounts) as looker:
                yield from self._walk(path, looker)
        else:
            yield Failed(path, Failure("stat", "not-a-file", "neither file nor folder"))

    def _walk(self, folder: bytes, looker: Looker) -> Iterator[FileStat | Failed]:
        for run in discover(folder, self._filters, looker=looker, is_over=self._crew.mounts.is_over):
            if isinstance(run, Failed):
                self._crew.mounts.note(run.path, run.failure)
                yield run
            else:
                yield from (FileStat.of(name, file) for name, file in run)
