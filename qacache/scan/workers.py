"""Concurrency, all of it: a stream's items worked on by a pool, a bounded number at a time.

In: a stream, of which some items are work. Out: the other items as they come, and the results as they finish. The
thread that iterates hands work to the executor only while there is room, so a slow reader slows the whole
pipeline, and memory stays flat. (`Executor.map` would read the whole stream first.)
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import wait
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, Self, TypeVar, cast

from qacache.events import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

Work = TypeVar("Work")
Other = TypeVar("Other")
Result = TypeVar("Result")

# How long a stage that waits for its workers keeps silent: the stages downstream have deadlines of their own.
_TICK_S = 0.2

# How long a stop waits for jobs to end; on a dead mount they never do.
_GRACE_S = 3.0


class Pace:
    """At most `per_second` starts a second, however many workers there are; 0 is no limit."""

    def __init__(
        self,
        per_second: float,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._interval_s = 1.0 / per_second if per_second else 0.0
        self._now = now
        self._sleep = sleep
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next start is due."""
        if not self._interval_s:
            return
        with self._lock:
            start = max(self._now(), self._next)
            self._next = start + self._interval_s
        self._sleep(max(0.0, start - self._now()))


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


class Workers(Generic[Work, Result]):
    """A pool of threads with one job, and `room` for that many items at a time, those that wait for a thread included.

    Owns its executor, which may be anything that runs functions: tests pass one that does so at once. `abandoned`
    counts the jobs that did not end within a grace time after `stop`: they hang in the kernel, and their threads are
    left to it.
    """

    def __init__(self, executor: Executor, job: Callable[[Work], Result], *, room: int) -> None:
        self._executor = executor
        self._job = job
        self._room = room
        # no Event: a signal handler that stops may interrupt a thread that holds the lock of one
        self._is_stopped = False
        self._give_up_at = 0.0
        self._running: set[Future[Result]] = set()
        self.abandoned = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        # who interrupts a second time has waited long enough
        wait(self._running, timeout=0.0 if kind is KeyboardInterrupt else self._patience_s())
        self.abandoned = sum(not future.done() for future in self._running)

    def stop(self) -> None:
        """Begin no more work: what waits for a thread is dropped, what runs may finish."""
        self._give_up_at = self._give_up_at or time.monotonic() + _GRACE_S
        self._is_stopped = True

    def work_off(self, items: Iterable[Work | Other], kind: type[Work]) -> Iterator[Result | Other | Waiting]:
        """Yield the job's result for each item of `kind`, in the order they finish, and all others as they come."""
        finished: SimpleQueue[Future[Result]] = SimpleQueue()
        running = self._running
        try:
            for item in items:
                if not isinstance(item, kind):
                    yield cast("Other", item)
                else:
                    while len(running) >= self._room and not self._is_stopped:
                        yield from _next(finished, running, _TICK_S)
                    self._begin(item, finished, running)
                while not finished.empty():
                    yield from _next(finished, running, 0.0)
            yield from self._rest(finished, running)
        finally:
            _drop(running)

    def _begin(self, item: Work, finished: SimpleQueue[Future[Result]], running: set[Future[Result]]) -> None:
        if not self._is_stopped:
            future = self._executor.submit(self._job, item)
            running.add(future)
            future.add_done_callback(finished.put)

    def _rest(self, finished: SimpleQueue[Future[Result]], running: set[Future[Result]]) -> Iterator[Result | Waiting]:
        """Yield what still runs; after a stop, only what ends soon."""
        while running:
            if self._is_stopped:
                _drop(running)
                if not self._patience_s():
                    self.abandoned = len(running)
                    return
            yield from _next(finished, running, _TICK_S)

    def _patience_s(self) -> float:
        """Return for how long to wait for what still runs: counted from the stop, if there was one."""
        return max(0.0, self._give_up_at - time.monotonic()) if self._is_stopped else _GRACE_S


def _next(
    finished: SimpleQueue[Future[Result]], running: set[Future[Result]], timeout_s: float
) -> Iterator[Result | Waiting]:
    """Yield the next result, `Waiting` if there is none in time, nothing for what was dropped."""
    try:
        future = finished.get(timeout=timeout_s)
    except Empty:
        yield Waiting()
        return
    running.discard(future)
    if not future.cancelled():
        yield future.result()


def _drop(running: set[Future[Result]]) -> None:
    for future in list(running):
        future.cancel()
