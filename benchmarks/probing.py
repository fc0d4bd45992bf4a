"""How fast files are probed, against those who do it a process a file; and what that takes of memory."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.library import make_clips
from benchmarks.measure import QACACHE, Row, medians, run, tree_memory_bytes
from qacache.probe.formats import ALLOWED_FORMATS, ALLOWED_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CLIPS = 900
_TIMES = 3
_MANY = 20_000
_THOUSAND = 1_000
_SAMPLE = 50
_MOST_BYTES = 400e6
# with the formats that qacache allows, as there are playlists that hang it for good without
_FFPROBE = (
    "ffprobe -v error -show_format -show_streams -of json "
    f"-format_whitelist {ALLOWED_FORMATS} -protocol_whitelist {ALLOWED_PROTOCOLS}"
)
_COLD_SCANS = (
    ("libav", "xargs ffprobe", 12.0),
    ("auto", "xargs ffprobe", 1.0),
    ("ffprobe", "xargs ffprobe", 0.95),
    ("libav", "xargs exiftool", 1.0),
)


def real_files(work: Path, media: Path | None) -> Path:
    """Return a folder of real files, all of which qacache is told to take: `media`, or clips made for it."""
    folder = media or work / "clips"
    if media is None:
        make_clips(folder, _CLIPS)
    suffixes = {path.suffix.lower() for path in folder.rglob("*.?*") if path.is_file()}
    os.environ["QACACHE_SCAN_EXTENSIONS"] = ",".join(sorted(suffix[1:] for suffix in suffixes if suffix[1:]))
    return folder


def cold_scans(work: Path, folder: Path) -> Iterator[Row]:
    """Scan real files into a new store with each engine, against ffprobe and exiftool run by xargs."""
    found = f"find {shlex.quote(str(folder))} -type f -name '*.?*' -print0 | xargs -0 -P$(nproc)"
    # 123: xargs says that a file was refused
    runs: dict[str, Callable[[], float]] = {
        "xargs ffprobe": lambda: run(f"{found} -n1 {_FFPROBE}", statuses=(0, 123)),
        "xargs exiftool": lambda: run(f"{found} -n100 exiftool -fast2 -json", statuses=(0, 123)),
        **{engine: _scan(work, engine, folder) for engine in ("libav", "auto", "ffprobe")},
    }
    if shutil.which("exiftool") is None:
        del runs["xargs exiftool"]
    seconds = dict(zip(runs, medians([*runs.values()], _TIMES), strict=True))
    for engine, rival, limit in _COLD_SCANS:
        if rival in seconds:
            mine, other = seconds[engine], seconds[rival]
            name = f"cold scan, files/s, engine {engine} : {rival}"
            yield Row(name, other / mine, limit, True, f"{mine:.2f} s", f"{other:.2f} s")


def memory(work: Path, folder: Path) -> Iterator[Row]:
    """Scan 20,000 files, and look at what qacache and the children in which libav runs hold together."""
    _make_many(work / "many", folder)
    command = [QACACHE, "scan", "--json", "--engine", "libav", "--db", str(work / "many.db"), "--settle", "0"]
    held = []
    with subprocess.Popen([*command, str(work / "many")], stdout=subprocess.PIPE, bufsize=1 << 20) as scan:
        assert scan.stdout is not None
        for number, _ in enumerate(scan.stdout):
            if number % _SAMPLE == 0:
                held.append(tree_memory_bytes(scan.pid))
    if scan.returncode not in (0, 3):
        raise SystemExit(f"the scan of {_MANY} files ended with {scan.returncode}")
    shutil.rmtree(work / "many")
    # medians, as one large picture takes much for a moment; the last look was at a process that was ending
    samples = _THOUSAND // _SAMPLE
    early, late, most = median(held[samples : 2 * samples]), median(held[-samples - 1 : -1]), max(held)
    name = "memory with children, files 19,000+ : 1,000 to 2,000"
    yield Row(name, late / early, 1.1, False, f"{late / 1e6:.0f} MB", f"{early / 1e6:.0f} MB")
    yield Row("its peak, 20,000 files : 400 MB", most / _MOST_BYTES, 1.0, False, f"{most / 1e6:.0f} MB", "400 MB")


def _make_many(target: Path, folder: Path) -> None:
    """Make 20,000 files of other content each, of those in `folder` and eight bytes behind them."""
    sources = [path for path in sorted(folder.rglob("*.?*")) if path.is_file()]
    for number, source in enumerate(islice(cycle(sources), _MANY)):
        path = target / f"{number // 200}" / f"{number}{source.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes() + number.to_bytes(8, "big"))


def _scan(work: Path, engine: str, folder: Path) -> Callable[[], float]:
    db = work / "cold.db"

    def scan() -> float:
        for path in work.glob("cold.db*"):
            path.unlink()
        command = [QACACHE, "scan", "--engine", engine, "--db", str(db), "--settle", "0", str(folder)]
        return run(command, statuses=(0, 3))

    return scan
