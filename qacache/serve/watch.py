"""The watch: what `qacache doctor` would say, always at hand, and never older than it has to be.

The checks are made in a thread of their own, each within its deadline; who asks meanwhile gets the findings of before.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from qacache.readiness.rounds import Readiness
from qacache.readiness.verdicts import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.config import Config

_FRESH_S = 10.0
_ROUND_S = 0.5


class Watch:
    """Keeps the findings. For any thread."""

    def __init__(self, config: Config) -> None:
        self.is_stopping = False
        self._readiness = Readiness(config)
        # a round takes as long as its slowest check; the roots have several, one after the other
        self._most_s = config.doctor.deadline_s * 5 + _ROUND_S
        self._lock = threading.Lock()
        self._done = threading.Condition(self._lock)
        self._is_looking = False
        self._findings: Sequence[Finding] = ()
        self._looked_s = float("-inf")

    def findings(self) -> Sequence[Finding]:
        """Return what was found: some seconds ago, or now, where nobody has asked for long."""
        with self._lock:
            if time.monotonic() - self._looked_s > _FRESH_S and not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="readiness", daemon=True).start()
            if self._is_looking:
                self._done.wait_for(lambda: not self._is_looking, timeout=self._most_s)
            return self._findings

    def _look(self) -> None:
        findings: Sequence[Finding] = ()
        try:
            findings = list(self._readiness.findings())
        finally:
            with self._lock:
                self._findings = findings
                self._looked_s = time.monotonic()
                self._is_looking = False
                self._done.notify_all()
