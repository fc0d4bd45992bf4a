"""The pace of the reactor: while a scan needs the processors, quick answers do not take all that they could get.

A client that asks again as soon as it has its answer would otherwise take as much as a scan of the whole library. Who
asks now and then does not notice: what was not used for a while may be used at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qacache.processors import processors

if TYPE_CHECKING:
    from collections.abc import Callable

_PART = 0.2
# so long it may take all it can get before it has to rest, and so long it rests at most
_BURST_S = 0.02
_MOST_REST_S = 0.01


class Pace:
    """Lets the thread that calls `rest` again and again take `share` of a processor, as long as `is_needed` says so.

    By default, that is a fifth of all processors there are.
    """

    def __init__(
        self,
        is_needed: Callable[[], bool],
        *,
        share: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._is_needed = is_needed
        self._share = processors() * _PART if share is None else share
        self._monotonic = monotonic
        self._used = used
        self._sleep = sleep
        self._credit_s = 0.0
        self._was_s = self._had_s = 0.0

    def rest(self) -> None:
        """Sleep for a moment where more than the share was used; to be called by one thread alone."""
        if self._share >= 1 or not self._is_needed():
            return
        now_s, used_s = self._monotonic(), self._used()
        earned_s = (now_s - self._was_s) * self._share - (used_s - self._had_s)
        # neither is kept for long
        self._credit_s = max(-_BURST_S, min(self._credit_s + earned_s, _BURST_S))
        self._was_s, self._had_s = now_s, used_s
        if self._credit_s < 0:
            self._sleep(min(-self._credit_s / self._share, _MOST_REST_S))
