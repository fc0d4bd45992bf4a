"""Retries: when a file that failed is tried again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RetrySchedule:
    """When a failed file is tried again: after `min_s`, then twice as long each time, up to `max_s`.

    The wait varies by a tenth, so that files that failed together do not come back together.
    """

    def __init__(self, min_s: float, max_s: float, jitter: Callable[[], float] = random.random) -> None:
        self._min_s = min_s
        self._max_s = max_s
        self._jitter = jitter

    def wait_ms(self, attempts: int) -> int:
        """Return the milliseconds to wait after that many attempts (1 or more)."""
        wait_s = min(self._max_s, self._min_s * 2.0 ** min(attempts - 1, 60))
        return int(wait_s * 1000 * (0.9 + 0.2 * self._jitter()))
