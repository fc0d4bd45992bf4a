"""Looking ahead: on a network mount each look waits for the server, so many are taken at a time.

In: the steps of a walk, in order, before it is their turn. Out: what came of each, when it is its turn. A step that
does not end is given up after a while: its thread is left to the mount that it hangs on, and there are new ones for the
rest.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Self

from qacache.os_failures import NoAnswer
from qacache.scan.discovery import LOOK_AT_ONCE, Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor

    from qacache.events import Failed
    from qacache.scan.discovery import Looker, Run, Step
    from qacache.scan.mounts import Mounts

# For each thread, so many steps of the walk are begun before it is their turn.
_AHEAD = 8

_TICK_S = 0.2


@contextmanager
def looker_for(root: bytes, mounts: Mounts) -> Iterator[Looker]:
    """Give what looks at all below `root`: ahead of the walk where its mounts say how much may be asked at a time."""
    threads = mounts.concurrency_below(root)
    if not threads:
        yield LOOK_AT_ONCE
        return
    # of its own: what hangs on one mount must not keep the next one waiting
    with LookAhead(mounts, lambda: ThreadPoolExecutor(threads, "look"), ahead=_AHEAD * threads) as looker:
        yield looker


class LookAhead:
    """Takes steps in the threads of an executor, `ahead` steps before it is their turn.

    Owns what `make_executor` gives. `mounts` says when a step may be taken, for how long it may take, and when it is
    not to be waited for any more.
    """

    # few, so that a large folder keeps all threads busy
    most_names = 32

    def __init__(self, mounts: Mounts, make_executor: Callable[[], Executor], *, ahead: int) -> None:
        self._mounts = mounts
        self._make_executor = make_executor
        self._executor = make_executor()
        self._ahead = ahead
        # those that are being taken
        self._taken: dict[int, Step] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # not waited for: on a dead mount a look never ends
        self._executor.shutdown(wait=False, cancel_futures=True)

    def begin(self, steps: Iterable[Step]) -> None:
        """Begin the first of `steps`, and of those that follow from them."""
        for step in islice(self._with_following(steps), self._ahead):
            if step.work is None or step.work.cancelled():
                step.work = self._executor.submit(self._take, step)

    def finish(self, step: Step) -> Listing | list[Run | Failed]:
        """Return what came of a step, nothing once that is over; raises `OSError`, `NoAnswer` for a step that hangs."""
        while not self._mounts.is_over(step.folder):
            self.begin((step,))
            assert step.work is not None
            if wait([step.work], timeout=_TICK_S).done:
                return step.work.result()
            self._replace_threads()
            if self._hangs(step):
                raise NoAnswer(f"no answer in {self._mounts.hang_s:g} s")
        return Listing([], frozenset())

    def _with_following(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield the steps in walking order, and those through folders that are listed by now."""
        for step in steps:
            yield step
            work = step.work
            if work and work.done() and not work.cancelled() and work.exception() is None:
                found = work.result()
                if isinstance(found, Listing):
                    yield from self._with_following(step.after(found, self.most_names))

    def _take(self, step: Step) -> Listing | list[Run | Failed]:
        with self._mounts.turn(step.folder):
            if self._mounts.is_over(step.folder):
                return Listing([], frozenset())
            step.began = time.monotonic()
            self._taken[id(step)] = step
            try:
                return step.take()
            finally:
                self._taken.pop(id(step), None)

    def _hangs(self, step: Step) -> bool:
        return step.began is not None and time.monotonic() - step.began >= self._mounts.hang_s

    def _replace_threads(self) -> None:
        """Leave threads that hang to what they hang on, and let others go on with the steps that wait for one."""
        hanging = [key for key, step in list(self._taken.items()) if self._hangs(step)]
        if hanging:
            for key in hanging:
                self._taken.pop(key, None)
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = self._make_executor()
