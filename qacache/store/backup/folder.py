"""The folder of a store's backups: their names, and what is there.

In: a folder, which may be on a network that does not answer. Out: `Backup`s, the newest first; and whatever a function
makes of the folder, in a thread that is given up when it hangs.
"""

from __future__ import annotations

import errno
import os
import re
import time
from calendar import timegm
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from qacache.errors import StoreError, StoreFull, StoreReadOnly, UsageError
from qacache.os_failures import NoAnswer
from qacache.store.backup import jobs, manifest
from qacache.store.backup.manifest import Manifest, ManifestUnusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qacache.store.backup.jobs import Effort, Tell

T = TypeVar("T")

ENDING, MANIFEST_ENDING = ENDINGS = (".db", ".json")

_STAMP = "%Y%m%dT%H%M%SZ"
_STAMP_PATTERN = r"(\d{8}T\d{6}Z)(?:-(\d+))?"

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Backup(NamedTuple):
    """A backup, as its name and its manifest tell: `problem` is empty, or what they tell is wrong.

    `created_ms` is in milliseconds since the epoch, `size` the bytes of the file. Without a `manifest` nobody knows
    whether the file is what it was.
    """

    path: str
    created_ms: int
    size: int
    manifest: Manifest | None
    problem: str = ""

    @property
    def manifest_path(self) -> str:
        """The file of the manifest, be it there or not."""
        return self.path.removesuffix(ENDING) + MANIFEST_ENDING

    @property
    def is_damaged(self) -> bool:
        """Whether the file is known not to be what it was."""
        return self.manifest is not None and bool(self.problem)

    @property
    def is_verified(self) -> bool:
        """Whether all of it was checked, and nothing is known to have happened to it since."""
        return self.manifest is not None and not self.problem


@dataclass(frozen=True, slots=True)
class Folder:
    """Where the backups of a store are, by the names that begin with `stem`.

    `hang_s` is how long to wait for an answer of the mount that it may be on.
    """

    path: str
    stem: str
    hang_s: float

    @classmethod
    def of(cls, store_path: str, path: str = "", *, hang_s: float) -> Folder:
        """Return the folder `path` for backups of that store; the default one is beside it."""
        folder, name = os.path.split(os.path.abspath(store_path))
        return cls(os.path.abspath(path or os.path.join(folder, "backups")), os.path.splitext(name)[0], hang_s)

    def at(self, path: str) -> Folder:
        """Return the folder `path`, where names are as they are here."""
        return replace(self, path=path)

    @property
    def temporary_names(self) -> str:
        """The pattern of names that files have while they are made, without what all of them end with."""
        return f"{re.escape(self.stem)}-{_STAMP_PATTERN}({'|'.join(map(re.escape, ENDINGS))})"

    def names(self, made_s: float) -> Iterator[str]:
        """Yield the names, without ending, that a backup of that moment may have, the best first."""
        name = f"{self.stem}-{time.strftime(_STAMP, time.gmtime(made_s))}"
        return chain([name], (f"{name}-{number}" for number in count(2)))

    def run(self, work: Callable[[Effort], T], tell: Tell = jobs.silent) -> T:
        """Return what `work` does in the folder; raises the `StoreError` for what goes wrong there."""
        with explained(self.path):
            return jobs.run([work], tell, hang_s=self.hang_s)[0]

    def backups(self) -> list[Backup]:
        """Return the backups of the store, the newest first; none where there is no folder."""
        return self.run(lambda _: list(self._backups(self.path)))

    def choose(self, name: str | None) -> list[Backup]:
        """Return the backups that a user calls `name`, the newest first.

        That is a file, here or anywhere, or a folder, of which all are meant; None is this one. Raises `StoreError`
        where there is none.
        """
        place = self.at(name) if name and os.path.dirname(name) else self
        chosen = place.run(lambda _: self._choose(name))
        if not chosen:
            raise StoreError(
                f"no backup of {self.stem} in {name or self.path}", hint="make one with: qacache backup create"
            )
        return chosen

    def newest(self, name: str | None) -> Backup:
        """Return the newest backup of those that a user calls `name`.

        Raises as `choose`, and `UsageError` where computers with a store each share the folder: nobody knows whose is
        meant.
        """
        chosen = self.choose(name)
        stores = {backup.manifest.contents.store_id for backup in chosen if backup.manifest}
        if len(stores) > 1:
            raise UsageError(
                f"backups of {len(stores)} stores are in {os.path.dirname(chosen[0].path)}",
                hint="name one: qacache backup list --json says which store each is of",
            )
        return chosen[0]

    def _backups(self, path: str) -> Iterator[Backup]:
        try:
            names = [entry.name for entry in os.scandir(path)]
        except FileNotFoundError:
            return
        matches = (re.fullmatch(rf"{re.escape(self.stem)}-{_STAMP_PATTERN}{re.escape(ENDING)}", name) for name in names)
        made = {(match[1], int(match[2] or 1)): match[0] for match in matches if match}
        for _, name in sorted(made.items(), reverse=True):
            with suppress(FileNotFoundError):  # pruned at this moment
                yield backup_at(os.path.join(path, name))

    def _choose(self, name: str | None) -> list[Backup]:
        if name is None or os.path.isdir(name):
            return list(self._backups(os.path.abspath(name) if name else self.path))
        is_bare = not os.path.dirname(name) and not os.path.lexists(name)
        path = os.path.join(self.path, name) if is_bare else os.path.abspath(name)
        try:
            return [backup_at(path)]
        except FileNotFoundError as error:
            raise StoreError(f"no backup at {path}", hint="see qacache backup list") from error


@contextmanager
def explained(folder: str) -> Iterator[None]:
    """Turn what the system refuses in the block into the `StoreError` that it means for `folder`."""
    try:
        yield
    except NoAnswer as error:
        raise StoreError(
            f"{folder} does not answer: {error}", hint="see to its mount, or name another folder"
        ) from error
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        subject = os.fsdecode(error.filename) if error.filename else folder
        if error.errno in _FULL:
            where = os.path.dirname(subject) if error.filename else folder
            raise StoreFull(f"no room in {where}: {words}", hint="free some space there") from error
        if error.errno in _NOT_ALLOWED:
            raise StoreReadOnly(f"{subject}: {words}", hint="make it writable, or name another folder") from error
        raise StoreError(f"{subject}: {words}") from error


def backup_at(path: str) -> Backup:
    """Return the backup at `path`; raises `OSError` where there is none."""
    stat = os.stat(path)
    created_ms = _created_ms(path) or stat.st_mtime_ns // 1_000_000
    unknown = Backup(path, created_ms, stat.st_size, None)
    try:
        known = manifest.read(unknown.manifest_path)
    except ManifestUnusable as error:
        return unknown._replace(problem=str(error))
    problem = known.damage
    if stat.st_size != known.size:
        problem = f"is damaged: {stat.st_size:,} bytes instead of {known.size:,}"
    return Backup(path, known.created_ms, stat.st_size, known, problem)


def _created_ms(path: str) -> int | None:
    match = re.search(rf"-{_STAMP_PATTERN}{re.escape(ENDING)}$", path)
    try:
        return timegm(time.strptime(match[1], _STAMP)) * 1000 if match else None
    except ValueError:
        return None
