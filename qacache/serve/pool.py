"""Workers: requests come in by a bounded queue, and each is answered by one of a fixed number of threads."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Job = TypeVar("Job")

_TICK_S = 0.5


class Pool(Generic[Job]):
    """So many threads, and room for so many jobs that wait for one. Owns the threads.

    `begin` is called in each thread, and returns what does its jobs: it may have resources of its own, and is closed
    at the end of the thread by its method `close`.
    """

    def __init__(self, begin: Callable[[], Worker[Job]], *, threads: int, backlog: int) -> None:
        self._begin = begin
        # None sends a thread home
        self._jobs: Queue[Job | None] = Queue(backlog)
        self._is_closing = threading.Event()
        self._threads = [threading.Thread(target=self._run, name=f"worker {n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> bool:
        """Have `job` done; return whether there is room for it."""
        try:
            self._jobs.put_nowait(job)
        except Full:
            return False
        return True

    @property
    def is_pressed(self) -> bool:
        """Whether jobs wait for a thread."""
        return not self._jobs.empty()

    def close(self, most_s: float) -> bool:
        """Let the jobs that are there be done, for up to `most_s` seconds; return whether they were."""
        self._is_closing.set()
        deadline = time.monotonic() + most_s
        with suppress(Full):
            for _ in self._threads:
                self._jobs.put(None, timeout=max(0.0, deadline - time.monotonic()))
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        worker = self._begin()
        try:
            while (job := self._next()) is not None:
                worker.do(job)
        finally:
            worker.close()

    def _next(self) -> Job | None:
        while True:
            try:
                return self._jobs.get(timeout=_TICK_S)
            except Empty:
                if self._is_closing.is_set():
                    return None


class Worker(Generic[Job]):
    """What does the jobs of one thread."""

    def do(self, job: Job) -> None:
        """Do one job; whatever is wrong with it, this raises nothing."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up what the thread has."""
