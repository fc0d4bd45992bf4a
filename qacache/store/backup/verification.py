"""Verifying a backup: that it is what its manifest says, and that SQLite finds nothing wrong with it.

In: a backup. Out: what was found, which its manifest remembers: a backup that is known to be damaged counts for none
when old ones are pruned.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import StoreCorrupt, StoreError
from qacache.store.backup import checking, files, jobs, manifest
from qacache.store.backup.files import Access

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.store.backup.checking import Contents
    from qacache.store.backup.folder import Backup, Folder
    from qacache.store.backup.jobs import Tell


class Verified(NamedTuple):
    """What came of verifying a backup: `contents` where it can be restored, else the `error`."""

    backup: Backup
    contents: Contents | None
    error: StoreError | None = None


def verify(
    backup: Backup, folder: Folder, tell: Tell = jobs.silent, *, clock: Callable[[], float] = time.time
) -> Verified:
    """Read all of the backup, and return what was found."""
    folder = folder.at(os.path.dirname(backup.path))
    try:
        found = _inspect(backup, folder, tell)
    except StoreCorrupt as error:
        damage = str(error).removeprefix(f"backup {backup.path} ")
        return Verified(_remember(backup, folder, clock, damage), None, error)
    except StoreError as error:
        # a mount that is away, or a newer schema, is no damage
        return Verified(backup, None, error)
    return Verified(_remember(backup, folder, clock, ""), found)


def expect(backup: Backup, size: int, digest: str) -> None:
    """Raise `StoreCorrupt` where the manifest says something else; where there is none, nothing is expected."""
    known = backup.manifest
    if known is None or (size, digest) == (known.size, known.sha256):
        return
    what = "its SHA-256 is" if size == known.size else f"its size is {size:,} bytes, which is"
    raise StoreCorrupt(f"backup {backup.path} is damaged: {what} not what its manifest says", hint=checking.OLDER_HINT)


def _inspect(backup: Backup, folder: Folder, tell: Tell) -> Contents:
    if backup.manifest is not None:
        # first of all, as it reads in order what SQLite then reads back and forth, from memory if there is enough
        digest = folder.run(lambda effort: files.sha256(backup.path, effort.tell), tell)
        expect(backup, backup.size, digest)
    return checking.examine(backup.path, tell, name=f"backup {backup.path}")


def _remember(backup: Backup, folder: Folder, clock: Callable[[], float], damage: str) -> Backup:
    """Write down what was found, where that is allowed."""
    if backup.manifest is None:
        return backup
    known = backup.manifest._replace(verified_ms=int(clock() * 1000), damage=damage)
    with suppress(StoreError):
        folder.run(lambda _: manifest.write(backup.manifest_path, known, Access.of(os.stat(backup.path))))
    return backup._replace(manifest=known, problem=damage)
