"""Making a backup: a copy of the store at one moment, checked, and put where it belongs with its manifest.

SQLite writes on local disks only. What is to lie on a network filesystem is made and checked beside the store, written
there in one go, and read back: so a mount that hangs holds up neither a transaction nor a scan.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING

from qacache.errors import StoreCorrupt, StoreFull
from qacache.filesystem import filesystem_type, is_network_type
from qacache.store import database
from qacache.store.backup import checking, copying, files, jobs, manifest
from qacache.store.backup.files import Access, Partial
from qacache.store.backup.folder import ENDINGS, MANIFEST_ENDING, Backup, Folder, backup_at, explained
from qacache.store.backup.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.store.backup.checking import Contents
    from qacache.store.backup.jobs import Effort, Tell


def create(store: str, folder: Folder, tell: Tell = jobs.silent, *, clock: Callable[[], float] = time.time) -> Backup:
    """Make a backup of `store` in `folder`, while other processes may go on to write the store; return it.

    Raises `StoreMissing`, a `SchemaError` for what is no store, `StoreFull`, `StoreReadOnly` and other `StoreError`s;
    then nothing is left behind.
    """
    made_s = clock()
    with closing(database.open_reader_of_any_age(store)) as source:
        size = database.total_size(source)
        is_remote = folder.run(lambda _: _prepare(folder, size))
        place = folder
        if is_remote:
            place = folder.at(os.path.dirname(os.path.abspath(store)))
            place.run(lambda _: _prepare(place, size))
        with explained(place.path):
            access = Access.of(os.stat(store))
            making, path = files.reserve(place.path, place.names(made_s), ENDINGS, access)
            with making:
                found, digest = copy_checked(source, making, tell, store=store)
                known = Manifest(
                    size=os.path.getsize(making.path),
                    sha256=digest,
                    contents=found,
                    store=os.fsencode(os.path.abspath(store)).decode(errors="replace"),
                    sqlite=sqlite3.sqlite_version,
                    created_ms=int(made_s * 1000),
                    verified_ms=int(clock() * 1000),
                )
                if not is_remote:
                    _publish(making, path, known, access)
                    return backup_at(path)
                return folder.run(partial(_deliver, making.path, folder, known, access, made_s), tell)


def _prepare(folder: Folder, size: int) -> bool:
    """See that there is a folder, and room in it; return whether it is on a network."""
    try:
        os.makedirs(folder.path, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from error
    files.remove_abandoned(folder.path, folder.temporary_names)
    free = shutil.disk_usage(folder.path).free
    if free < size:
        raise StoreFull(
            f"no room for a backup: {free:,} bytes are free in {folder.path}, {size:,} are needed",
            hint="free some space there, or name another folder",
        )
    kind = filesystem_type(folder.path)
    return kind is not None and is_network_type(kind)


def copy_checked(source: sqlite3.Connection, making: Partial, tell: Tell, *, store: str) -> tuple[Contents, str]:
    """Write the store as it is at this moment to `making`; return what is in it, and its SHA-256.

    The copy is on its disk, and whole, or this raises the `StoreError` or `OSError` that says why not.
    """
    expected = copying.copy(source, making, tell, store=store)
    found, digest = checking.seal(making.path, tell, name=f"store {store}")
    if found != expected:
        raise StoreCorrupt(
            f"a copy of store {store} has not what the store has", hint="check the disk it was written to"
        )
    return found, digest


def _deliver(path: str, folder: Folder, known: Manifest, access: Access, made_s: float, effort: Effort) -> Backup:
    """Write the file `path` to the folder, and see that it arrived."""
    making, target = files.reserve(folder.path, folder.names(made_s), ENDINGS, access)
    with making:
        files.transfer(path, making, effort.tell)
        files.forget_cached(making.descriptor)
        if files.sha256(making.path, effort.tell) != known.sha256:
            raise StoreCorrupt(
                f"what was written to {folder.path} is not what is read there", hint="check the disk, or the network"
            )
        _publish(making, target, known, access)
    return backup_at(target)


def _publish(making: Partial, path: str, known: Manifest, access: Access) -> None:
    """Give the backup its name. The manifest comes first: there is no backup without one."""
    manifest_path = path.removesuffix(ENDINGS[0]) + MANIFEST_ENDING
    manifest.write(manifest_path, known, access)
    try:
        making.move(path)
    except BaseException:
        with suppress(OSError):
            os.unlink(manifest_path)
        raise
