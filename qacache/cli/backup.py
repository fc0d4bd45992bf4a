"""`qacache backup`: create, list, verify, restore, prune."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli import backup_words as words
from qacache.cli.long_work import long_work
from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.config import load
from qacache.store.backup import creation, pruning, restoring, verification
from qacache.store.backup.folder import Folder
from qacache.store.backup.retention import Rules
from qacache.text import json_line

if TYPE_CHECKING:
    from qacache.config import Config

app = command_app("Copy the store, check the copies, and bring one back.")

SOME_FAILED = 3

DirArgument = Annotated[
    str | None,
    typer.Argument(metavar="[DIR]", help="The folder of the backups.  [default: backup.directory]", show_default=False),
]
BACKUP_HELP = "a backup, or a folder of them"


@app.command(epilog=exit_statuses(0, 1, 2, 10, 12, 130))
def create(
    directory: DirArgument = None,
    prune_old: Annotated[
        bool, typer.Option("--prune", help="Then remove old backups, as `qacache backup prune` does.")
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Make a backup, and check it.

    A scan may go on meanwhile: the backup is what the store was at one moment. It is a file of its own, with a
    manifest beside it that has its checksum.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    folder = _folder(settings, directory)
    with long_work() as tell:
        backup = creation.create(settings.db.path, folder, tell)
    sys.stdout.write(json_line(words.backup_dict(backup)) if json else words.created(backup))
    if prune_old:
        words.write_decisions(pruning.prune(folder, Rules.of(settings.backup)), as_json=json)


@app.command("list", epilog=exit_statuses(0, 1, 2, 130))
def list_backups(
    directory: DirArgument = None,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """List the backups of the store, the newest first.

    Prints a table on a terminal, and tab-separated lines elsewhere.
    """
    folder = _folder(load(config_path=config, flags={"db.path": db}).config, directory)
    backups = folder.backups()
    if not backups:
        sys.stderr.write(words.none_in(folder))
    if json:
        sys.stdout.writelines(json_line(words.backup_dict(backup)) for backup in backups)
    elif sys.stdout.isatty():
        words.write_table(backups)
    else:
        words.write_tsv(backups)


@app.command(epilog=exit_statuses(0, 1, 2, 3, 130))
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BACKUP]...", help="Backups, or folders of them.  [default: all]", show_default=False),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Say whether backups are whole.

    All of each is read, for its checksum and for all checks that SQLite has. What was found is written to its manifest.
    """
    folder = _folder(load(config_path=config, flags={"db.path": db}).config, None)
    failed = False
    for backup in [backup for name in (names or (None,)) for backup in folder.choose(name)]:
        with long_work() as tell:
            verified = verification.verify(backup, folder, tell)
        sys.stdout.write(json_line(words.verified_dict(verified)) if json else words.verified(verified))
        sys.stdout.flush()
        failed = failed or verified.error is not None
    raise typer.Exit(SOME_FAILED if failed else 0)


@app.command(epilog=exit_statuses(0, 1, 2, 11, 12, 130))
def restore(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[BACKUP]", help="The backup, or a folder: its newest.  [default: the newest]", show_default=False
        ),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Put a backup in the place of the store.

    It is checked first. The database that is there now is set aside, not deleted, and stays if anything goes wrong.
    Refused while a scan runs, or another program has the store open.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    folder = _folder(settings, None)
    backup = folder.newest(name)
    with long_work() as tell:
        restored = restoring.restore(backup, settings.db.path, folder, tell, busy_timeout_s=settings.db.busy_timeout_s)
    sys.stdout.write(
        json_line(words.restored_dict(restored, settings.db.path))
        if json
        else words.restored(restored, settings.db.path)
    )


@app.command(epilog=exit_statuses(0, 1, 2, 130))
def prune(
    directory: DirArgument = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Remove old backups, but for those that a rule keeps.

    The rules are backup.keep_last, keep_daily, keep_weekly and keep_monthly of the configuration: a backup is kept if
    any of them keeps it. The newest one that was verified always is. What is damaged or has no manifest is left alone,
    and counts for nothing.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    folder = _folder(settings, directory)
    decisions = pruning.prune(folder, Rules.of(settings.backup), dry_run=dry_run)
    if not decisions:
        sys.stderr.write(words.none_in(folder))
    words.write_decisions(decisions, as_json=json, dry_run=dry_run)


def _folder(settings: Config, directory: str | None) -> Folder:
    return Folder.of(settings.db.path, directory or settings.backup.directory, hang_s=settings.scan.hang_timeout_s)
