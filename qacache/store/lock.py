"""Locks between processes: one file beside the store for each thing that only one process may do.

`flock` on files of their own: closing any descriptor on the database itself would drop SQLite's locks
(sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from qacache.errors import StoreError, StoreLocked, StoreReadOnly

if TYPE_CHECKING:
    from collections.abc import Iterator

_POLL_S = 0.02


def lock_path(path: str) -> str:
    """Return the file to lock for every write, checkpoint and migration of the store at `path`."""
    return f"{path}.lock"


def scan_lock_path(path: str) -> str:
    """Return the file to lock for the length of a scan into the store at `path`."""
    return f"{path}.scan.lock"


@contextmanager
def held(path: str, *, purpose: str, timeout_s: float) -> Iterator[None]:
    """Hold the lock `path` while the block runs.

    Waits up to `timeout_s` for it, then raises `StoreLocked`, which names the process that has it. `purpose`
    says what the block does, for that message in other processes.
    """
    descriptor = _open(path)
    try:
        _acquire(descriptor, path, time.monotonic() + timeout_s, fcntl.LOCK_EX)
        _sign(descriptor, purpose)
        yield
    finally:
        # not left to closing: a child that was forked meanwhile has the descriptor, too, until it runs its program
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def is_held(path: str) -> bool:
    """Whether another process, or another part of this one, holds the lock `path`."""
    try:
        return holder(path) is not None
    except StoreError:
        return False


def holder(path: str, *, timeout_s: float = 0.0) -> str | None:
    """Return who holds the lock `path`, such as `pid 77 (qacache scan)`; None once nobody does, within `timeout_s`.

    Raises `StoreError` where that cannot be told.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(
            f"lock cannot be looked at: {path}: {error.strerror}", hint="see that this user may read and write it"
        ) from error
    try:
        # shared, and let go at once: who asks is in nobody's way
        _acquire(descriptor, path, time.monotonic() + timeout_s, fcntl.LOCK_SH)
    except StoreLocked:
        return _signature(descriptor)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return None
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        with suppress(FileExistsError):
            return _given(os.open(path, flags | os.O_EXCL, 0o666), path)
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise StoreReadOnly(
            f"store cannot be written: no lock file at {path}: {error.strerror}",
            hint="make the store's folder writable, or choose another store with --db",
        ) from error


def _given(descriptor: int, path: str) -> int:
    """Return the new lock file `descriptor`, which root must not lock others out with, whose folder it is in."""
    if os.geteuid() == 0:
        folder = os.stat(os.path.dirname(path) or ".")
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def _sign(descriptor: int, purpose: str) -> None:
    # a full disk has no room for this, and is told of by the write that follows
    with suppress(OSError):
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} ({purpose})".encode(), 0)


def _signature(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"


def _acquire(descriptor: int, path: str, deadline: float, kind: int) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise StoreLocked(
                    f"store is in use: {_signature(descriptor)} holds {path}",
                    hint="wait until it is done, or stop it",
                ) from error
            time.sleep(_POLL_S)
        except OSError as error:
            raise StoreError(
                f"store cannot be locked: {path}: {error.strerror}", hint="put the store on a local disk with --db"
            ) from error
        else:
            return
