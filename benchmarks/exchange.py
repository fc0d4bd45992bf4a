"""How fast a million records go out and come in, against sqlite-utils with the same; and what that takes of memory."""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import QACACHE, Row, run_measured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SQLITE_UTILS = str(Path(QACACHE).with_name("sqlite-utils"))
_TIMES = 3


def exports(work: Path, db: Path) -> Iterator[Row]:
    """Export all of the library, against sqlite-utils with as many columns; and a tenth of it."""
    ours = [QACACHE, "export", "--db", str(db)]
    theirs = [_SQLITE_UTILS, "rows", str(db), "videos", "--nl"]
    rounds = [(run_measured(ours), run_measured(theirs)) for _ in range(_TIMES)]
    yield _faster("export, records/s : sqlite-utils rows", rounds, 1.0)
    small = run_measured([*ours, str(work / "tree" / "part 0")])
    yield _memory("its peak memory, 1,000,000 records : 100,000", rounds[0][0], small)


def imports(work: Path, db: Path) -> Iterator[Row]:
    """Import what was exported into a new store, against sqlite-utils with the same file; and a tenth of it."""
    whole, part = work / "library.ndjson", work / "part.ndjson"
    run_measured([QACACHE, "export", "--db", str(db), "-o", str(whole)])
    run_measured([QACACHE, "export", "--db", str(db), "-o", str(part), str(work / "tree" / "part 0")])
    rounds = [(_import(work, whole), _insert(work, whole)) for _ in range(_TIMES)]
    yield _faster("import of them, records/s : sqlite-utils insert", rounds, 0.5)
    yield _memory("its peak memory, 1,000,000 records : 100,000", rounds[0][0], _import(work, part))


def _import(work: Path, file: Path) -> tuple[float, int]:
    return _into_new(work, QACACHE, "import", str(file), "--db", str(work / "new" / "new.db"))


def _insert(work: Path, file: Path) -> tuple[float, int]:
    new = str(work / "new" / "new.db")
    return _into_new(work, _SQLITE_UTILS, "insert", new, "files", str(file), "--nl", "--pk", "path")


def _into_new(work: Path, *command: str) -> tuple[float, int]:
    """Run a command that makes a database in the folder `new`, which is gone after that."""
    folder = work / "new"
    folder.mkdir()
    try:
        return run_measured(command)
    finally:
        shutil.rmtree(folder)


def _faster(what: str, rounds: Sequence[tuple[tuple[float, int], tuple[float, int]]], limit: float) -> Row:
    mine, other = (statistics.median(turn[side][0] for turn in rounds) for side in (0, 1))
    return Row(what, other / mine, limit, True, f"{mine:.1f} s", f"{other:.1f} s")


def _memory(what: str, large: tuple[float, int], small: tuple[float, int]) -> Row:
    shown = f"{large[1] / 1e6:.1f} MB", f"{small[1] / 1e6:.1f} MB"
    return Row(what, large[1] / small[1], 1.1, False, *shown)
