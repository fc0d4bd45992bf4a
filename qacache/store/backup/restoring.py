"""Restoring: a backup becomes the store, and the store that was there is set aside, as a whole.

The backup is brought to the store's disk first, and checked there. Until it proved whole, nothing is touched; and then
two names change, which a full disk does not prevent.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import SchemaForeign, StoreCorrupt, StoreError, StoreFull, UsageError
from qacache.store import database
from qacache.store.backup import checking, copying, files, jobs
from qacache.store.backup.files import Access, Partial
from qacache.store.backup.folder import ENDINGS, explained
from qacache.store.backup.verification import expect
from qacache.store.lock import held, lock_path, scan_lock_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.store.backup.checking import Contents
    from qacache.store.backup.folder import Backup, Folder
    from qacache.store.backup.jobs import Effort, Tell

_PURPOSE = "qacache backup restore"
# SQLite's own files beside a database that belong to it
_SIDECARS = ("-wal", "-shm", "-journal")


class Restored(NamedTuple):
    """What was restored, and where the store is that was there before; None where there was none."""

    backup: Backup
    contents: Contents
    replaced: str | None

    @property
    def is_outdated(self) -> bool:
        """Whether the store has to be migrated before it is used."""
        return self.contents.schema_version < database.SCHEMA_VERSION


def restore(
    backup: Backup,
    store: str,
    folder: Folder,
    tell: Tell = jobs.silent,
    *,
    busy_timeout_s: float,
    clock: Callable[[], float] = time.time,
) -> Restored:
    """Put `backup` in the place of `store`.

    Raises `StoreLocked` while a scan runs or another process has the store open, and the `StoreError` for whatever
    else is in the way; then the store is what it was. One that is damaged is in nobody's way.
    """
    database.refuse_folder(store)
    database.refuse_network(store)
    # where SQLite's own files beside it are, too
    real = os.path.realpath(store)
    place = folder.at(os.path.dirname(real))
    with explained(place.path):
        os.makedirs(place.path, exist_ok=True)
        with held(scan_lock_path(store), purpose=_PURPOSE, timeout_s=0.0):
            with held(lock_path(store), purpose=_PURPOSE, timeout_s=busy_timeout_s):
                _settle(real, busy_timeout_s)
            files.remove_abandoned(place.path, place.temporary_names)
            making, _ = files.reserve(place.path, place.names(clock()), ENDINGS, _access(backup, real, folder))
            with making:
                found = _fetch(backup, making, real, folder, tell)
                copying.use_wal(making)
                with held(lock_path(store), purpose=_PURPOSE, timeout_s=busy_timeout_s):
                    _settle(real, busy_timeout_s)
                    return Restored(backup, found, _swap(making, real, found, clock()))


def _settle(store: str, busy_timeout_s: float) -> None:
    """Fold the log of the store into it, and see that nobody else has it open; a damaged one stays as it is."""
    if not os.path.exists(store):
        return
    with suppress(StoreCorrupt), database.explained(store):
        # one that may write would tidy up beside what is no database
        database.connect_read_only(store).close()
        # those whom the lock keeps from writing meanwhile wait longer, and so do not fail
        with closing(sqlite3.connect(store, timeout=busy_timeout_s / 2, isolation_level=None)) as connection:
            # refused while there is any other connection; closing this one, the only one, removes the log
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            if application_id != database.APPLICATION_ID and not database.is_empty(connection):
                raise SchemaForeign(
                    f"{store} is some other program's database", hint="choose where to restore to with --db"
                )
            connection.execute("COMMIT")


def _access(backup: Backup, store: str, folder: Folder) -> Access:
    """Return who shall have the store: who had it before, or else who has its folder, no more than the backup."""
    if os.path.exists(store):
        return Access.of(os.stat(store))
    owner = os.stat(os.path.dirname(store))
    mode = folder.run(lambda _: os.stat(backup.path).st_mode) & 0o666
    return Access(mode, owner.st_uid, owner.st_gid)


def _fetch(backup: Backup, making: Partial, store: str, folder: Folder, tell: Tell) -> Contents:
    """Bring the backup to the store's disk, and see that it is whole; return what is in it."""

    def fetch(effort: Effort) -> None:
        if os.path.exists(store) and os.path.samefile(backup.path, store):
            raise UsageError(f"{backup.path} is the store itself", hint="name a backup of it")
        if os.path.exists(f"{backup.path}-wal") and os.path.getsize(f"{backup.path}-wal"):
            raise StoreError(
                f"{backup.path} is a database in use, not a backup",
                hint=f"make a backup of it with: qacache backup create --db {backup.path}",
            )
        files.transfer(backup.path, making, effort.tell)

    free = shutil.disk_usage(os.path.dirname(store)).free
    if free < backup.size:
        raise StoreFull(
            f"no room to restore: {free:,} bytes are free in {os.path.dirname(store)}, {backup.size:,} are needed",
            hint="free some space there; the store is as it was",
        )
    folder.at(os.path.dirname(backup.path)).run(fetch, tell)
    found, digest = checking.seal(making.path, tell, name=f"backup {backup.path}")
    expect(backup, os.path.getsize(making.path), digest)
    return found


def _swap(making: Partial, store: str, expected: Contents, now_s: float) -> str | None:
    """Set the store aside, and put the new one in its place; return the path of the old one, if there was one."""
    aside = f"{store}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now_s))}"
    while os.path.lexists(aside):
        aside += "+"
    moved: list[str] = []
    try:
        for ending in _SIDECARS:
            if os.path.lexists(store + ending):
                os.rename(store + ending, aside + ending)
                moved.append(ending)
        had_store = _keep(store, aside)
        making.move(store)
        with database.explained(store), closing(checking.connect_finished(store)) as connection:
            if checking.contents(connection) != expected:
                raise StoreCorrupt(f"store {store} is not what was restored", hint="check its disk")
    except BaseException:
        for ending in moved:
            os.rename(aside + ending, store + ending)
        _take_back(store, aside)
        raise
    if "-wal" not in moved and "-shm" in moved:
        # the index of a log that is gone
        os.unlink(f"{aside}-shm")
    return aside if had_store else None


def _keep(store: str, aside: str) -> bool:
    """Give the store, if there is one, another name; it has both, where that can be, so that there always is one."""
    if not os.path.exists(store):
        return False
    try:
        os.link(store, aside)
    except OSError:
        os.rename(store, aside)
    return True


def _take_back(store: str, aside: str) -> None:
    with suppress(FileNotFoundError):
        os.replace(aside, store)
        # if it still had both names, nothing was done
        os.unlink(aside)
