"""Concurrency, all of it: a stream's items worked on by a pool, a bounded number at a time.

In: a stream, of which some items are work. Out: the other items as they come, and the results as they finish. The
thread that iterates hands work to the executor only while there is room, so a slow reader slows the whole
pipeline, and memory stays flat. (`Executor.map` would read the whole stream first.)
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from qacache.events import Waiting
from qacache.os_failures import NoAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future
    from contextlib import AbstractContextManager

Work = TypeVar("Work")
Other = TypeVar("Other")
Result = TypeVar("Result")

# How long a stage that waits for its workers keeps silent: the stages downstream have deadlines of their own.
_TICK_S = 0.2

# How long a stop waits for jobs to end; on a dead mount they never do.
_GRACE_S = 3.0


def within(most_s: float, function: Callable[..., Result], *arguments: object) -> Result:
    """Return what `function(*arguments)` does, in a thread of its own.

    Raises what it raises, and `NoAnswer` where it takes longer: the thread is left to what it hangs on.
    """
    executor = ThreadPoolExecutor(1, "within")
    try:
        future = executor.submit(function, *arguments)
        if not wait([future], timeout=most_s).done:
            raise NoAnswer(f"no answer in {most_s:g} s")
        return future.result()
    finally:
        executor.shutdown(wait=False)


class Errand(Generic[Result]):
    """Steps that a thread of its own takes, of which any may hang.

    Each may take `most_s` seconds. Who waits for one that takes longer does so no more; the thread is left to what it
    hangs on, and keeps neither the process nor anybody else from going on.
    """

    def __init__(self, steps: Callable[[], Iterable[Result]], most_s: float) -> None:
        self._steps = steps
        self._most_s = most_s
        self._found: list[Result] = []
        self._error: BaseException | None = None
        self._is_over = False
        self._stepped_at = time.monotonic()
        self._news = threading.Condition()
        threading.Thread(target=self._run, name="errand", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended."""
        return self._is_over

    def results(self) -> Iterator[Result]:
        """Yield what the steps give, from the first one on; to each who asks, from any thread.

        Raises what a step raises, and `NoAnswer` where one takes too long.
        """
        for position in itertools.count():
            self._wait_for(position)
            if position < len(self._found):
                yield self._found[position]
            elif self._error:
                raise self._error
            else:
                return

    def _wait_for(self, position: int) -> None:
        with self._news:
            left_s = max(0.0, self._stepped_at + self._most_s - time.monotonic())
            if not self._news.wait_for(lambda: self._is_over or position < len(self._found), left_s):
                hanging_s = int(time.monotonic() - self._stepped_at)
                raise NoAnswer(f"no answer in {max(self._most_s, hanging_s):g} s")

    def _run(self) -> None:
        try:
            for result in self._steps():
                with self._news:
                    self._found.append(result)
                    self._stepped_at = time.monotonic()
                    self._news.notify_all()
        except BaseException as error:  # for whoever waits
            self._error = error
        with self._news:
            self._is_over = True
            self._news.notify_all()


