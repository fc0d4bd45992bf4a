"""Budgets: how much is asked of a mount at a time, and how often.

In: whoever is about to look at something. Out: the same, when it is their turn. A turn that outlasts its time counts no
more: whoever took it hangs in the kernel, and the others are not to wait for that.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How soon somebody who waits notices that it is over, or that a turn outlasted its time.
_NAP_S = 0.2


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

    def wait(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Return when the next start is due, or once `is_over()`."""
        if not self._interval_s:
            return
        with self._lock:
            start = max(self._now(), self._next)
            self._next = start + self._interval_s
        while (rest_s := start - self._now()) > 0 and not is_over():
            self._sleep(min(rest_s, _NAP_S))


class Budget:
    """At most `concurrency` turns at a time, in the order they were asked for, and `rate` starts a second.

    A `rate` of 0 is no limit.
    """

    def __init__(self, concurrency: int, rate: float = 0.0, *, now: Callable[[], float] = time.monotonic) -> None:
        self.concurrency = concurrency
        self.pace = Pace(rate)
        self._now = now
        self._waiting: deque[object] = deque()
        self._ends: dict[object, float] = {}
        self._changed = threading.Condition()

    @contextmanager
    def turn(self, most_s: float, is_over: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Run the block when it is its turn, or once `is_over()`; after `most_s` seconds it counts no more."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not self._is_due(ticket) and not is_over():
                    self._changed.wait(_NAP_S)
            finally:
                self._waiting.remove(ticket)
                # whoever is next may have room, too
                self._changed.notify_all()
            self._ends[ticket] = self._now() + most_s
        try:
            yield
        finally:
            with self._changed:
                self._ends.pop(ticket, None)
                self._changed.notify_all()

    def _is_due(self, ticket: object) -> bool:
        if self._waiting[0] is not ticket:
            return False
        now = self._now()
        for overdue in [other for other, end in self._ends.items() if end <= now]:
            del self._ends[overdue]
        return len(self._ends) < self.concurrency
