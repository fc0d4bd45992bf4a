"""What is told of scans while they run: to those who follow the events, to the metrics, and to the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qacache.serve.broadcast import Broadcast
    from qacache.serve.jobs import RunningScan
    from qacache.serve.metrics import Metrics
    from qacache.serve.scanning.tally import Tally

_LOG = logging.getLogger(__name__)


class Announcer:
    """A `qacache.serve.jobs.Watcher` that passes on what it is told: totals, no message a file."""

    def __init__(self, broadcast: Broadcast, metrics: Metrics) -> None:
        self._broadcast = broadcast
        self._metrics = metrics

    def began(self, run: RunningScan) -> None:
        """Tell that a scan began."""
        self._metrics.began(run)
        self._broadcast.publish("scan-began", run.to_dict())
        _LOG.info("scan began", extra={"scan_id": run.scan_id})

    def advanced(self, run: RunningScan) -> None:
        """Tell how far a scan is."""
        self._broadcast.publish("scan-progress", run.to_dict())

    def counted(self, tally: Tally) -> None:
        """Count what became of files."""
        self._metrics.counted(tally)

    def ended(self, run: RunningScan) -> None:
        """Tell what came of a scan."""
        self._metrics.ended(run)
        if run.is_unstored:
            self._metrics.batch_failed()
        told = run.to_dict()
        self._broadcast.publish("scan-ended", told)
        extra = {"scan_id": run.scan_id, "duration_ms": round(told.get("duration_s", 0.0) * 1000)}
        if run.error:
            _LOG.error("scan failed: %s", run.error, extra=extra)
        else:
            _LOG.info("scan ended: %s", told["state"], extra=extra)
