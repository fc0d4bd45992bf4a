"""How well the latency of a slow mount is hidden: what of the configured concurrency is made use of."""

from __future__ import annotations

import os
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING

from benchmarks.library import make_clips, make_tree
from benchmarks.measure import QACACHE, Row, run
from tests.fuse_mount import FuseMount

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DELAY_S = 0.02
_CONCURRENCY = 8
_FOLDERS = 40
_FILES = 600
_CLIPS = 50
_NAMES = 4_000


def slow_mount(work: Path) -> Iterator[Row]:
    """Scan a mount of which each call takes 20 ms: folders of empty files, and clips that are read and probed."""
    if not os.path.exists("/dev/fuse") or os.geteuid():
        return
    served, mounted, empty = work / "served", work / "mounted", work / "empty"
    _fill(work / "slow clips", served / "clips")
    make_tree(served / "names", _NAMES)
    for folder in (mounted, empty):
        folder.mkdir()
    command = [QACACHE, "scan", "--db", str(work / "slow.db"), "--settle", "0", "--jobs", str(_CONCURRENCY)]
    os.environ["QACACHE_MOUNTS"] = f'{{"{mounted}" = {{concurrency = {_CONCURRENCY}}}}}'
    start_up_s = min(run([*command, str(empty)]) for _ in range(3))
    with FuseMount(mounted, served, delay_s=_DELAY_S) as mount:
        for what, arguments in (("listing", ["--dry-run", "names"]), ("listing to probing", ["clips"])):
            mount.busy_s = 0.0
            began = time.perf_counter()
            run([*command, *arguments[:-1], str(mounted / arguments[-1])])
            took_s = time.perf_counter() - began - start_up_s
            allowed_s = mount.busy_s / _CONCURRENCY
            name = f"{what}, 20 ms a call : 8 calls at a time"
            yield Row(name, allowed_s / took_s, 0.8, True, f"{took_s:.2f} s", f"{allowed_s:.2f} s")
        most = mount.most_at_a_time
        yield Row("calls at a time : the concurrency set", most / _CONCURRENCY, 1.0, False, f"{most}", "8")
    del os.environ["QACACHE_MOUNTS"]


def _fill(clips: Path, served: Path) -> None:
    """Put many files of different content into `served`."""
    make_clips(clips, _CLIPS)
    for number, clip in enumerate(islice(cycle(sorted(clips.rglob("*.*"))), _FILES)):
        folder = served / f"{number % _FOLDERS:02}"
        folder.mkdir(parents=True, exist_ok=True)
        # what is behind the end of the streams tells the copies apart
        (folder / f"{number}{clip.suffix}").write_bytes(clip.read_bytes() + b"%d" % number)
