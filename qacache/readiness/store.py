"""Checks of the store: where it is, whether it can be read and written, and who does so.

The way out of what is wrong is mostly that of the `StoreError` which other commands would end with.
"""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from qacache.errors import StoreLocked, StoreMissing
from qacache.filesystem import filesystem_type
from qacache.readiness.verdicts import Section, Verdict
from qacache.store.checkup import checkpoint
from qacache.store.database import SCHEMA_VERSION, open_reader, refuse_network
from qacache.store.lock import holder, lock_path, scan_lock_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.config import Config

_GIB = 1 << 30
_MIB = 1 << 20


def store_sections(config: Config) -> Iterator[Section]:
    """Yield the checks of the configured store."""
    path = config.db.path
    # a check may wait for two things
    patience_s = min(config.db.busy_timeout_s, config.doctor.deadline_s / 3)
    yield Section(
        f"store {path}",
        (
            ("database-filesystem", lambda: _filesystem(path)),
            ("database-schema", lambda: _schema(path)),
            ("write-lock", lambda: _write_lock(path, patience_s)),
            ("wal-checkpoint", lambda: _checkpoint(path, patience_s)),
        ),
        os.fsencode(path),
    )
    folder = os.path.dirname(path)
    yield Section(
        f"folder of the store {folder}",
        (("database-space", lambda: _space(path, config.doctor.min_free_bytes)),),
        os.fsencode(folder),
    )
    lock = scan_lock_path(path)
    yield Section(f"scan lock {lock}", (("scan-lock", lambda: _scan_lock(path)),), os.fsencode(lock))


def _filesystem(path: str) -> Verdict:
    refuse_network(path)
    kind = filesystem_type(path)
    if kind is None:
        return Verdict("ok", f"store {path} is on a filesystem of which this system does not tell the kind")
    return Verdict("ok", f"store {path} is on a local filesystem ({kind})")


def _schema(path: str) -> Verdict:
    with suppress(FileNotFoundError):
        # who may not look into the folder is told that, and not that there is no store
        os.stat(path)
    try:
        open_reader(path).close()
    except StoreMissing as error:
        return Verdict("skipped", str(error), error.hint or "", is_last=True)
    return Verdict("ok", f"store schema is {SCHEMA_VERSION}, that of this qacache")


def _write_lock(path: str, patience_s: float) -> Verdict:
    who = holder(lock_path(path), timeout_s=patience_s)
    if who is None:
        return Verdict("ok", "write lock is free")
    return Verdict(
        "warning",
        f"write lock is not free for {patience_s:g} s: {who} holds {lock_path(path)}",
        "see what that process is doing; all others wait for it",
    )


def _checkpoint(path: str, patience_s: float) -> Verdict:
    try:
        journal_mode, log_bytes, done_bytes = checkpoint(path, patience_s)
    except StoreLocked as error:
        return Verdict("skipped", f"write-ahead log: {error}", error.hint or "")
    if journal_mode != "wal":
        return Verdict(
            "failed",
            f"store {path} has no write-ahead log: its journal_mode is {journal_mode}",
            f"give it one: sqlite3 {shlex.quote(path)} 'PRAGMA journal_mode = WAL'",
        )
    if done_bytes < log_bytes:
        return Verdict(
            "warning",
            f"write-ahead log cannot be checkpointed to its end: for {patience_s:g} s a reader has held up "
            f"{(log_bytes - done_bytes) / _MIB:,.2f} of {log_bytes / _MIB:,.2f} MiB: {path}-wal",
            f"see who reads for so long: fuser -v {shlex.quote(path)}",
        )
    return Verdict("ok", "write-ahead log can be checkpointed")


def _space(path: str, min_free: int) -> Verdict:
    folder = os.path.dirname(path)
    while not os.path.isdir(folder):  # it is made with the store
        folder = os.path.dirname(folder)
    free = shutil.disk_usage(folder).free
    told = f"{free / _GIB:,.1f} GiB free at the store: {folder}"
    if free < min_free:
        return Verdict(
            "failed",
            f"only {free / _MIB:,.1f} MiB free at the store: {folder}",
            f"make room there: {min_free / _MIB:,.0f} MiB at least, which doctor.min_free says",
        )
    size = os.path.getsize(path) if os.path.exists(path) else 0
    if free < size:
        return Verdict(
            "warning",
            f"{told}, which is less than the store takes",
            "make room there: before a migration, and for a backup beside it, the store is copied",
        )
    return Verdict("ok", told)


def _scan_lock(path: str) -> Verdict:
    who = holder(scan_lock_path(path))
    return Verdict("ok", "scan lock is free: no scan runs" if who is None else f"scan lock is held by {who}")
