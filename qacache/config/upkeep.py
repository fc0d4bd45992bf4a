"""The keys of what keeps the store well: what is forgotten, what is checked, and which copies are kept."""

from __future__ import annotations

from dataclasses import dataclass

from qacache.config import kinds
from qacache.config.keys import key
from qacache.config.units import DAY_S, HOUR_S, MIB

CHECKS = (
    *("database-filesystem", "database-schema", "write-lock", "wal-checkpoint", "database-space", "scan-lock"),
    *("clock", "sqlite-version", "search-index", "prober-libav", "prober-ffprobe"),
    *("root-present", "root-listable", "root-readable", "root-writable"),
)
"""What `qacache doctor` checks, in its order; what each of them is, `qacache.readiness` knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """What `qacache vacuum` forgets."""

    prune_after: int = key(
        "maintenance.prune_after",
        kinds.WHOLE,
        3,
        "A file that vanished is forgotten after so many complete scans that did not see it.",
        unit="scans",
        minimum=1,
        maximum=1_000_000,
    )
    history_s: float = key(
        "maintenance.history",
        kinds.DURATION,
        365 * DAY_S,
        "How long scans, and what they found changed, are remembered.",
        minimum=0,
        maximum=36_500 * DAY_S,
    )
    vacuum_interval_s: float = key(
        "maintenance.vacuum_interval",
        kinds.DURATION,
        0.0,
        "How often `qacache serve` does what `qacache vacuum` does.",
        minimum=60,
        maximum=366 * DAY_S,
        zero="never by itself",
    )
    checkpoint_interval_s: float = key(
        "maintenance.checkpoint_interval",
        kinds.DURATION,
        0.0,
        "How often `qacache serve` folds the write-ahead log into the database.",
        minimum=1,
        maximum=366 * DAY_S,
        zero="up to SQLite",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """What `qacache doctor` takes for trouble."""

    deadline_s: float = key(
        "doctor.deadline",
        kinds.DURATION,
        10.0,
        "How long each check may take: a disk that sleeps needs a while, and a dead mount never answers.",
        minimum=0.1,
        maximum=HOUR_S,
    )
    min_free_bytes: int = key(
        "doctor.min_free",
        kinds.SIZE,
        256 * MIB,
        "How much space there has to be at the database.",
        minimum=0,
    )
    skip: tuple[str, ...] = key(
        "doctor.skip",
        kinds.choices("check", *CHECKS),
        (),
        "Checks to leave out, by the names that `qacache doctor` gives them: for what is known, and as it is to be.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """Where `qacache backup` puts copies of the database, and how many `prune` keeps, by each rule, in UTC."""

    directory: str = key(
        "backup.directory",
        kinds.PATH_OR_NONE,
        "",
        "The folder for backups, which may be on the network. Where it is empty, the folder backups beside the "
        "database is.",
    )
    keep_last: int = key(
        "backup.keep_last",
        kinds.WHOLE,
        3,
        "How many of the newest backups are kept.",
        unit="backups",
        minimum=0,
        maximum=1_000_000,
    )
    keep_daily: int = key(
        "backup.keep_daily",
        kinds.WHOLE,
        7,
        "Of how many days that have a backup the last one is kept.",
        unit="days",
        minimum=0,
        maximum=1_000_000,
    )
    keep_weekly: int = key(
        "backup.keep_weekly",
        kinds.WHOLE,
        4,
        "Of how many weeks that have a backup the last one is kept. Weeks begin on Mondays.",
        unit="weeks",
        minimum=0,
        maximum=1_000_000,
    )
    keep_monthly: int = key(
        "backup.keep_monthly",
        kinds.WHOLE,
        6,
        "Of how many months that have a backup the last one is kept.",
        unit="months",
        minimum=0,
        maximum=1_000_000,
    )
    interval_s: float = key(
        "backup.interval",
        kinds.DURATION,
        0.0,
        "How often `qacache serve` makes a backup, and prunes old ones.",
        minimum=60,
        maximum=366 * DAY_S,
        zero="never by itself",
    )
