"""How long a verified backup takes, against a bare copy, and against the same by hand."""

from __future__ import annotations

import shlex
import shutil
from typing import TYPE_CHECKING

from benchmarks.measure import QACACHE, Row, medians, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TIMES = 3


def backups(work: Path, db: Path) -> Iterator[Row]:
    """Back up a store of a million files: all of `create`, with every check, against the shell of SQLite."""
    if shutil.which("sqlite3") is None:
        return
    folder, copy = work / "backups", work / "copy.db"
    bare = f"sqlite3 {shlex.quote(str(db))} '.backup {copy}'"
    by_hand = f"{bare} && sqlite3 {copy} 'PRAGMA integrity_check; PRAGMA foreign_key_check' && sha256sum {copy}"

    def ours() -> float:
        shutil.rmtree(folder, ignore_errors=True)
        return run([QACACHE, "backup", "create", "--db", str(db), str(folder)])

    def theirs(command: str) -> float:
        copy.unlink(missing_ok=True)
        return run(command)

    mine, plain, whole = medians([ours, lambda: theirs(bare), lambda: theirs(by_hand)], _TIMES)
    yield Row("backup create : sqlite3 .backup", mine / plain, 2.0, False, f"{mine:.2f} s", f"{plain:.2f} s")
    name = "backup create : .backup, integrity_check, sha256sum"
    yield Row(name, mine / whole, 1.0, False, f"{mine:.2f} s", f"{whole:.2f} s")
    shutil.rmtree(folder)
    copy.unlink()
