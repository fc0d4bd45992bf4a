"""Upkeep: what is to be done again and again, for those without timers: scans, vacuums, checkpoints and backups.

In: the intervals that are configured; 0 is never. Each job is due so long after the server began, and so long after it
was done last. What fails is told, and tried again when it is due.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import QacacheError
from qacache.paths import absolute
from qacache.serve.jobs import AlreadyRuns
from qacache.store.backup import creation, pruning
from qacache.store.backup.folder import Folder
from qacache.store.backup.retention import Rules
from qacache.store.checkup import checkpoint
from qacache.store.maintenance import Maintenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qacache.config import Config
    from qacache.serve.jobs import Jobs
    from qacache.serve.metrics import Job, Metrics

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0


class _Duty(NamedTuple):
    """Something to do every `interval_s` seconds; `work` returns whether it was done."""

    name: Job
    interval_s: float
    work: Callable[[], bool]


class Upkeep:
    """Does what is due, in a thread of its own, one thing after the other."""

    def __init__(
        self, config: Config, jobs: Jobs, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._jobs = jobs
        self._metrics = metrics
        self._monotonic = monotonic
        self._is_closing = threading.Event()
        now_s = monotonic()
        self._due_s = {duty: now_s + duty.interval_s for duty in self._duties()}
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin, where there is anything to do."""
        if self._due_s:
            self._thread.start()

    def close(self, most_s: float) -> None:
        """Do nothing more; what is being done may take `most_s` seconds more."""
        self._is_closing.set()
        if self._thread.is_alive():
            self._thread.join(most_s)

    def do_what_is_due(self) -> None:
        """Do each duty whose time has come."""
        for duty, due_s in self._due_s.items():
            if self._monotonic() >= due_s and not self._is_closing.is_set():
                self._do(duty)
                self._due_s[duty] = self._monotonic() + duty.interval_s

    def _run(self) -> None:
        while not self._is_closing.wait(_TICK_S):
            self.do_what_is_due()

    def _do(self, duty: _Duty) -> None:
        began_s = time.perf_counter()
        try:
            is_done = duty.work()
        except (QacacheError, OSError) as error:
            _LOG.error("%s failed: %s", duty.name, error)
            return
        if is_done:
            if duty.name != "scan":  # which has only begun
                self._metrics.succeeded(duty.name)
            _LOG.info("%s done", duty.name, extra={"duration_ms": round((time.perf_counter() - began_s) * 1000)})

    def _duties(self) -> Iterator[_Duty]:
        config = self._config
        for duty in (
            _Duty("scan", config.scan.interval_s, self._scan),
            _Duty("vacuum", config.maintenance.vacuum_interval_s, self._vacuum),
            _Duty("checkpoint", config.maintenance.checkpoint_interval_s, self._checkpoint),
            _Duty("backup", config.backup.interval_s, self._back_up),
        ):
            if duty.interval_s:
                yield duty

    def _scan(self) -> bool:
        roots = [absolute(os.fsencode(root)) for root in self._config.scan.roots]
        if not roots:
            _LOG.warning("no folder to scan: scan.roots is empty")
            return False
        try:
            self._jobs.start(roots, {})
        except AlreadyRuns:
            return False
        return True

    def _vacuum(self) -> bool:
        config = self._config
        Maintenance(
            config.db.path,
            prune_after=config.maintenance.prune_after,
            history_s=config.maintenance.history_s,
            busy_timeout_s=config.db.busy_timeout_s,
        ).prune()
        return True

    def _checkpoint(self) -> bool:
        _, log_bytes, done_bytes = checkpoint(self._config.db.path, self._config.db.busy_timeout_s)
        self._metrics.checkpointed(is_complete=done_bytes >= log_bytes)
        return True

    def _back_up(self) -> bool:
        config = self._config
        folder = Folder.of(config.db.path, config.backup.directory, hang_s=config.scan.hang_timeout_s)
        creation.create(config.db.path, folder)
        pruning.prune(folder, Rules.of(config.backup))
        return True
