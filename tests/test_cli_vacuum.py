"""`qacache vacuum`: what it says and does."""

from __future__ import annotations

from pathlib import Path

import pytest

from qacache.store.lock import held, scan_lock_path
from tests.command import Command


@pytest.fixture
def thinned(qacache: Command, videos: Path) -> Path:
    """A library of which one file has been away for three scans."""
    qacache("scan", videos)
    (videos / "wide.mkv").unlink()
    for _ in range(3):
        qacache("scan", videos)
    return videos


def test_what_stayed_away_is_forgotten(qacache: Command, thinned: Path) -> None:
    assert qacache("lookup", "--field", "status", thinned / "wide.mkv").out == "vanished\n"
    done = qacache("vacuum")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("forgot 1 file; the store: ")
    assert qacache("lookup", "--field", "status", thinned / "wide.mkv").status == 3
    assert qacache("lookup", "--field", "status", thinned).out == "failed\nok\n"


def test_a_dry_run_only_tells(qacache: Command, thinned: Path) -> None:
    assert qacache("vacuum", "--dry-run").out == "would forget 1 file\n"
    assert qacache("lookup", "--field", "status", thinned / "wide.mkv").out == "vanished\n"


def test_for_programs_there_is_json(qacache: Command, thinned: Path) -> None:
    [told] = qacache("vacuum", "--full", "--json").records
    assert (told["files"], told["dry_run"]) == (1, False)
    assert told["size_after"] <= told["size_before"]


def test_how_long_to_remember_is_configured(qacache: Command, thinned: Path) -> None:
    assert qacache("vacuum", "--dry-run", QACACHE_MAINTENANCE_PRUNE_AFTER="4").out == "would forget nothing\n"
    assert ", 3 scans" in qacache("vacuum", "--dry-run", QACACHE_MAINTENANCE_HISTORY="0s").out


def test_without_a_store_there_is_nothing_to_vacuum(qacache: Command) -> None:
    done = qacache("vacuum")
    assert (done.status, done.out) == (10, "")


def test_while_a_scan_runs_it_is_refused(qacache: Command, thinned: Path) -> None:
    with held(scan_lock_path(str(qacache.db)), purpose="qacache scan", timeout_s=0.0):
        done = qacache("vacuum")
    assert done.status == 11
    assert "qacache scan" in done.err
