"""Backups as people and programs are told of them: values of `qacache.store.backup` come in, words and JSON go out."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from qacache.cli.scans import local_time
from qacache.cli.tables import size_text
from qacache.text import EMPTY, json_line, printable, tsv_line
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.store.backup.folder import Backup, Folder
    from qacache.store.backup.pruning import Decision
    from qacache.store.backup.restoring import Restored
    from qacache.store.backup.verification import Verified

_COLUMNS = ("path", "created", "size", "files", "schema", "state", "verified", "problem")
# what is left out of the table where it would leave no room for the names
_WIDE = 70
_STATE_STYLES = {"ok": "green", "damaged": "red", "unproven": "yellow"}


def backup_dict(backup: Backup) -> dict[str, Any]:
    """Return a backup as programs get it; what only its manifest says is null where it has none."""
    known = backup.manifest
    return {
        "path": backup.path,
        "created": iso_time(backup.created_ms),
        "size": backup.size,
        "files": known.contents.counts.get("file") if known else None,
        "schema": known.contents.schema_version if known else None,
        "state": _state(backup),
        "verified": iso_time(known.verified_ms) if known else None,
        "problem": backup.problem or None,
        "sha256": known.sha256 if known else None,
        "store": known.store if known else None,
        "store_id": known.contents.store_id if known else None,
        "sqlite": known.sqlite if known else None,
    }


def none_in(folder: Folder) -> str:
    """Return what is said of a folder without backups."""
    return printable(f"no backups of {folder.stem} in {folder.path}; make one with: qacache backup create") + "\n"


def created(backup: Backup) -> str:
    """Return what is said of a new backup."""
    return printable(f"{backup.path}: {_what(backup)}, checked") + "\n"


def write_tsv(backups: Sequence[Backup]) -> None:
    """Print the backups as tab-separated lines."""
    sys.stdout.write(tsv_line(_COLUMNS))
    for each in map(backup_dict, backups):
        sys.stdout.write(tsv_line([each[column] for column in _COLUMNS]))


def write_table(backups: Sequence[Backup]) -> None:
    """Print the backups as a table, below the folder that they are in."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    is_wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("backup", no_wrap=is_wide, overflow="fold")
    for name in ("made", "size", "files") if is_wide else ():
        table.add_column(name, justify="left" if name == "made" else "right", no_wrap=True)
    table.add_column("state", overflow="fold", min_width=10)
    for backup in backups:
        files = backup_dict(backup)["files"]
        facts = (local_time(backup.created_ms), size_text(backup.size), EMPTY if files is None else f"{files:,}")
        table.add_row(
            Text(printable(os.path.basename(backup.path))),
            *(facts if is_wide else ()),
            Text(printable(backup.problem) or "ok", _STATE_STYLES[_state(backup)]),
        )
    if backups:
        console.print(Text(printable(os.path.dirname(backups[0].path)), "dim"), soft_wrap=True)
        console.print(table)


def verified_dict(verified: Verified) -> dict[str, Any]:
    """Return what came of verifying a backup, as programs get it."""
    error = verified.error
    return {**backup_dict(verified.backup), "ok": error is None, "error": None if error is None else str(error)}


def verified(verified: Verified) -> str:
    """Return what is said of a backup that was verified."""
    backup, found = verified.backup, verified.contents
    if found is None:
        return printable(f"failed  {verified.error}") + "\n"
    doubt = "" if backup.manifest else f" ({backup.problem}: its content was checked, but not that it is what it was)"
    return printable(f"ok  {backup.path}: {_files(found.counts.get('file'))}, {size_text(backup.size)}{doubt}") + "\n"


def restored_dict(restored: Restored, store: str) -> dict[str, Any]:
    """Return what was restored, as programs get it."""
    return {
        "store": store,
        "replaced": restored.replaced,
        "outdated": restored.is_outdated,
        "files": restored.contents.counts.get("file"),
        "backup": backup_dict(restored.backup),
    }


def restored(restored: Restored, store: str) -> str:
    """Return what is said of a store that was restored."""
    files = _files(restored.contents.counts.get("file"))
    lines = [f"{store}: {files}, as of {local_time(restored.backup.created_ms)}"]
    if restored.replaced is not None:
        lines.append(f"the database that was there: {restored.replaced}")
    if restored.is_outdated:
        lines.append(f"its schema is {restored.contents.schema_version}, an older one: now run qacache migrate")
    return "".join(f"{printable(line)}\n" for line in lines)


def write_decisions(decisions: Sequence[Decision], *, as_json: bool, dry_run: bool = False) -> None:
    """Print what became of each backup, or would."""
    if as_json:
        for backup, reasons in decisions:
            fate = {"kept_by": list(reasons), "removed": not reasons and not dry_run, "dry_run": dry_run}
            sys.stdout.write(json_line({**backup_dict(backup), **fate}))
        return
    gone = [backup for backup, reasons in decisions if not reasons]
    would = "would remove" if dry_run else "removed"
    for backup, reasons in decisions:
        fate_text = f"kept ({', '.join(reasons)})" if reasons else would
        sys.stdout.write(printable(f"{os.path.basename(backup.path)}  {fate_text}") + "\n")
    if decisions:
        size = size_text(sum(backup.size for backup in gone))
        sys.stdout.write(f"{would} {len(gone):,} of {len(decisions):,} backups, {size}\n")


def _state(backup: Backup) -> str:
    return "ok" if backup.is_verified else "damaged" if backup.is_damaged else "unproven"


def _what(backup: Backup) -> str:
    return f"{_files(backup_dict(backup)['files'])}, {size_text(backup.size)}"


def _files(count: int | None) -> str:
    return "? files" if count is None else f"{count:,} file{'s' * (count != 1)}"