class InFlight:
    """What is being worked on, and since when: for the display of the slowest."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started: dict[int, tuple[bytes, float]] = {}

    @contextmanager
    def of(self, path: bytes) -> Iterator[None]:
        """Note that the calling thread works on `path` while the block runs."""
        self._started[threading.get_ident()] = (path, self._now())
        try:
            yield
        finally:
            del self._started[threading.get_ident()]

    def slowest(self) -> tuple[bytes, float] | None:
        """Return the path that is worked on for the longest time, with its seconds; None when idle."""
        started = list(self._started.values())
        if not started:
            return None
        path, since = min(started, key=lambda item: item[1])
        return path, self._now() - since


@dataclass(eq=False, slots=True)
class _Job(Generic[Work]):
    """One item that is worked on; `began` when that began."""

    item: Work
    began: float | None = None


class Workers(Generic[Work, Result]):
    """A pool of threads with one job, and `room` for that many items at a time, those that wait for a thread included.

    Owns its executors, which may be anything that runs functions: tests pass one that does so at once. A thread works
    on an item within its `turn`, for which it waits as long as that takes. An item that it then works on for more than
    `most_s` seconds is what `overdue` makes of it: the thread hangs in the kernel and is left to it, and there are new
    ones for the rest. `abandoned` counts these, and what did not end within a grace time after `stop`.
    """

    def __init__(
        self,
        job: Callable[[Work], Result],
        *,
        room: int,
        make_executor: Callable[[], Executor],
        turn: Callable[[Work], AbstractContextManager[None]] = lambda item: nullcontext(),
        most_s: float = math.inf,
        overdue: Callable[[Work], Result] | None = None,
    ) -> None:
        self._job = job
        self._room = room
        self._turn = turn
        self._make_executor = make_executor
        self._executor = make_executor()
        self._most_s = most_s if overdue else math.inf
        self._overdue = overdue
        # no Event: a signal handler that stops may interrupt a thread that holds the lock of one
        self._is_stopped = False
        self._give_up_at = 0.0
        self._running: dict[Future[Result], _Job[Work]] = {}
        self._finished: SimpleQueue[Future[Result]] = SimpleQueue()
        self.abandoned = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        # who interrupts a second time has waited long enough
        wait(self._running, timeout=0.0 if kind is KeyboardInterrupt else self._patience_s())
        self.abandoned += sum(not future.done() for future in self._running)

    def stop(self) -> None:
        """Begin no more work: what waits for a thread is dropped, what runs may finish."""
        self._give_up_at = self._give_up_at or time.monotonic() + _GRACE_S
        self._is_stopped = True

    def work_off(self, items: Iterable[Work | Other], kind: type[Work]) -> Iterator[Result | Other | Waiting]:
        """Yield the job's result for each item of `kind`, in the order they finish, and all others as they come."""
        try:
            for item in items:
                if not isinstance(item, kind):
                    yield cast("Other", item)
                else:
                    while len(self._running) >= self._room and not self._is_stopped:
                        yield from self._next(_TICK_S)
                    self._begin(item)
                while not self._finished.empty():
                    yield from self._next(0.0)
            yield from self._rest()
        finally:
            self._drop()

    def in_order(self, items: Iterable[Work]) -> Iterator[Result | Waiting]:
        """Yield the job's result for each of `items`, in their order; `Waiting` where the next one takes a while.

        What is done before its turn takes room until then: memory stays flat, however long the first one takes.
        """
        try:
            for item in items:
                while len(self._running) >= self._room and not self._is_stopped:
                    yield from self._oldest(_TICK_S)
                self._begin(item, tell=False)
                while self._running and next(iter(self._running)).done():
                    yield from self._oldest(0.0)
            while self._running:
                if self._is_stopped:
                    self._drop()
                    if not self._patience_s():
                        return
                yield from self._oldest(_TICK_S)
        finally:
            self._drop()

    def _oldest(self, timeout_s: float) -> Iterator[Result | Waiting]:
        """Yield the result of what was begun first, `Waiting` if there is none yet, nothing for what was dropped."""
        future = next(iter(self._running))
        if not future.cancelled() and not wait([future], timeout_s).done:
            yield Waiting()
            return
        del self._running[future]
        if not future.cancelled():
            yield future.result()

    def _begin(self, item: Work, *, tell: bool = True) -> None:
        if not self._is_stopped:
            job = _Job(item)
            future = self._executor.submit(self._run, job)
            self._running[future] = job
            if tell:
                future.add_done_callback(self._finished.put)

    def _run(self, job: _Job[Work]) -> Result:
        with self._turn(job.item):
            job.began = time.monotonic()
            return self._job(job.item)

    def _rest(self) -> Iterator[Result | Waiting]:
        """Yield what still runs; after a stop, only what ends soon."""
        while self._running:
            if self._is_stopped:
                self._drop()
                if not self._patience_s():
                    return
            yield from self._next(_TICK_S)

    def _next(self, timeout_s: float) -> Iterator[Result | Waiting]:
        """Yield the next result, `Waiting` if there is none in time, nothing for what was dropped."""
        try:
            future = self._finished.get(timeout=timeout_s)
        except Empty:
            yield from self._given_up()
            yield Waiting()
            return
        # one that was given up may end after all
        if self._running.pop(future, None) is not None and not future.cancelled():
            yield future.result()

    def _given_up(self) -> Iterator[Result]:
        """Yield what becomes of the items on which threads hang, and let others go on with the rest."""
        latest = time.monotonic() - self._most_s
        hanging = [job for job in self._running.values() if job.began is not None and job.began <= latest]
        if not hanging or self._is_stopped or self._overdue is None:
            return
        self.abandoned += len(hanging)
        waiting = [future for future in self._running if future.cancel()]
        again = [self._running.pop(future) for future in waiting]
        self._running = {future: job for future, job in self._running.items() if job not in hanging}
        self._executor.shutdown(wait=False)
        self._executor = self._make_executor()
        for job in again:
            self._begin(job.item)
        for job in hanging:
            yield self._overdue(job.item)

    def _drop(self) -> None:
        for future in list(self._running):
            future.cancel()

    def _patience_s(self) -> float:
        """Return for how long to wait for what still runs: counted from the stop, if there was one."""
        return max(0.0, self._give_up_at - time.monotonic()) if self._is_stopped else _GRACE_S
