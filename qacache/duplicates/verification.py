"""Verification: what the store takes for copies, proven by reading whole files.

In: groups of candidates, those first that waste most. Out: the groups that they are, in the same order, and the files
that were left out. What was found out is remembered in the store, so that no file is read again that has not changed.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from queue import SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from qacache.duplicates.access import Access, Stopped
from qacache.duplicates.groups import ByWaste, Group, candidates
from qacache.duplicates.inspection import Inspected, LeftOut, inspect
from qacache.scan.budget import Budget
from qacache.scan.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping

    from qacache.store.duplicates import StoredGroup
    from qacache.store.proofs import Proof, Proofs

# Of groups on disks without limits, so many are read at a time: disks seek.
_ON_DISKS = 2

# Groups that are read, wait for that, or are done before it is their turn.
_ROOM = 256

# Proofs are stored after so many seconds, so many at a time.
_OLDEST_S = 1.0
_BATCH = 500


class _Work(NamedTuple):
    """A group, and the proofs that are remembered of its files."""

    group: StoredGroup
    known: Mapping[int, Proof]


class Verification:
    """One run over groups: `events()` is the run, the other members say how far it is by now.

    `access` says how files are looked at; `proofs` remember what is found in them. `groups_done` counts the groups that
    came in and are through, `bytes_done` the bytes of all copies in these, and what was read of others.
    """

    def __init__(self, proofs: Proofs, access: Access, *, now: Callable[[], float] = time.monotonic) -> None:
        self.groups_done = 0
        self._bytes_settled = 0
        self._proofs = proofs
        self._access = access
        self._now = now
        self._found: SimpleQueue[Proof] = SimpleQueue()
        self._due = 0.0
        self._on_disks = Budget(_ON_DISKS)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._access.is_stopped

    @property
    def bytes_read(self) -> int:
        """How much was read."""
        return self._access.bytes_read

    @property
    def bytes_done(self) -> int:
        """How many bytes need not be read any more."""
        return self._bytes_settled + self._access.bytes_read

    def stop(self) -> None:
        """End early; what is proven by then is stored. May be called from a signal handler."""
        self._access.stop()

    def events(self, groups: Iterable[StoredGroup]) -> Generator[Group | LeftOut, None, None]:
        """Yield the groups that the candidates `groups` are, those first that waste most, and what is left out.

        Raises `StoreError` where nothing can be remembered.
        """
        threads = max(_ON_DISKS, self._access.mounts.most_concurrency)
        workers = Workers(
            self._inspect,
            room=_ROOM,
            make_executor=lambda: ThreadPoolExecutor(threads, "verify"),
            turn=self._turn,
        )
        ordered = ByWaste()
        with workers:
            try:
                for inspected in workers.in_order(self._work(groups)):
                    if isinstance(inspected, Inspected):
                        yield from self._end(inspected, ordered)
                    if self._now() >= self._due:
                        self._remember()
                    if self.is_stopped:
                        workers.stop()
                yield from ordered.ready()
            except BaseException:
                self.stop()
                workers.stop()
                raise
            finally:
                self._remember()

    def _work(self, groups: Iterable[StoredGroup]) -> Iterator[_Work]:
        for group in groups:
            if self.is_stopped:
                return
            for file in group.files:
                self._access.locate(file.path)
            yield _Work(group, self._proofs.recall(file.file_id for file in group.files))

    @contextmanager
    def _turn(self, work: _Work) -> Iterator[None]:
        mounts = self._access.mounts
        are_limited = all(mounts.budget_of(file.path) for file in work.group.files)
        # what has limits takes its turns for each look
        with nullcontext() if are_limited else self._on_disks.turn(math.inf, lambda: self.is_stopped):
            yield

    def _inspect(self, work: _Work) -> Inspected | None:
        try:
            inspected = inspect(work.group, work.known, self._access)
        except Stopped:
            return None
        for proof in inspected.proofs:
            self._found.put(proof)
        return inspected

    def _end(self, inspected: Inspected, ordered: ByWaste) -> Iterator[Group | LeftOut]:
        before = candidates(inspected.candidates)
        self.groups_done += 1
        self._bytes_settled += len(before.copies) * before.size - inspected.bytes_read
        yield from inspected.left_out
        ordered.add(inspected.groups)
        # no group that is still to come was said to waste more
        yield from ordered.ready(before.wasted)

    def _remember(self) -> None:
        found = []
        while not self._found.empty():
            found.append(self._found.get())
        for start in range(0, len(found), _BATCH):
            self._proofs.remember(found[start : start + _BATCH])
        self._due = self._now() + _OLDEST_S
