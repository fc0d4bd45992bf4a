"""Large libraries: what is moved as a whole, and who reads slowly."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from qacache.events import Probed
from qacache.store.session import Store
from tests.fakes import FakeProber
from tests.libraries import prepare_scan, scan, stored
from tests.media import make_file

MANY = 50_000
BATCH = 500
RUN = 1_000


def fill(folder: Path, count: int) -> None:
    for number in range(count):
        make_file(folder / f"{number // 500}" / f"{number}.mp4", b"content %d" % number)


@pytest.mark.slow
def test_files_that_were_renamed_by_moving_their_top_folder_are_not_probed(store: Store, library: Path) -> None:
    fill(library / "Movies", MANY)
    scan(store, library)
    first_seen = {record.digest: record.first_seen_ms for record in stored(store)}
    (library / "Movies").rename(library / "Films")
    prober = FakeProber()
    run = prepare_scan(store, prober)

    with closing(run.events([os.fsencode(library)])) as events:
        for _ in events:
            pass

    assert prober.paths == []
    assert run.summary.changes == {"moved": MANY}
    there = [record for record in stored(store) if record.status == "ok"]
    assert len(there) == MANY
    assert {record.digest: record.first_seen_ms for record in there} == first_seen


def test_who_reads_slowly_is_not_read_ahead_of_without_bounds(store: Store, library: Path) -> None:
    fill(library, 4_000)
    prober = FakeProber()
    run = prepare_scan(store, prober, jobs=2)
    window = 2 * 2 + 2 * 2 + 2

    with closing(run.events([os.fsencode(library)])) as events:
        read = 0
        while read < 1_200:
            read += isinstance(next(events), Probed)
            # what is read comes in batches; beyond them, only what is in the hands of the threads was begun
            assert len(prober.paths) <= read + BATCH + window
            assert run.summary.found <= len(prober.paths) + window + RUN
