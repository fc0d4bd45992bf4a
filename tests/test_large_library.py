"""Large libraries: what is moved as a whole, and who reads slowly."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import pytest

from qacache.events import Failed, Probed, Waiting
from qacache.scan import discovery, places
from qacache.scan.discovery import Run
from qacache.store.session import Store
from tests.fakes import FakeClock, FakeProber
from tests.libraries import paths_of, prepare_scan, scan, stored
from tests.media import make_file

MANY = 50_000
FILES = 4_000
BATCH = 500
# so many files may have been looked at that nothing was done about: a run of neighbours, or what threads are given
AHEAD = 32 * 32


def fill(folder: Path, count: int, *, per_folder: int) -> None:
    for number in range(count):
        make_file(folder / f"{number // per_folder}" / f"{number}.mp4", b"content %d" % number)


@pytest.mark.slow
def test_files_that_were_renamed_by_moving_their_top_folder_are_not_probed(store: Store, library: Path) -> None:
    fill(library / "Movies", MANY, per_folder=500)
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


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each look at the disk was for, of all looks from now on."""
    look, looks = discovery._look, []

    def counting(folder: bytes, names: list[bytes], odd: frozenset[bytes]) -> list[Run | Failed]:
        looks.append(len(names))
        return look(folder, names, odd)

    monkeypatch.setattr(discovery, "_look", counting)
    return looks


@pytest.mark.parametrize("is_network", [False, True], ids=["disk", "network"])
def test_who_takes_ten_files_a_second_is_not_read_ahead_of_without_bounds(
    store: Store, library: Path, looks: list[int], monkeypatch: pytest.MonkeyPatch, is_network: bool
) -> None:
    fill(library, FILES, per_folder=FILES)
    monkeypatch.setattr(places, "is_network_type", lambda _: is_network)
    prober, clock = FakeProber(), FakeClock()
    run = prepare_scan(store, prober, clock=clock, jobs=2, network_concurrency=4)
    # what the threads have in hand, and as much again that waits for them: of digests, and of probes
    in_hand = 2 * 4 + 2 * 2

    with closing(run.events([os.fsencode(library)])) as events:
        for read in range(1_200):
            # what is read comes in batches; beyond them, only what is in hand was begun
            assert len(prober.paths) <= read + BATCH + in_hand
            assert sum(looks) <= len(prober.paths) + in_hand + AHEAD
            assert isinstance(next(event for event in events if not isinstance(event, Waiting)), Probed)
            clock.advance(0.1)


@pytest.mark.parametrize("is_network", [False, True], ids=["disk", "network"])
def test_who_reads_slowly_of_unchanged_files_is_not_read_ahead_of_without_bounds(
    store: Store, library: Path, looks: list[int], monkeypatch: pytest.MonkeyPatch, is_network: bool
) -> None:
    fill(library, FILES, per_folder=FILES)
    scan(store, library)
    looks.clear()
    monkeypatch.setattr(places, "is_network_type", lambda _: is_network)

    with closing(prepare_scan(store).events([os.fsencode(library)])) as events:
        read = 0
        for event in events:
            assert sum(looks) <= read + len(paths_of(event)) + AHEAD
            read += len(paths_of(event))

    assert read == sum(looks) == FILES
