"""The crew: files digested and probed, each in a pool of its own.

In: files to look into, among other items. Out: `Probed`, `Reused`, `Failed` or `Unstable` for each, in the order
they finish, and the other items as they come.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from qacache.events import Failed, Probed, Reused, Unchanged, Unstable, Waiting
from qacache.models import Failure, FileStat
from qacache.os_failures import NoAnswer, os_failure
from qacache.probe import CANCELLED, PASSING, TIMEOUT
from qacache.processors import processors
from qacache.scan.budget import Budget, Pace
from qacache.scan.digest import Hashed, digest_file
from qacache.scan.doubt import withhold
from qacache.scan.mounts import Mounts
from qacache.scan.reuse import reuse_known
from qacache.scan.settle import look_again
from qacache.scan.workers import InFlight, Workers, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qacache.probe import Prober
    from qacache.scan.reuse import KnownContents
    from qacache.store.reader import Known

Other = TypeVar("Other")

Outcome = TypeVar("Outcome")

_HASHERS = 2


def default_jobs() -> int:
    """Return how many files to probe at a time: two more than this process has CPUs.

    A probe's own process keeps a CPU busy; with one for each, CPUs stand idle while results are read and stored.
    """
    return 2 + processors()


class Crew:
    """The pools and what they work with. Owns its threads; who leaves it early ends the prober's processes, too.

    `jobs` is how many files are probed at a time (0: CPUs + 2), `rate` how many files a second are begun (0: any
    number). `mounts` say when something may be asked of a file, and are told how that goes: a look that hangs is given
    up, and nothing is begun on a mount that is. A crew is there for one run: what was given up, or stopped, stays so.
    """

    def __init__(self, prober: Prober, mounts: Mounts | None = None, *, jobs: int = 0, rate: float = 0.0) -> None:
        self.prober = prober
        self.mounts = mounts or Mounts()
        self._jobs = jobs or default_jobs()
        self._is_stopped = False
        self._pace = Pace(rate)
        self._in_flight = InFlight()
        self._on_disks = Budget(_HASHERS)
        hashers = max(_HASHERS, self.mounts.most_concurrency)
        # room for as many again as there are threads: a thread that is done finds its next file at once
        self._hashers = Workers(
            self._digest,
            room=2 * hashers,
            make_executor=lambda: ThreadPoolExecutor(hashers, "digest"),
            turn=self._digest_turn,
            most_s=self.mounts.hang_s,
            overdue=self._overdue,
        )
        # the prober has a deadline of its own; beyond it, it is the looks at the file that hang
        self._longest_s = prober.longest_s + self.mounts.hang_s
        self._probers = Workers(
            self._probe,
            room=2 * self._jobs,
            make_executor=lambda: ThreadPoolExecutor(self._jobs, "probe"),
            turn=lambda hashed: self.mounts.turn(hashed.stat.path, self._longest_s),
            most_s=self._longest_s,
            overdue=lambda hashed: self._overdue(hashed.stat),
        )

    def __enter__(self) -> Self:
        # an earlier run may have ended early
        self.prober.resume()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self.stop()
        self._hashers.__exit__(kind, *rest)
        self._probers.__exit__(kind, *rest)
        self.prober.close()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._is_stopped

    @property
    def abandoned(self) -> int:
        """How many probes, and looks at files, hang in a way that nothing ended."""
        return self.prober.abandoned + self._hashers.abandoned + self._probers.abandoned

    def stop(self) -> None:
        """Begin no more files, and end the probes that run. May be called from a signal handler."""
        self._is_stopped = True
        self.mounts.stop()
        self._hashers.stop()
        self._probers.stop()
        self.prober.cancel()

    def slowest(self) -> tuple[bytes, float] | None:
        """Return the path that is worked on for the longest time by now, with its seconds; None when idle."""
        return self._in_flight.slowest()

    def describe(
        self,
        items: Iterable[FileStat | Other],
        known: KnownContents | None,
        *,
        is_due: Callable[[Known], bool] = lambda known: True,
    ) -> Iterator[Probed | Reused | Unchanged | Failed | Unstable | Waiting | Other]:
        """Yield what became of each file; where `known` is given, content that it knows is not probed again.

        `is_due` says of a row whose last probe failed whether it is time for another; by default it always is.
        """
        hashed: Iterator[Hashed | Unstable | Failed | Waiting | Other] = self._hashers.work_off(items, FileStat)
        fresh: Iterator[Hashed | Reused | Unchanged | Unstable | Failed | Waiting | Other] = (
            hashed if known is None else reuse_known(hashed, known, is_due)
        )
        return withhold(self._probers.work_off(fresh, Hashed), self.mounts)

    @contextmanager
    def _digest_turn(self, stat: FileStat) -> Iterator[None]:
        self._pace.wait(lambda: self._is_stopped)
        self.mounts.pace(stat.path)
        is_limited = self.mounts.budget_of(stat.path) is not None
        # disks seek: few at a time read fastest
        of_disks = self._on_disks.turn(self.mounts.hang_s, lambda: self._is_stopped)
        with self.mounts.turn(stat.path) if is_limited else of_disks:
            yield

    def _digest(self, stat: FileStat) -> Hashed | Unstable | Failed | Waiting:
        if self.mounts.is_over(stat.path):
            return Waiting()
        with self._in_flight.of(stat.path):
            outcome = _reported(digest_file(stat))
        self.mounts.note(stat.path, outcome.failure if isinstance(outcome, Failed) else None, of_content=True)
        return outcome

    def _probe(self, hashed: Hashed) -> Probed | Failed | Unstable | Waiting:
        path = hashed.stat.path
        if self.mounts.is_over(path):
            return Waiting()
        with self._in_flight.of(path):
            answer = self.prober.probe(path)
            if isinstance(answer, Failure) and answer.reason == TIMEOUT:
                answer = self._blamed(hashed.stat, answer)
        self.mounts.note(path, answer if isinstance(answer, Failure) else None, of_content=True)
        if self._is_stopped and isinstance(answer, Failure) and answer.reason == CANCELLED:
            return Waiting()
        # whoever wrote to the file meanwhile, the answer may be of neither content
        now = look_again(hashed.stat)
        if not isinstance(now, FileStat):
            return now
        if isinstance(answer, Failure):
            return _reported(Failed(path, answer, hashed.stat, hashed.digest, self.prober.version))
        return Probed(hashed.stat, hashed.digest, answer)

    def _blamed(self, stat: FileStat, timeout: Failure) -> Failure:
        """Return why a probe took too long: for the file, or for its mount, where not even a digest ends."""
        if self.mounts.is_network(stat.path):
            try:
                # within the turn of the probe
                within(self.mounts.hang_s, digest_file, stat)
            except NoAnswer as error:
                return os_failure("probe", error)
        return timeout

    def _overdue(self, stat: FileStat) -> Failed:
        """Return what becomes of a file that a thread hangs on."""
        failure = Failure("digest", "no-answer", "no answer: the mount hangs")
        self.mounts.note(stat.path, failure, of_content=True)
        return Failed(stat.path, failure)


def _reported(outcome: Outcome) -> Outcome:
    """Return the outcome; a failure that is not the file's own is to be told, but not to be stored."""
    if isinstance(outcome, Failed) and outcome.failure.reason in PASSING:
        return replace(outcome, stat=None)
    return outcome
