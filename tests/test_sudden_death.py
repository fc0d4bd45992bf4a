"""SIGKILL at any moment of a scan: what was committed stays, and the next scan brings the rest.

Slow, and so marked; `QACACHE_DEATHS` sets another number of deaths.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.command import Command
from tests.media import make_clip, make_copy, make_file, make_text

DEATHS = int(os.environ.get("QACACHE_DEATHS", "100"))
FILES = 40
LATEST_S = 0.9


@pytest.fixture
def films(library: Path) -> Path:
    """A library of forty videos of other content each, and of two that are none."""
    clip = make_clip(library / "0.mkv").read_bytes()
    for number in range(1, FILES):
        make_file(library / f"{number % 5}" / f"{number}.mkv", clip + number.to_bytes(8, "big"))
    make_text(library / "text.mkv")
    make_copy(library / "copy.mkv", library / "0.mkv")
    return library


def rows(qacache: Command) -> dict[bytes, tuple[Any, ...]]:
    """The files of the store by path: status, digest and whether there is media; the store is sound."""
    with closing(sqlite3.connect(qacache.db)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        query = (
            "SELECT path, status, digest, media.file_id IS NULL FROM file LEFT JOIN media ON media.file_id = file.id"
        )
        return {path: tuple(rest) for path, *rest in connection.execute(query)}


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["libav", "ffprobe"])
def test_scans_that_are_killed_lose_nothing_that_was_stored(qacache: Command, films: Path, engine: str) -> None:
    options = ("--force", "--settle=0", f"--engine={engine}", films)
    ffprobe = {"QACACHE_FFPROBE_PATH": shutil.which("ffprobe") or pytest.skip("no ffprobe is installed")}
    qacache("scan", *options, "--db", qacache.home / "clean.db", **ffprobe)
    chance = random.Random(engine)
    known: dict[bytes, tuple[Any, ...]] = {}
    for _ in range(DEATHS):
        running = qacache.start("scan", *options, **ffprobe)
        with closing(running.stdout), closing(running.stderr):  # type: ignore[type-var]
            # in the midst of it, or before it has even begun
            time.sleep(chance.uniform(0, LATEST_S))
            running.send_signal(signal.SIGKILL)
            running.wait(60)
        if qacache.db.exists() and qacache("migrate", "--check").status == 0:
            now = rows(qacache)
            assert known.items() <= now.items()
            known = now

    assert qacache("scan", *options, **ffprobe).status == 3
    killed, qacache.db = rows(qacache), qacache.home / "clean.db"
    assert killed == rows(qacache)
    assert len(killed) == FILES + 2
