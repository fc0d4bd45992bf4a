"""Jobs: the runs that change the store: one scan at a time, in a process of its own, and files that are probed again.

In: folders, or files. Out: what became of them; a `Watcher` is told of scans, and gets counts of all.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from qacache.assembly import make_crew, make_filters, open_store
from qacache.errors import QacacheError, StoreError, StoreLocked
from qacache.event_record import summary_dict
from qacache.probe.timed import TimedProber
from qacache.scan.refresh import Refresh
from qacache.serve.scanning.process import ScanProcess
from qacache.serve.scanning.reports import Order
from qacache.serve.scanning.tally import Tally
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from qacache.config import Config
    from qacache.events import Event, Summary

# How long a process that was killed may take to be gone.
_DEATH_S = 1.0


class Watcher(Protocol):
    """What is told of runs, from their threads; it must not wait."""

    def began(self, run: RunningScan) -> None:
        """A scan began."""

    def advanced(self, run: RunningScan) -> None:
        """A scan has come further: once a second."""

    def counted(self, tally: Tally) -> None:
        """That became of files since the last time."""

    def ended(self, run: RunningScan) -> None:
        """A scan ended; `error` says why, where it was not to."""


class AlreadyRuns(QacacheError):
    """A scan runs already, which is `run`."""

    def __init__(self, run: RunningScan) -> None:
        super().__init__("a scan runs already", hint="wait for it, or cancel it")
        self.run = run


@dataclass(slots=True)
class RunningScan:
    """A scan of this server. `summary` is what it came to by its last report, None before the first.

    `error` says what ended it, or is empty; it `is_unstored` where that was results which could not be stored.
    """

    roots: Sequence[bytes]
    began_s: float
    summary: Summary | None = None
    error: str = ""
    is_unstored: bool = False
    is_over: bool = False
    process: ScanProcess | None = None
    beginning: threading.Event = field(default_factory=threading.Event)

    @property
    def scan_id(self) -> int | None:
        """Its number in the journal."""
        return self.summary.scan_id if self.summary else None

    def progress(self) -> dict[str, Any]:
        """Return what is different from the journal as long as it runs, as programs see it."""
        counts = self.summary.counts() if self.summary else {}
        # the summary has that of the end
        return {**counts, "state": "running", "duration_s": round(max(0.0, time.time() - self.began_s), 3)}

    def to_dict(self) -> dict[str, Any]:
        """Return it as programs see it."""
        told = summary_dict(self.summary) if self.summary else {"scan_id": None}
        told.pop("event", None)
        if not self.is_over:
            told |= self.progress()
        return {
            **told,
            "state": "failed" if self.error else told.get("state"),
            "started_at": iso_time(round(self.began_s * 1000)),
            "roots": [root.decode(errors="replace") for root in self.roots],
            "error": self.error or None,
        }


class Jobs:
    """Runs scans and refreshes of one store. Owns their threads and processes. For any thread."""

    def __init__(self, config: Config, watcher: Watcher) -> None:
        self._config = config
        self._watcher = watcher
        self._lock = threading.Lock()
        self._scan: RunningScan | None = None
        self._thread: threading.Thread | None = None
        self._refreshes: set[Refresh] = set()
        self._is_closing = False

    @property
    def running(self) -> RunningScan | None:
        """The scan that runs now, if one does."""
        scan = self._scan
        return scan if scan and not scan.is_over else None

    def start(self, roots: Sequence[bytes], options: Mapping[str, bool], *, patience_s: float = 5.0) -> RunningScan:
        """Begin a scan; return it when it has a number, or is over already, or `patience_s` have passed.

        Raises `AlreadyRuns`; `StoreLocked` where another process scans; and what a scan raises before it begins.
        """
        with self._lock:
            if self._is_closing:
                raise StoreLocked("the server is about to stop", hint="ask again later")
            if self.running:
                raise AlreadyRuns(self.running)
            run = RunningScan(roots, time.time())
            run.process = ScanProcess(Order(self._config, roots, options))
            self._scan = run
            failures: list[QacacheError] = []
            self._thread = threading.Thread(
                target=self._follow, args=(run, run.process, failures), name="scan", daemon=True
            )
            self._thread.start()
        run.beginning.wait(patience_s)
        if failures:
            raise failures[0]
        return run

    def cancel(self, scan_id: int) -> RunningScan | None:
        """End the scan of that number, with all that is finished stored; None where it does not run."""
        run = self.running
        if run is None or run.process is None or run.scan_id != scan_id:
            return None
        run.process.stop()
        return run

    def refresh(self, paths: Iterator[bytes], *, create: bool = False) -> Iterator[Event | Summary]:
        """Probe `paths` and the videos below them again; yield what became of each, and the summary at the end.

        Closing the iterator ends the run, with all that is finished stored.
        """
        tally = Tally()
        crew = make_crew(self._config, lambda prober: TimedProber(prober, tally.probed))
        with open_store(self._config, create=create) as store:
            run = Refresh(store, crew, make_filters(self._config))
            with self._lock:
                self._refreshes.add(run)
            try:
                if self._is_closing:
                    run.stop()
                with closing(run.events(paths)) as events:
                    for event in events:
                        tally.seen(event)
                        self._watcher.counted(tally.taken())
                        yield event
                yield run.summary
            finally:
                self._watcher.counted(tally.taken())
                with self._lock:
                    self._refreshes.discard(run)

    def stop(self) -> None:
        """Take no more jobs, and tell those that run to end, with all that is finished stored."""
        with self._lock:
            self._is_closing = True
            refreshes, run = list(self._refreshes), self.running
        for refresh in refreshes:
            refresh.stop()
        if run and run.process:
            run.process.stop()

    def close(self, most_s: float) -> bool:
        """Take no more jobs, and end those that run, within `most_s` seconds; return whether the scan did so itself."""
        self.stop()
        run, thread = self.running, self._thread
        if run is None or run.process is None or thread is None:
            return True
        thread.join(most_s)
        if not thread.is_alive():
            return True
        # all that it has stored is whole, and so it is where it is killed
        run.process.kill()
        thread.join(_DEATH_S)
        return False

    def _follow(self, run: RunningScan, process: ScanProcess, failures: list[QacacheError]) -> None:
        try:
            for report in process.reports():
                run.summary = report.summary
                self._watcher.counted(report.tally)
                # who asked for a scan that is over already, is told what came of it
                if not report.is_last:
                    self._told(run)
        except QacacheError as error:
            run.error, run.is_unstored = str(error), isinstance(error, StoreError)
            if run.scan_id is None:
                failures.append(error)
        finally:
            run.is_over = True
            run.beginning.set()
            if run.scan_id is not None:
                self._watcher.ended(run)

    def _told(self, run: RunningScan) -> None:
        if not run.beginning.is_set() and run.scan_id is not None:
            self._watcher.began(run)
            run.beginning.set()
        self._watcher.advanced(run)
