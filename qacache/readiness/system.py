"""Checks of what the system provides: the time, and SQLite."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qacache.readiness.verdicts import Section, Verdict
from qacache.store.checkup import SQLITE_VERSION, has_trigrams
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.clock import Clock
    from qacache.store.history import JournaledScan

_OLDEST_SQLITE = (3, 34, 0)
# sqlite.org/wal.html, "The WAL Reset Bug": since 3.7.0; mended in 3.51.3, and in later releases of two old branches
_FAULTY_SINCE, _SOUND_SINCE = (3, 7, 0), (3, 51, 3)
_SOUND_BRANCHES = ((3, 50, 7), (3, 44, 6))

_MINUTE_S = 60.0
_DAY_S = 86_400.0
_YEAR_S = 365.25 * _DAY_S
# For so long nobody may have scanned, or installed anything; a clock that is further ahead is more likely.
_YEARS_OFF = 5
# 2026-11-01. What claims to be older was installed by a tool that gives no times.
_FIRST_RELEASE_S = 1_793_491_200.0

_SET_CLOCK = "set the clock (timedatectl), or see why nobody does: times, retries and history go wrong by it"


def system_sections(last_scan: JournaledScan | None, clock: Clock) -> Iterator[Section]:
    """Yield the checks of what is the same for all stores, but for the time, of which the last scan tells."""
    yield Section("clock", (("clock", lambda: clock_verdict(clock.time(), installed_s(), last_scan)),))
    yield Section("SQLite", (("sqlite-version", lambda: sqlite_verdict(SQLITE_VERSION)),))
    yield Section("index of SQLite", (("search-index", _search_index),))


def installed_s() -> float:
    """Return when this qacache was installed, or made, in seconds since the epoch."""
    return os.stat(__file__).st_mtime


def clock_verdict(now_s: float, installed_s: float, last_scan: JournaledScan | None) -> Verdict:
    """Return what is to be said of a clock that says `now_s`, as there are a last scan and files of this program."""
    scanned_s = max(last_scan.started_ms, last_scan.finished_ms or 0) / 1000 if last_scan else 0.0
    if last_scan and now_s < scanned_s - _MINUTE_S:
        before = f"before the last scan, {last_scan.scan_id}, which ended {_written(scanned_s)}"
        return Verdict("failed", f"clock says {_written(now_s)}, {before}", _SET_CLOCK)
    if now_s < installed_s - _DAY_S:
        before = f"before this qacache was installed, {_written(installed_s)}"
        return Verdict("failed", f"clock says {_written(now_s)}, {before}", _SET_CLOCK)
    newest_s = max(scanned_s, installed_s, _FIRST_RELEASE_S)
    if now_s > newest_s + _YEARS_OFF * _YEAR_S:
        years = (now_s - newest_s) / _YEAR_S
        return Verdict("warning", f"clock says {_written(now_s)}: for {years:.0f} years nothing was done", _SET_CLOCK)
    return Verdict("ok", f"clock says {_written(now_s)}")


def sqlite_verdict(version: tuple[int, ...]) -> Verdict:
    """Return what is to be said of a release of SQLite."""
    name = f"SQLite {'.'.join(map(str, version))}"
    if version < _OLDEST_SQLITE:
        oldest = ".".join(map(str, _OLDEST_SQLITE))
        return Verdict("failed", f"{name} is too old", f"install SQLite {oldest} or newer, or a Python that has it")
    if has_wal_reset_fault(version):
        return Verdict(
            "warning",
            f"{name} has a fault (WAL reset) that can damage a store which two programs write to at the same instant; "
            "qacache itself never does that",
            "let no other program write to the store, or install SQLite 3.51.3; where the distribution has mended "
            'this release, say so: doctor.skip = ["sqlite-version"]',
        )
    return Verdict("ok", f"{name} is sound")


def has_wal_reset_fault(version: tuple[int, ...]) -> bool:
    """Whether that release of SQLite may corrupt a database that two connections write or checkpoint at once."""
    is_mended = version >= _SOUND_SINCE or any(
        branch[:2] == version[:2] and version >= branch for branch in _SOUND_BRANCHES
    )
    return version >= _FAULTY_SINCE and not is_mended


def _search_index() -> Verdict:
    if has_trigrams():
        return Verdict("ok", "SQLite can index parts of names (FTS5, trigram)")
    return Verdict(
        "warning",
        "SQLite cannot index parts of names: it was built without FTS5 and its trigrams",
        "install another SQLite, or wait longer for searches: each looks at every path",
    )


def _written(moment_s: float) -> str:
    return str(iso_time(round(moment_s * 1000)))
