"""Looking ahead: on a network mount each look waits for the server, so many are taken at a time.

In: the steps of a walk, in order, before it is their turn. Out: what came of each, when it is its turn. A step that
does not end is given up after a while: its thread is left to the mount that it hangs on.
"""

from __future__ import annotations

import time
from concurrent.futures import wait
from itertools import islice
from typing import TYPE_CHECKING, Self

from qacache.os_failures import NoAnswer
from qacache.scan.discovery import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Executor

    from qacache.events import Failed
    from qacache.scan.discovery import Run, Step

_TICK_S = 0.2


class LookAhead:
    """Takes steps in the threads of `executor`, which it owns, `ahead` steps before it is their turn.

    Each step may take `hang_s` seconds; once `is_stopped()`, nothing is waited for.
    """

    # few, so that a large folder keeps all threads busy
    most_names = 32

    def __init__(
        self, executor: Executor, *, ahead: int, hang_s: float, is_stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self._executor = executor
        self._ahead = ahead
        self._hang_s = hang_s
        self._is_stopped = is_stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # not waited for: on a dead mount a look never ends
        self._executor.shutdown(wait=False, cancel_futures=True)

    def begin(self, steps: Iterable[Step]) -> None:
        """Begin the first of `steps`."""
        for step in islice(steps, self._ahead):
            if step.work is None:
                step.work = self._executor.submit(_take, step)

    def finish(self, step: Step) -> Listing | list[Run | Failed]:
        """Return what came of a step, nothing after a stop; raises `OSError`, `ETIMEDOUT` for a step that hangs."""
        self.begin((step,))
        assert step.work is not None
        asked = time.monotonic()
        while not self._is_stopped():
            if wait([step.work], timeout=_TICK_S).done:
                return step.work.result()
            if time.monotonic() - (step.began or asked) >= self._hang_s:
                step.work.cancel()
                raise NoAnswer(f"no answer in {self._hang_s:g} s")
        return Listing([], frozenset())


def _take(step: Step) -> Listing | list[Run | Failed]:
    step.began = time.monotonic()
    return step.take()
