"""`python -m benchmarks`: measure, and print the table. Exits with 1 where a figure is short."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.backups import backups
from benchmarks.busy import busy
from benchmarks.duplicates import candidates, verified
from benchmarks.exchange import exports, imports
from benchmarks.finding import searches
from benchmarks.library import fill_store, make_tree
from benchmarks.measure import HEADER, QACACHE, Row, in_turns, peak_memory_bytes, run
from benchmarks.mounts import slow_mount
from benchmarks.probing import cold_scans, memory, real_files
from benchmarks.room import room
from benchmarks.serving import serving
from tests.media import make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator

_FFPROBE = "ffprobe -v error -show_format -show_streams -of json"
_PARTS = 10
_PART_FILES = 100_000


def second_scan(work: Path, db: Path) -> Iterator[Row]:
    """Scan 200,000 unchanged files, against find; and what a million takes of memory."""
    two = [str(work / "tree" / f"part {number}") for number in range(2)]
    quoted = " ".join(f"'{folder}'" for folder in two)
    command = [QACACHE, "scan", "--db", str(db)]
    mine, other = in_turns(
        lambda: run([*command, *two]), lambda: run(f"find {quoted} -printf '%s %T@ %p\\n' > /dev/null"), 7
    )
    yield Row(
        "second scan of 200,000 files : find -printf", mine / other, 2.5, False, f"{mine:.2f} s", f"{other:.2f} s"
    )
    small = peak_memory_bytes([*command, two[0]])
    large = peak_memory_bytes([*command, str(work / "tree")])
    shown = f"{large / 1e6:.1f} MB", f"{small / 1e6:.1f} MB"
    yield Row("its peak memory, 1,000,000 files : 100,000", large / small, 1.1, False, *shown)
    yield Row("its peak memory, 1,000,000 files : 100 MB", large / 100e6, 1.0, False, shown[0], "100 MB")


def lookup(work: Path, db: Path) -> Iterator[Row]:
    """Look up one file, against ffprobe of one; and ten thousand, against one."""
    clip = work / "lookup.mp4"
    make_clip(clip)
    paths = sorted((work / "tree" / "part 0").rglob("*.*"))[:10_000]
    one = [QACACHE, "lookup", "--db", str(db), str(paths[0])]
    mine, other = in_turns(lambda: run(one), lambda: run([*_FFPROBE.split(), str(clip)]), 25)
    yield Row(
        "lookup of one : ffprobe of one", mine / other, 1.0, False, f"{mine * 1e3:.1f} ms", f"{other * 1e3:.1f} ms"
    )
    asked = b"".join(os.fsencode(path) + b"\n" for path in paths)
    many = [QACACHE, "lookup", "--db", str(db), "--stdin"]
    mine, other = in_turns(lambda: run(many, stdin=asked), lambda: run(one), 15)
    yield Row("lookup of 10,000 : of one", mine / other, 4.0, False, f"{mine * 1e3:.1f} ms", f"{other * 1e3:.1f} ms")


def main() -> int:
    """Measure everything; return 1 where a figure is short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--media", type=Path, help="a folder of real files to probe, instead of made clips")
    options = parser.parse_args()
    if shutil.which("ffprobe") is None:
        sys.exit("benchmarks: no ffprobe to compare with")
    rows: list[Row] = []

    def add(measured: Iterator[Row]) -> None:
        for row in measured:
            rows.append(row)
            print(row.line(), flush=True)

    with tempfile.TemporaryDirectory(prefix="qacache-bench-") as name:
        work = Path(name)
        os.environ["XDG_CONFIG_HOME"] = name
        print(HEADER, flush=True)
        folder = real_files(work, options.media)
        add(cold_scans(work, folder))
        add(memory(work, folder))
        add(slow_mount(work))
        add(busy(work))
        del os.environ["QACACHE_SCAN_EXTENSIONS"]
        for number in range(_PARTS):
            make_tree(work / "tree" / f"part {number}", _PART_FILES, number * _PART_FILES)
        db = work / "library.db"
        add(room(db, fill_store(db, [work / "tree"])))
        add(second_scan(work, db))
        add(lookup(work, db))
        add(serving(work, db))
        add(searches(work, db))
        add(backups(work, db))
        add(candidates(work))
        add(verified(work))
        add(exports(work, db))
        add(imports(work, db))
    return 0 if all(row.is_reached for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
