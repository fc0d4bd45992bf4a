"""Pruning: the backups that no rule keeps are removed.

In: the folder, and the rules. Out: what was decided of each backup. Backups of different stores, as of two computers
that use one share, do not count against each other. What is damaged, or has no manifest, is left alone and counts for
nothing: so is the newest backup that was verified, whatever the rules say.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import UsageError
from qacache.store.backup import files
from qacache.store.backup.retention import kept_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.store.backup.folder import Backup, Folder
    from qacache.store.backup.retention import Rules

NEWEST, UNPROVEN, DAMAGED = "newest verified", "no manifest", "damaged"


class Decision(NamedTuple):
    """A backup, and why it stays; it goes where there is no reason."""

    backup: Backup
    reasons: tuple[str, ...]


def prune(folder: Folder, rules: Rules, *, dry_run: bool = False) -> list[Decision]:
    """Remove the backups that nothing keeps, and return what was decided, the newest first.

    Raises `UsageError` where there is no rule to keep anything, and `StoreError`s.
    """
    if not any(rules):
        raise UsageError(
            "no rule says which backups to keep", hint="set backup.keep_last, keep_daily, keep_weekly or keep_monthly"
        )
    decisions = decide(folder.backups(), rules)
    doomed = [backup for backup, reasons in decisions if not reasons]
    if doomed and not dry_run:
        folder.run(lambda _: _remove(folder.path, doomed))
    return decisions


def decide(backups: Sequence[Backup], rules: Rules) -> list[Decision]:
    """Return what is to become of each backup, in their order, which is that of age, the newest first."""
    reasons: dict[str, tuple[str, ...]] = {}
    for siblings in _by_store(backups):
        kept = kept_by([backup.created_ms for backup in siblings], rules)
        kept[0] = (NEWEST, *kept[0])
        reasons.update(zip((backup.path for backup in siblings), kept, strict=True))
    return [Decision(backup, reasons.get(backup.path) or _left_alone(backup)) for backup in backups]


def _by_store(backups: Sequence[Backup]) -> Iterator[list[Backup]]:
    groups: dict[str, list[Backup]] = {}
    for backup in backups:
        if backup.is_verified and backup.manifest is not None:
            groups.setdefault(backup.manifest.contents.store_id, []).append(backup)
    yield from groups.values()


def _left_alone(backup: Backup) -> tuple[str, ...]:
    if backup.is_verified:
        return ()
    return (DAMAGED if backup.is_damaged else UNPROVEN,)


def _remove(path: str, doomed: Sequence[Backup]) -> None:
    for backup in doomed:
        # another process may be pruning, too; what has no backup is no manifest, so that goes last
        for each in (backup.path, backup.manifest_path):
            with suppress(FileNotFoundError):
                os.unlink(each)
    files.sync_folder(path)
