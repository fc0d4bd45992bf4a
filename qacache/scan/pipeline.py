"""The pipeline: the stages put together, and the journal of what they did.

In: root folders. Out: events, each stored before it is told. One lazy stream; the thread that iterates is the only
writer, and closing the generator is cancellation.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qacache.clock import SystemClock
from qacache.errors import StoreError
from qacache.events import Event, Failed, Planned, Summary, Unstable, Waiting
from qacache.models import Failure, FileStat
from qacache.os_failures import NoAnswer, os_failure
from qacache.paths import as_folder, root_of, shown_root
from qacache.scan.batches import write_batches
from qacache.scan.discovery import Filters, Run, discover
from qacache.scan.lookahead import looker_for
from qacache.scan.merge import MergeJoin, is_unchanged
from qacache.scan.retries import is_due
from qacache.scan.roots import Admission, admit
from qacache.scan.settle import look_again, settle
from qacache.scan.shrink import ShrinkGuard, usual_counts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from qacache.clock import Clock
    from qacache.events import PlanReason
    from qacache.scan.crew import Crew
    from qacache.store.reader import Known
    from qacache.store.session import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """How to scan.

    `settle_s` is how many seconds ago a file must have been written to. `force` probes every file, whatever is stored;
    `verify_digest` compares the content of those, too, whose size and mtime are as stored; `dry_run` only tells what
    would be done; `accept_shrink` believes in roots that are empty, are not what they were, or have lost more than
    `max_shrink` of their files (a share from 0 to 1).
    """

    filters: Filters
    settle_s: float = 0.0
    force: bool = False
    verify_digest: bool = False
    dry_run: bool = False
    accept_shrink: bool = False
    max_shrink: float = 0.5


class _Contents:
    """What a scan can reuse: all that the store has, and what this scan has overwritten."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.known = store.reader.known
        self.path_with_failure = store.reader.path_with_failure

    def path_with_content(self, digest: bytes, size: int) -> bytes | None:
        reader, writer = self._store.reader, self._store.writer
        return reader.path_with_content(digest, size) or writer.displaced_path(digest, size)


class Scan:
    """One run over a library: `events()` is the run, `summary` what it came to by now.

    The `crew` is what looks into the files, and knows what may be asked of their mounts.
    """

    def __init__(self, store: Store, crew: Crew, options: ScanOptions, clock: Clock | None = None) -> None:
        self.summary = Summary()
        self._store = store
        self._options = options
        self._clock = clock or SystemClock()
        self._crew = crew
        self._mounts = crew.mounts
        self._admission = Admission(self._mounts, [], [])
        self._usual: Mapping[bytes, int] = {}
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
        self._admission = admit(roots, self._store.reader, self._mounts, accept_shrink=self._options.accept_shrink)
        self.summary.refused = self._admission.refusals
        self._usual = usual_counts(self._admission.roots, self._store.reader)
        if self._admission.roots:
            with self._crew:
                run = self._dry_run if self._options.dry_run else self._journaled
                yield from run(self._admission.roots)
        else:
            self.summary.state = "failed"
            self._journal_refusal(roots)
        self._admission.raise_refusals()

    def _journal_refusal(self, roots: Sequence[bytes]) -> None:
        """Leave a trace of a scan of which nothing came: who looks later is to know."""
        if self._options.dry_run:
            return
        # that the roots were refused is the news, not that this cannot be written
        with suppress(StoreError), self._store.scanning():
            self.summary.scan_id = self._store.writer.begin_scan(roots)
            self._store.writer.end_scan(self.summary.scan_id, self.summary.state, self.summary.journaled())

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
                        self.summary.scan_id, self.summary.state, self.summary.journaled()
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
            known = None if self._options.force else _Contents(self._store)
            described: Iterator[Event] = self._crew.describe(settled, known, is_due=self._is_due)
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
            says_gone=self._admission.is_gone,
            is_stopped=lambda: self._crew.is_stopped,
            force=self._options.force,
            verify=self._options.verify_digest,
        )

    def _guarded(self, join: MergeJoin, roots: Sequence[bytes]) -> ShrinkGuard:
        def is_over(path: bytes) -> bool:
            is_unlisted = any(as_folder(path).startswith(as_folder(folder)) for folder in join.unlisted)
            return is_unlisted or self._mounts.is_over(path)

        def refuse(root: bytes, why: str) -> None:
            join.unlisted.append(root)
            self._admission.refuse_shrunken(root, why)

        return ShrinkGuard(
            {} if self._options.accept_shrink else self._usual,
            self._file_counts,
            max_share=self._options.max_shrink,
            refuse=refuse,
            is_over=is_over,
        )

    def _discover(self, roots: Sequence[bytes], resources: ExitStack) -> Iterator[Run | Failed]:
        def walk() -> Iterator[Run | Failed]:
            for root in roots:
                looker = resources.enter_context(looker_for(root, self._mounts))
                yield from discover(root, self._options.filters, looker=looker, is_over=self._mounts.is_over)
                # before the rows of the next root come: no row of this one is to be missed
                for folder, failure in self._mounts.given_up_below(root):
                    why = f"given up after several errors in a row, the last of them: {failure.message}"
                    yield Failed(folder, Failure("list", "mount-gone", why))

        return self._counted(walk(), roots)

    def _look_again(self, stat: FileStat) -> FileStat | Unstable | Failed | Waiting:
        if self._mounts.is_over(stat.path):
            return Waiting()
        try:
            return self._mounts.look(stat.path, look_again, stat)
        except NoAnswer as error:
            return Failed(stat.path, os_failure("stat", error))

    def _counted(self, runs: Iterable[Run | Failed], roots: Sequence[bytes]) -> Iterator[Run | Failed]:
        """Pass all on, count the files of each root, and note whether its mount answers."""
        for run in runs:
            if isinstance(run, Failed):
                count, path = int(run.failure.stage == "stat"), run.path
                self._mounts.note(path, run.failure)
            else:
                count, path = len(run), run[0][0]
                self.summary.bytes += sum([stat.st_size for _, stat in run])
                self._mounts.note(path, None)
            self.summary.found += count
            self._file_counts[root_of(path, roots)] += count
            yield run

    def _is_due(self, known: Known) -> bool:
        return is_due(known, self._clock.time(), self._crew.prober.version)

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
        for root in roots:
            if root in unlisted or self._mounts.given_up(root) or self._admission.lost(root):
                self.summary.incomplete.append(shown_root(root))
                continue
            not_listed = [folder for folder in unlisted if root_of(folder, roots) == root]
            found = self._file_counts[root]
            self._store.writer.end_root(
                root,
                self._admission.identities[root],
                # what could not be listed is there all the same, as far as anybody knows
                file_count=max(found, self._usual[root]) if not_listed else found,
                scanned_ms=began_ms,
                unlisted=not_listed,
            )
