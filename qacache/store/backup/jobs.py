"""Jobs that take long, each in a thread of its own.

In: functions. Out: what they return. SQLite and the system keep a thread for minutes, and a mount that hangs for good:
the thread that waits here can be interrupted at any time, tells how far the jobs are, and gives up one that hangs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from qacache.os_failures import NoAnswer
from qacache.processors import processors

T = TypeVar("T")
Tell = Callable[[str, int, int], None]
"""Takes what is being done, how many bytes of it, and of how many: 0 where nobody knows."""

_TICK_S = 0.1
# How long a stop waits for jobs to end; on a dead mount they never do.
_GRACE_S = 3.0


class Stopped(Exception):
    """This job is to end: another one failed, or nobody waits any more."""


class Effort:
    """How far one job is: told by the job, in its thread, and looked at by who waits for it."""

    def __init__(self) -> None:
        self.latest: tuple[str, int, int] = ("", 0, 0)
        self.moves = 0
        self._is_over = False

    def tell(self, step: str, done: int = 0, total: int = 0) -> None:
        """Be a `Tell`; raises `Stopped` where the job is to end."""
        if self._is_over:
            raise Stopped
        self.latest = step, done, total
        self.moves += 1

    def is_over(self) -> bool:
        """Whether the job is to end."""
        return self._is_over

    def end(self) -> None:
        """Have the job end, when it looks next."""
        self._is_over = True


def silent(step: str, done: int = 0, total: int = 0) -> None:
    """Tell nobody."""


def run(
    jobs: Sequence[Callable[[Effort], T]],
    tell: Tell = silent,
    *,
    hang_s: float = math.inf,
    now: Callable[[], float] = time.monotonic,
) -> list[T]:
    """Return what the jobs return, in their order; as many run at a time as there are CPUs.

    Raises what the first one raises that fails, and `NoAnswer` where none of them has told anything for `hang_s`: its
    thread is left to what it hangs on. Whatever ends it, the other jobs end, too.
    """
    efforts = [Effort() for _ in jobs]
    executor = ThreadPoolExecutor(min(len(jobs), processors()), "backup")
    futures = [executor.submit(job, effort) for job, effort in zip(jobs, efforts, strict=True)]
    grace_s = _GRACE_S
    try:
        _watch(futures, efforts, tell, hang_s, now)
        return [future.result() for future in futures]
    except NoAnswer:
        grace_s = 0.0
        raise
    finally:
        for effort in efforts:
            effort.end()
        executor.shutdown(wait=False, cancel_futures=True)
        wait([future for future in futures if future.running()], timeout=grace_s)


def _watch(
    futures: Sequence[Future[T]],
    efforts: Sequence[Effort],
    tell: Tell,
    hang_s: float,
    now: Callable[[], float],
) -> None:
    moved, moved_at = 0, now()
    while wait(futures, timeout=_TICK_S, return_when=FIRST_EXCEPTION).not_done:
        _raise_first(futures)
        moves = sum(effort.moves for effort in efforts)
        if moves != moved:
            moved, moved_at = moves, now()
        elif now() - moved_at > hang_s:
            raise NoAnswer(f"no answer in {hang_s:g} s")
        unfinished = [effort for effort, future in zip(efforts, futures, strict=True) if not future.done()]
        tell(*(unfinished or efforts)[0].latest)


def _raise_first(futures: Sequence[Future[T]]) -> None:
    for future in futures:
        if future.done():
            future.result()
