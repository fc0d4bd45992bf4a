"""Files of backups: made under a temporary name, synced, and only then given their own.

A file in the making is locked by whoever makes it: so what a killed process left behind is told from what another one,
also on another computer, is still writing. No file is more readable than what it is a copy of.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from qacache.store.backup.jobs import Tell

TEMPORARY = ".partial"

_CHUNK = 1 << 20
# No sync takes so long that it looks like a mount that hangs.
_SYNCED = 32 * _CHUNK
# What was left behind where the filesystem knows no locks: nobody writes one file for a day.
_ABANDONED_S = 86_400


class Access(NamedTuple):
    """Who may read a file, as `os.stat` has it."""

    mode: int
    uid: int
    gid: int

    @classmethod
    def of(cls, found: os.stat_result) -> Access:
        """Return what that file has, without the rights to execute it."""
        return cls(found.st_mode & 0o666, found.st_uid, found.st_gid)


class Partial:
    """A new file under a temporary name. Owns it until it is moved, and removes it unless it was. Raises `OSError`."""

    def __init__(self, path: str, access: Access) -> None:
        self.path = path
        # the umask may take more rights away; whoever makes a file can write it
        mode = access.mode | stat.S_IRUSR | stat.S_IWUSR
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with suppress(OSError):  # not every network filesystem has locks
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _give(self.descriptor, access)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self.path)
        os.close(self.descriptor)

    def move(self, path: str) -> None:
        """Give the file its name, as soon as it is on its disk; what has that name is replaced."""
        os.fsync(self.descriptor)
        os.rename(self.path, path)
        sync_folder(os.path.dirname(path))


def reserve(folder: str, names: Iterable[str], endings: Sequence[str], access: Access) -> tuple[Partial, str]:
    """Return a new file in `folder`, and the path it is to have: the first of `names` that nothing has.

    Nothing has a name where there is no file of it with any of the `endings`, of which the first is the new file's.
    """
    for name in names:
        path = os.path.join(folder, name)
        try:
            partial = Partial(f"{path}{endings[0]}{TEMPORARY}", access)
        except FileExistsError:
            continue
        # looked at last: who makes a file of this name has the temporary one before
        if not any(os.path.lexists(path + ending) for ending in endings):
            return partial, path + endings[0]
        partial.__exit__()
    raise FileExistsError(folder)


def remove_abandoned(folder: str, pattern: str) -> None:
    """Remove the temporary files, of names that match before their ending, that nobody makes any more."""
    for entry in os.scandir(folder):
        if re.fullmatch(pattern + re.escape(TEMPORARY), entry.name) and _is_abandoned(entry.path):
            with suppress(FileNotFoundError):
                os.unlink(entry.path)


def transfer(source: str, partial: Partial, tell: Tell) -> None:
    """Write the content of the file `source` to `partial`, and sync it."""
    done = 0
    for chunk in _chunks(source, "copying", tell):
        with _named(partial.path):
            _write(partial.descriptor, chunk)
            done += len(chunk)
            if done % _SYNCED < _CHUNK:
                os.fsync(partial.descriptor)
    with _named(partial.path):
        os.fsync(partial.descriptor)


def sha256(path: str, tell: Tell) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    for chunk in _chunks(path, "reading", tell):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: str, step: str, tell: Tell) -> Iterator[bytes]:
    done, total = 0, os.path.getsize(path)
    with open(path, "rb", buffering=0) as file:
        while True:
            tell(step, done, total)
            with _named(path):
                chunk = file.read(_CHUNK)
            if not chunk:
                return
            yield chunk
            done += len(chunk)


def _write(descriptor: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(descriptor, left) :]


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Have errors of the block name the file that they are about."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or path
        raise


def forget_cached(descriptor: int) -> None:
    """Have the system read the file anew from where it is, as far as the system can; it must be synced."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def sync(path: str) -> None:
    """Return when the file is on its disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: str) -> None:
    """Return when the names in the folder are on its disk, where its filesystem can do that."""
    with suppress(OSError):
        sync(folder or ".")


def _give(descriptor: int, access: Access) -> None:
    """Make the file that owner's and that group's; where that may not be, no group has any rights."""
    for uid in (access.uid, -1):
        try:
            os.fchown(descriptor, uid, access.gid)
        except OSError:
            continue
        return
    with suppress(OSError):  # some filesystems know no rights
        os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & ~stat.S_IRWXG)


def _is_abandoned(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(descriptor).st_mtime > _ABANDONED_S
    else:
        return True
    finally:
        os.close(descriptor)
