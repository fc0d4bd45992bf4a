"""Showing a verification: groups pass through as they are proven, all else that there is to tell goes to stderr.

In: groups of candidates. Out: proven groups; a display of the progress, on terminals only; and at the end, which files
were left out.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

from qacache.assembly import make_mounts
from qacache.cli.run import INTERRUPTED, SOME_FAILED, stopped_by_signals
from qacache.duplicates.access import Access
from qacache.duplicates.inspection import LeftOut
from qacache.duplicates.verification import Verification
from qacache.store.duplicates import Duplicates
from qacache.store.proofs import Proofs
from qacache.store.reader import Reader
from qacache.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from qacache.config import Config
    from qacache.duplicates.groups import Group
    from qacache.store.duplicates import Totals

_MOST_SHOWN = 20


class Verified:
    """The groups that the candidates turn out to be, to be iterated once; `status` is the exit status for the rest.

    Shows the progress meanwhile, on a terminal.
    """

    def __init__(
        self, run: Verification, events: Iterable[Group | LeftOut], is_stopping: Callable[[], bool], expected: Totals
    ) -> None:
        self._run = run
        self._events = events
        self._is_stopping = is_stopping
        self._expected = expected
        self._reasons: Counter[str] = Counter()
        self._told: list[LeftOut] = []
        self._has_failures = False

    def __iter__(self) -> Iterator[Group]:
        with self._display():
            for event in self._events:
                if isinstance(event, LeftOut):
                    self._note(event)
                else:
                    yield event
                    # the next one may take long
                    sys.stdout.flush()

    @property
    def status(self) -> int:
        """The exit status."""
        if self._is_stopping():
            return INTERRUPTED
        return SOME_FAILED if self._has_failures else 0

    def tell(self) -> None:
        """Say on stderr what was left out, and whether that is all."""
        if self._is_stopping():
            count = f"{self._run.groups_done:,} of {self._expected.groups:,} groups"
            sys.stderr.write(f"interrupted: {count} were compared; what is proven is remembered\n")
        if not self._reasons:
            return
        counts = " · ".join(f"{count:,} {reason}" for reason, count in self._reasons.most_common())
        lines = [f"left out: {counts}"]
        lines += [f"  {printable(each.path)}: {printable(each.message)}" for each in self._told]
        if self._reasons.total() > len(self._told):
            lines.append(f"  ... and {self._reasons.total() - len(self._told):,} more")
        if self._reasons.keys() & {"gone", "changed"}:
            lines.append("a scan brings the store up to date: qacache scan")
        sys.stderr.write("".join(f"{line}\n" for line in lines))

    def _note(self, left_out: LeftOut) -> None:
        self._reasons[left_out.reason] += 1
        self._has_failures |= left_out.is_failure
        if len(self._told) < _MOST_SHOWN:
            self._told.append(left_out)

    def _display(self) -> AbstractContextManager[object]:
        if not self._expected.groups or not sys.stderr.isatty():
            return nullcontext()
        from qacache.cli.verify_progress import verify_display

        return verify_display(self._run, self._expected, self._is_stopping)


@contextmanager
def verifying(settings: Config, *, min_size: int, under: Sequence[bytes], most: int | None) -> Iterator[Verified]:
    """Give the groups that the candidates, or `most` of them, turn out to be; for the others see `Duplicates`."""
    path = settings.db.path
    with Reader(path) as reader:
        roots = [root.path for root in reader.roots()]
    access = Access(make_mounts(settings), roots=roots, rate=settings.scan.rate_per_s)
    # who writes is the last to go: whoever only reads leaves the write-ahead log behind
    with (
        Proofs(path, busy_timeout_s=settings.db.busy_timeout_s) as proofs,
        Duplicates(path, min_size=min_size, under=under) as stored,
    ):
        run = Verification(proofs, access)
        with stopped_by_signals(run.stop) as is_stopping, closing(run.events(stored.groups(most))) as events:
            yield Verified(run, events, is_stopping, stored.totals(most))
