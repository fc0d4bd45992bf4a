"""Libraries to measure on: real clips, and trees of a million files without content that the store knows."""

from __future__ import annotations

import os
import random
import time
from itertools import chain, islice
from typing import TYPE_CHECKING

from benchmarks.varied import name_of, probe_of, size_of
from qacache.config.sections import EXTENSIONS
from qacache.events import Probed
from qacache.models import FileStat
from qacache.scan.discovery import Filters, discover
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.media import make_clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_FOLDER_FILES = 200
_BATCH = 2000
_HOUR_NS = 3600 * 10**9
_OLDEST_NS = 10 * 365 * 24 * _HOUR_NS


def make_clips(folder: Path, count: int) -> None:
    """Make `count` short real clips of several containers, each of other content."""
    suffixes = ("mp4", "mkv", "mov", "ts", "avi", "webm")
    for number in range(count):
        name = folder / f"{number % 10}" / f"clip {number}.{suffixes[number % len(suffixes)]}"
        name.parent.mkdir(parents=True, exist_ok=True)
        make_clip(name, shade=number % 250, tags={"title": f"clip {number}"})


def make_tree(folder: Path, count: int, first: int = 0) -> None:
    """Make `count` files of many kinds, numbered from `first`, 200 a folder, up to ten years old.

    They are as large as videos, but have holes where these have content, and so take no space.
    """
    chance = random.Random(first)
    now_ns = time.time_ns()
    for start in range(0, count, _FOLDER_FILES):
        inner = folder / f"Series {start // 10_000:04}" / f"Season {start // _FOLDER_FILES:05}"
        inner.mkdir(parents=True)
        for number in range(start, min(start + _FOLDER_FILES, count)):
            name = name_of(first + number)
            descriptor = os.open(inner / name, os.O_CREAT | os.O_WRONLY)
            os.truncate(descriptor, size_of(name))
            # more young ones than old ones
            written_ns = now_ns - _HOUR_NS - int(chance.random() ** 2 * _OLDEST_NS)
            os.utime(descriptor, ns=(written_ns, written_ns))
            os.close(descriptor)


def fill_store(path: Path, roots: Sequence[Path]) -> int:
    """Write a row for each file below `roots`, through the store; return how many."""
    return write_rows(path, _events(roots))


def write_rows(path: Path, events: Iterator[Probed]) -> int:
    """Write a row for each event, through the store, which is made if need be; return how many."""
    rows = 0
    with Store(str(path), retries=RetrySchedule(3600, 86400), create=True) as store:
        while batch := list(islice(events, _BATCH)):
            store.writer.write(batch)
            rows += len(batch)
    return rows


def _events(roots: Sequence[Path]) -> Iterator[Probed]:
    chance = random.Random(7)
    for run in chain.from_iterable(discover(os.fsencode(root), Filters(EXTENSIONS)) for root in roots):
        assert isinstance(run, list), run
        for path, stat in run:
            yield Probed(FileStat.of(path, stat), chance.randbytes(16), probe_of(path, stat.st_size))
