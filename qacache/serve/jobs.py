"""Jobs: the runs that change the store, one scan at a time, each in a thread of its own.

In: folders, or files. Out: what became of them, told to whoever listens: `Watcher`s get each event as it is stored.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from qacache.assembly import make_crew, make_filters, make_options, open_store
from qacache.errors import QacacheError, StoreError, StoreLocked
from qacache.event_record import summary_dict
from qacache.scan.pipeline import Scan
from qacache.scan.refresh import Refresh
from qacache.store.checkup import checkpoint
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qacache.config import Config
    from qacache.events import Event, Summary
    from qacache.probe import Prober

_PROGRESS_S = 1.0


class Watcher(Protocol):
    """What is told of runs, from their threads; it must not wait."""

    def began(self, run: RunningScan) -> None:
        """A scan began."""

    def advanced(self, run: RunningScan) -> None:
        """A scan has come further: once a second."""

    def seen(self, event: Event) -> None:
        """That became of a file."""

    def ended(self, run: RunningScan) -> None:
        """A scan ended; `error` says why, where it was not to."""


class AlreadyRuns(QacacheError):
    """A scan runs already, which is `run`."""

    def __init__(self, run: RunningScan) -> None:
        super().__init__("a scan runs already", hint="wait for it, or cancel it")
        self.run = run


@dataclass(slots=True)
class RunningScan:
    """A scan of this process. `scan_id` is None until it has one; `error` says what ended it, or is empty.

    It `is_unstored` where that was results which could not be stored.
    """

    roots: Sequence[bytes]
    began_s: float
    scan: Scan | None = None
    error: str = ""
    is_unstored: bool = False
    is_over: bool = False
    is_cancelled: bool = False
    beginning: threading.Event = field(default_factory=threading.Event)

    @property
    def summary(self) -> Summary | None:
        """What it came to by now."""
        return self.scan.summary if self.scan else None

    @property
    def scan_id(self) -> int | None:
        """Its number in the journal."""
        return self.summary.scan_id if self.summary else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as programs see it."""
        told = summary_dict(self.summary) if self.summary else {"scan_id": None}
        told.pop("event", None)
        state = told.get("state") if self.is_over else "running"
        return {
            **told,
            "state": "failed" if self.error else state,
            "started_at": iso_time(round(self.began_s * 1000)),
            "roots": [root.decode(errors="replace") for root in self.roots],
            "error": self.error or None,
        }


class Jobs:
    """Runs scans and refreshes of one store. Owns their threads. For any thread.

    `wrap` is put around the prober of each run.
    """

    def __init__(self, config: Config, watcher: Watcher, wrap: Callable[[Prober], Prober]) -> None:
        self._config = config
        self._watcher = watcher
        self._wrap = wrap
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

    def start(self, roots: Sequence[bytes], options: dict[str, bool], *, patience_s: float = 5.0) -> RunningScan:
        """Begin a scan; return it when it has a number, or is over already, or `patience_s` have passed.

        Raises `AlreadyRuns`; `StoreLocked` where another process scans; and what a scan raises before it begins.
        """
        with self._lock:
            if self._is_closing:
                raise StoreLocked("the server is about to stop", hint="ask again later")
            if self.running:
                raise AlreadyRuns(self.running)
            run = self._scan = RunningScan(roots, time.time())
            failures: list[QacacheError] = []
            self._thread = threading.Thread(target=self._run, args=(run, options, failures), name="scan", daemon=True)
            self._thread.start()
        run.beginning.wait(patience_s)
        if failures:
            raise failures[0]
        return run

    def cancel(self, scan_id: int) -> RunningScan | None:
        """End the scan of that number, with all that is finished stored; None where it does not run."""
        run = self.running
        if run is None or run.scan is None or run.scan_id != scan_id:
            return None
        run.is_cancelled = True
        run.scan.stop()
        return run

    def refresh(self, paths: Iterator[bytes], *, create: bool = False) -> Iterator[Event | Summary]:
        """Probe `paths` and the videos below them again; yield what became of each, and the summary at the end.

        Closing the iterator ends the run, with all that is finished stored.
        """
        crew = make_crew(self._config, self._wrap)
        with open_store(self._config, create=create) as store:
            run = Refresh(store, crew, make_filters(self._config))
            with self._lock:
                self._refreshes.add(run)
            try:
                if self._is_closing:
                    run.stop()
                with closing(run.events(paths)) as events:
                    for event in events:
                        self._watcher.seen(event)
                        yield event
                yield run.summary
            finally:
                with self._lock:
                    self._refreshes.discard(run)

    def close(self, most_s: float) -> bool:
        """Take no more jobs, end those that run, for up to `most_s` seconds; return whether they did."""
        with self._lock:
            self._is_closing = True
            refreshes, run, thread = list(self._refreshes), self.running, self._thread
        for refresh in refreshes:
            refresh.stop()
        if run and run.scan:
            run.scan.stop()
        if thread is None:
            return True
        thread.join(most_s)
        return not thread.is_alive()

    def _run(self, run: RunningScan, options: dict[str, bool], failures: list[QacacheError]) -> None:
        try:
            self._scan_all(run, options)
        except QacacheError as error:
            run.error, run.is_unstored = str(error), isinstance(error, StoreError)
            if run.scan_id is None:
                failures.append(error)
        except Exception as error:  # whatever it is, the server goes on
            run.error = f"unexpected: {type(error).__name__}"
            raise
        finally:
            run.is_over = True
            run.beginning.set()
            if run.scan_id is not None:
                self._watcher.ended(run)

    def _scan_all(self, run: RunningScan, options: dict[str, bool]) -> None:
        config = self._config
        crew = make_crew(config, self._wrap)
        with open_store(config) as store:
            run.scan = Scan(store, crew, make_options(config, **options))
            due_s, folded = 0.0, 0
            with closing(run.scan.events(run.roots)) as events:
                for event in events:
                    if not run.beginning.is_set() and run.scan_id is not None:
                        self._watcher.began(run)
                        run.beginning.set()
                        if self._is_closing:
                            run.scan.stop()
                    self._watcher.seen(event)
                    if time.monotonic() >= due_s:
                        self._watcher.advanced(run)
                        due_s = time.monotonic() + _PROGRESS_S
                    if config.db.checkpoint_every and store.writer.batches - folded >= config.db.checkpoint_every:
                        checkpoint(config.db.path, config.db.busy_timeout_s)
                        folded = store.writer.batches
