"""Upkeep: what is due is done, what fails is told and tried again, and nothing is done unasked."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path

import pytest

from qacache.config import Config, Db, Scan
from qacache.config.upkeep import Backup, Maintenance
from qacache.serve.broadcast import Counts
from qacache.serve.events import Announcer
from qacache.serve.jobs import Jobs
from qacache.serve.metrics import Metrics
from qacache.serve.upkeep import Upkeep
from qacache.store.history import History
from qacache.store.session import Store
from tests.api_server import until
from tests.fakes import FakeClock
from tests.media import make_file


class Silent:
    """Passes nothing on."""

    def publish(self, name: str, data: object) -> None:
        pass


class Kept:
    """An upkeep with all that it works on."""

    def __init__(self, config: Config) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics(config.db.path, followers=lambda: Counts(0, 0, 0))
        self.jobs = Jobs(config, Announcer(Silent(), self.metrics))  # type: ignore[arg-type]
        self.upkeep = Upkeep(config, self.jobs, self.metrics, self.clock.monotonic)

    def after(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.upkeep.do_what_is_due()

    def has_succeeded(self, job: str) -> bool:
        _, told = self.metrics.exposition()
        return f'qacache_last_success_timestamp_seconds{{job="{job}"}}'.encode() in told


def config_of(store: Store, **sections: object) -> Config:
    return dataclasses.replace(Config(db=Db(path=store.path, busy_timeout_s=0.2)), **sections)  # type: ignore[arg-type]


def test_by_default_nothing_is_done(store: Store) -> None:
    kept = Kept(config_of(store))
    kept.after(10 * 365 * 86_400.0)
    assert not any(kept.has_succeeded(job) for job in ("scan", "vacuum", "checkpoint", "backup"))


def test_each_is_done_when_it_is_due_and_not_before(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    kept = Kept(
        config_of(
            store,
            maintenance=Maintenance(vacuum_interval_s=100.0, checkpoint_interval_s=10.0),
            backup=Backup(directory=str(folder), interval_s=1000.0),
        )
    )

    kept.after(9.0)
    assert not kept.has_succeeded("checkpoint")
    kept.after(1.0)
    assert kept.has_succeeded("checkpoint")
    assert not kept.has_succeeded("vacuum")
    kept.after(90.0)
    assert kept.has_succeeded("vacuum")
    assert not folder.exists()
    kept.after(900.0)
    assert len(list(folder.glob("*.db"))) == 1
    kept.after(999.0)
    assert len(list(folder.glob("*.db"))) == 1
    kept.after(1.0)
    assert len(list(folder.glob("*.db"))) == 2


def test_the_configured_roots_are_scanned_again_and_again(store: Store, library: Path) -> None:
    make_file(library / "broken.mp4", b"no video")
    kept = Kept(config_of(store, scan=Scan(roots=(str(library),), interval_s=60.0, settle_s=0.0)))

    def scans() -> int:
        with History(store.path) as history:
            return sum(scan.state == "complete" for scan in history.scans())

    for count in (1, 2):
        kept.after(60.0)
        assert until(lambda count=count: scans() == count)  # type: ignore[misc]
        assert until(lambda: kept.jobs.running is None)
    assert store.reader.known(os.fsencode(library / "broken.mp4")) is not None
    assert kept.jobs.close(10.0)


def test_what_fails_is_told_and_tried_again(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "backups"
    folder.write_text("no folder")
    kept = Kept(config_of(store, backup=Backup(directory=str(folder), interval_s=60.0)))

    with caplog.at_level(logging.ERROR, "qacache"):
        kept.after(60.0)
    assert "backup failed" in caplog.text
    assert not kept.has_succeeded("backup")
    folder.unlink()
    kept.after(60.0)
    assert kept.has_succeeded("backup")
