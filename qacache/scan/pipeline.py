"""The pipeline: the stages put together, and the journal of what they did.

In: root folders. Out: events, each stored before it is told. One lazy stream; the thread that iterates is the only
writer, and closing the generator is cancellation.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qacache.clock import SystemClock
from qacache.errors import StoreError
from qacache.events import Event, Failed, Planned, Summary, Unstable, Waiting
from qacache.models import Failure, FileStat
from qacache.os_failures import NoAnswer, os_failure
from qacache.paths import root_of
from qacache.scan.batches import write_batches
from qacache.scan.crew import Crew
from qacache.scan.discovery import LOOK_AT_ONCE, Filters, Looker, Run, discover
from qacache.scan.health import Health
from qacache.scan.lookahead import LookAhead
from qacache.scan.merge import MergeJoin, is_unchanged
from qacache.scan.roots import Admission, admit, identify
from qacache.scan.settle import look_again, settle
from qacache.scan.shrink import ShrinkGuard
from qacache.scan.workers import within

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from qacache.clock import Clock
    from qacache.events import PlanReason
    from qacache.probe import Prober
    from qacache.store.reader import Known
    from qacache.store.session import Store

# Folders and files of a network mount that are looked at at a time: each look waits for the server, none computes.
_LOOKERS = 8
# For each of them, so many steps of the walk are begun before it is their turn.
_AHEAD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """How to scan.

    `settle_s` is how many seconds ago a file must have been written to; `jobs` how many files are probed at a time
    (0: CPUs + 2); `rate` how many files a second are looked into (0: any number). `force` probes every file,
    whatever is stored; `verify_digest` compares the content of those, too, whose size and mtime are as stored;
    `dry_run` only tells what would be done; `accept_shrink` believes in roots that are empty, are not what they were,
    or have lost more than `max_shrink` of their files (a share from 0 to 1). A look at a network mount that takes
    longer than `hang_s` seconds is given up.
    """

    filters: Filters
    settle_s: float = 0.0
    jobs: int = 0
    rate: float = 0.0
    force: bool = False
    verify_digest: bool = False
    dry_run: bool = False
    accept_shrink: bool = False
    max_shrink: float = 0.5
    hang_s: float = 60.0


class Scan:
    """One run over a library: `events()` is the run, `summary` what it came to by now."""

    def __init__(self, store: Store, prober: Prober, options: ScanOptions, clock: Clock | None = None) -> None:
        self.summary = Summary()
        self._store = store
        self._options = options
        self._clock = clock or SystemClock()
        self._health = Health()
        self._crew = Crew(prober, jobs=options.jobs, rate=options.rate, hang_s=options.hang_s)
        self._admission = Admission([], [])
        self._file_counts: Counter[bytes] = Counter()

    def stop(self) -> None:
        """End early: what is finished gets stored, probes that run are ended, the scan counts as interrupted."""
        self._crew.stop()

    def slowest(self) -> tuple[bytes, float] | None:
        """Return the path that is worked on for the longest time by now, with its seconds; None when idle."""
        return self._crew.slowest()

    def events(self, roots: Sequence[bytes]) -> Generator[Event, None, None]:
        """Scan `roots` (absolute paths of folders) and yield what became of each file.

        Raises `StoreLocked` where another scan runs, `StoreError` where results cannot be stored, and `RootRefused`
        where a root cannot be trusted: after the others were scanned, at once where there is no other.
        """
        self._admission = admit(
            roots, self._store.reader, accept_shrink=self._options.accept_shrink, hang_s=self._options.hang_s
        )
        self.summary.refused = self._admission.refusals
        self._health = self._crew.health = Health(self._admission.roots)
        if self._admission.roots:
            with self._crew:
                run = self._dry_run if self._options.dry_run else self._journaled
                yield from run(self._admission.roots)
        else:
            self.summary.state = "failed"
        self._admission.raise_refusals()

    def _journaled(self, roots: Sequence[bytes]) -> Iterator[Event]:
        writer = self._store.writer
        with self._store.scanning():
            self.summary.scan_id = writer.begin_scan(roots)
            # not before: what this scan sees was last seen when it had begun
            began_ms, began = int(self._clock.time() * 1000), self._clock.monotonic()
            self.summary.state = "failed"
            try:
                yield from self._outcomes(roots, began_ms)
                self.summary.state = "interrupted" if self._crew.is_stopped else "complete"
            except (GeneratorExit, KeyboardInterrupt):
                self.summary.state = "interrupted"
                raise
            finally:
                self.summary.duration_s = self._clock.monotonic() - began
                self.summary.abandoned = self._crew.abandoned
                # what went wrong in the scan itself is the news, not that this cannot be written either
                with suppress(StoreError) if self.summary.state == "failed" else nullcontext():
                    self.summary.changes = writer.end_scan(
                        self.summary.scan_id, self.summary.state, self.summary.counts()
                    )

    def _outcomes(self, roots: Sequence[bytes], began_ms: int) -> Iterator[Event]:
        with ExitStack() as resources:
            join = self._join()
            items = self._items(join, roots, resources)
            settled: Iterator[FileStat | Event] = settle(
                items,
                self._options.settle_s,
                self._clock,
                is_stopped=lambda: self._crew.is_stopped,
                look=self._look_again,
            )
            known = None if self._options.force else self._store.reader
            described: Iterator[Event] = self._crew.describe(settled, known)
            stored = write_batches(
                described, self._store.writer, self._clock, count=self.summary.add, stop=self._crew.stop
            )
            # closed here, not by the garbage collector, which would swallow what goes wrong with the last batch
            yield from resources.enter_context(closing(stored))
        if not self._crew.is_stopped:
            self._end_roots(roots, join.unlisted, began_ms)

    def _dry_run(self, roots: Sequence[bytes]) -> Iterator[Event]:
        began = self._clock.monotonic()
        with ExitStack() as resources:
            join = self._join()
            items = self._items(join, roots, resources)
            for item in items:
                event = Planned(item.path, self._plan(item)) if isinstance(item, FileStat) else item
                self.summary.add(event)
                yield event
        self.summary.state = "interrupted" if self._crew.is_stopped else "complete"
        self.summary.duration_s = self._clock.monotonic() - began

    def _items(self, join: MergeJoin, roots: Sequence[bytes], resources: ExitStack) -> Iterator[FileStat | Event]:
        """Yield what is to be looked into, and what became of all else; `resources` are what the walk needs."""
        changed = join.skip_unchanged(self._discover(roots, resources), roots)
        return self._guarded(join, roots).hold_back(changed, roots)

    def _join(self) -> MergeJoin:
        return MergeJoin(
            self._store.reader,
            is_due=self._is_due,
            lost=self._admission.lost,
            says_gone=self._says_gone,
            is_stopped=lambda: self._crew.is_stopped,
            force=self._options.force,
            verify=self._options.verify_digest,
        )

    def _guarded(self, join: MergeJoin, roots: Sequence[bytes]) -> ShrinkGuard:
        def refuse(root: bytes, why: str) -> None:
            join.unlisted.append(root)
            self._admission.refuse_shrunken(root, why)

        return ShrinkGuard(
            {} if self._options.accept_shrink else self._usual(),
            self._file_counts,
            max_share=self._options.max_shrink,
            refuse=refuse,
            is_over=self._is_over,
        )

    def _usual(self) -> dict[bytes, int]:
        """Return how many files each root had at its last complete scan."""
        return {root.path: root.file_count for root in self._store.reader.roots()}

    def _discover(self, roots: Sequence[bytes], resources: ExitStack) -> Iterator[Run | Failed]:
        def looker_of(root: bytes) -> Looker:
            if not self._admission.is_network(root):
                return LOOK_AT_ONCE
            # of its own: what hangs on one mount must not keep the next one waiting
            return resources.enter_context(
                LookAhead(
                    ThreadPoolExecutor(_LOOKERS, "look"),
                    ahead=_AHEAD * _LOOKERS,
                    hang_s=self._options.hang_s,
                    is_stopped=lambda: self._crew.is_stopped,
                )
            )

        def walk() -> Iterator[Run | Failed]:
            for root in roots:
                yield from discover([root], self._options.filters, looker_of=looker_of, is_over=self._is_over)
                # before the rows of the next root come: no row of this one is to be missed
                if self._health.is_given_up(root):
                    why = f"given up after several errors in a row, the last of them: {self._health.why(root)}"
                    yield Failed(root, Failure("list", "mount-gone", why))

        return self._counted(walk(), roots)

    def _says_gone(self, path: bytes) -> bool:
        if self._crew.is_stopped or self._health.is_given_up(path):
            return False
        try:
            return self._admission.is_gone(path)
        except NoAnswer as error:
            self._health.note(path, os_failure("stat", error))
            return False

    def _look_again(self, stat: FileStat) -> FileStat | Unstable | Failed | Waiting:
        if self._health.is_given_up(stat.path):
            return Waiting()
        if not self._admission.is_network(stat.path):
            return look_again(stat)
        try:
            return within(self._options.hang_s, look_again, stat)
        except NoAnswer as error:
            failure = os_failure("stat", error)
            self._health.note(stat.path, failure)
            return Failed(stat.path, failure)

    def _is_over(self, root: bytes) -> bool:
        return self._crew.is_stopped or self._health.is_given_up(root)

    def _counted(self, runs: Iterable[Run | Failed], roots: Sequence[bytes]) -> Iterator[Run | Failed]:
        """Pass all on, count the files of each root, and note whether its mount answers."""
        for run in runs:
            if isinstance(run, Failed):
                count, path = int(run.failure.stage == "stat"), run.path
                self._health.note(path, run.failure)
            else:
                count, path = len(run), run[0][0]
                self.summary.bytes += sum([stat.st_size for _, stat in run])
                self._health.note(path, None)
            self.summary.found += count
            self._file_counts[root_of(path, roots)] += count
            yield run

    def _is_due(self, known: Known) -> bool:
        assert known.next_retry_ms is not None
        # permissions change neither size nor mtime, and to be refused costs nothing
        if known.failed_reason == "permission-denied" or self._clock.time() * 1000 >= known.next_retry_ms:
            return True
        return known.failed_prober is not None and known.failed_prober != self._crew.prober.version

    def _plan(self, stat: FileStat) -> PlanReason:
        if self._options.force:
            return "forced"
        known = self._store.reader.known(stat.path)
        if known is None:
            return "new"
        if known.status == "failed":
            return "retry"
        return "verify" if is_unchanged(stat, known) else "changed"

    def _end_roots(self, roots: Sequence[bytes], unlisted: Sequence[bytes], began_ms: int) -> None:
        usual = self._usual()
        for root in roots:
            if root in unlisted or self._health.is_given_up(root) or self._admission.lost(root):
                continue
            not_listed = [folder for folder in unlisted if root_of(folder, roots) == root]
            found = self._file_counts[root]
            self._store.writer.end_root(
                root,
                identify(root),
                # what could not be listed is there all the same, as far as anybody knows
                file_count=max(found, usual.get(root, 0)) if not_listed else found,
                scanned_ms=began_ms,
                unlisted=not_listed,
            )
