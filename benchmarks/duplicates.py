"""Duplicates: how fast candidates are listed from a large store, and whole files are compared, against jdupes."""

from __future__ import annotations

import os
import random
import shutil
import sys
from typing import TYPE_CHECKING

from benchmarks.library import write_rows
from benchmarks.measure import QACACHE, Row, in_turns, medians, peak_memory_bytes, run
from qacache.events import Probed
from qacache.models import FileStat, MediaInfo, Probe, Stream
from qacache.scan.digest import Hashed, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_ROWS = 1_000_000
_COPIES = 0.3
_HARD_LINKS = 0.1
_KNOWN = 10_000
_CONTENT_BYTES = 2_000_000_000
_SIZES = (2_000_000, 30_000_000)
_TIMES = 7
_VIDEO = Stream(index=0, codec_type="video", codec_name="h264", width=1920, height=1080, pix_fmt="yuv420p")
_PROBE = Probe(
    MediaInfo(format_name="matroska,webm", duration_s=3600.0, width=1920, height=1080, streams=(_VIDEO,)),
    {"streams": [{"index": 0, "codec_name": "h264"}], "format": {"format_name": "matroska,webm"}},
    "libav 8.1.2",
    1,
)


def candidates(work: Path) -> Iterator[Row]:
    """List the duplicates of a store of a million files, of which 30 % are copies of others."""
    db = work / "copies.db"
    write_rows(db, _invented(_ROWS))
    command = [QACACHE, "dupes", "--db", str(db), "--json"]
    run([*command, "--limit", "20"])
    (took_s,) = medians([lambda: run([*command, "--limit", "20"])], _TIMES)
    yield Row("dupes of 1,000,000 files, 30 % copies : 2 s", took_s / 2, 1.0, False, f"{took_s:.2f} s", "2 s")
    peak = peak_memory_bytes(command)
    yield Row("its peak memory, all groups listed : 100 MB", peak / 100e6, 1.0, False, f"{peak / 1e6:.1f} MB", "100 MB")


def verified(work: Path) -> Iterator[Row]:
    """Compare 2 GB of files, of which 30 % are copies of others, against jdupes: from memory, and from the disk."""
    if shutil.which("jdupes") is None:
        print("no jdupes to compare with: nothing is said of dupes --verify", file=sys.stderr)
        return
    folder, db = work / "contents", work / "contents.db"
    _make_contents(folder)
    write_rows(db, _hashed(folder))
    for where, before in (("in memory", _nothing), ("on disk", _evict)):
        mine, other = in_turns(_verify(work, db, folder, before), _rival(folder, before), _TIMES)
        name = f"dupes --verify of 2 GB {where} : jdupes -r"
        yield Row(name, mine / other, 1.5, False, f"{mine:.2f} s", f"{other:.2f} s")
    shutil.rmtree(folder)


def _verify(work: Path, db: Path, folder: Path, before: Callable[[Path], None]) -> Callable[[], float]:
    fresh = work / "fresh.db"

    def verify() -> float:
        # nothing is remembered of an earlier run
        for path in work.glob("fresh.db*"):
            path.unlink()
        shutil.copy(db, fresh)
        before(folder)
        return run([QACACHE, "dupes", "--verify", "--db", str(fresh)])

    return verify


def _rival(folder: Path, before: Callable[[Path], None]) -> Callable[[], float]:
    def compare() -> float:
        before(folder)
        return run(["jdupes", "-r", "-q", str(folder)])

    return compare


def _nothing(_: Path) -> None:
    """Leave the files where they are: in memory."""


def _evict(folder: Path) -> None:
    """Have the system forget what it has of the files in memory."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _make_contents(folder: Path) -> None:
    chance = random.Random(5)
    folder.mkdir()
    sizes: list[int] = []
    while sum(sizes) < (1 - _COPIES) * _CONTENT_BYTES:
        sizes.append(chance.randrange(*_SIZES))
        (folder / f"{len(sizes)}.mkv").write_bytes(chance.randbytes(sizes[-1]))
    copied = 0
    for number in chance.sample(range(len(sizes)), len(sizes)):
        if copied < _COPIES * _CONTENT_BYTES:
            shutil.copyfile(folder / f"{number + 1}.mkv", folder / f"{number + 1} again.mkv")
            copied += sizes[number]
    # what is not written yet cannot be evicted
    os.sync()


def _hashed(folder: Path) -> Iterator[Probed]:
    for path in sorted(os.fsencode(path) for path in folder.iterdir()):
        hashed = digest_file(FileStat.of(path, os.stat(path)))
        assert isinstance(hashed, Hashed), hashed
        yield Probed(hashed.stat, hashed.digest, _PROBE)


def _invented(count: int) -> Iterator[Probed]:
    """Yield `count` files, 30 % with the content of an earlier one, of which some are hard links."""
    chance = random.Random(3)
    known = [(chance.randbytes(16), 10**6, -number) for number in range(_KNOWN)]
    for number in range(count):
        digest, size, inode = chance.randbytes(16), chance.randrange(10**6, 10**10), number
        some = chance.randrange(_KNOWN)
        if chance.random() < _COPIES:
            digest, size, first = known[some]
            inode = first if chance.random() < _HARD_LINKS else number
        else:
            known[some] = digest, size, inode
        path = b"/mnt/media/Series %04d/Season %05d/Episode %07d of the long series.mkv" % (
            *(number // 10_000, number // 200),
            number,
        )
        yield Probed(FileStat(path, size, 1_700_000_000 * 10**9 + number, inode, 66), digest, _PROBE)
