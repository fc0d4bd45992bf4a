"""Budgets of real mounts: never is more asked of one at a time than they allow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qacache.scan.crew import Crew
from qacache.scan.mounts import Limits, Mounts
from qacache.scan.pipeline import Scan, ScanOptions
from qacache.scan.refresh import Refresh
from qacache.store.session import Store
from tests.fakes import FakeProber
from tests.fuse_mount import FuseMount
from tests.libraries import MP4, scan, told
from tests.media import make_file

FILES = 60


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[FuseMount]:
    served, mounted = tmp_path / "served", tmp_path / "mounted"
    mounted.mkdir()
    for number in range(FILES):
        make_file(served / f"{number % 4}" / f"{number % 3}" / f"{number}.mp4", b"content %d" % number)
    try:
        mount = FuseMount(mounted, served, delay_s=0.001)
    except OSError as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    with mount:
        yield mount


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_is_asked_at_a_time_than_the_limits_of_a_mount_allow(
    store: Store, mount: FuseMount, concurrency: int
) -> None:
    limits = {os.fsencode(mount.folder): Limits(concurrency)}

    first = told(scan(store, mount.folder, limits=limits, jobs=8))
    second = told(scan(store, mount.folder, limits=limits, jobs=8))

    assert (set(first.values()), set(second.values())) == ({"probed"}, {"unchanged"})
    assert len(first) == len(second) == FILES
    assert mount.most_at_a_time == concurrency


def test_a_network_mount_is_treated_gently_unless_told_otherwise(store: Store, mount: FuseMount) -> None:
    scan(store, mount.folder, network_concurrency=2, jobs=8)

    assert mount.most_at_a_time == 2


def test_limits_of_a_folder_on_it_hold_for_what_is_below(store: Store, mount: FuseMount) -> None:
    inner = mount.folder / "1"

    scan(store, inner, limits={os.fsencode(inner): Limits(concurrency=1)}, network_concurrency=5, jobs=8)

    assert mount.most_at_a_time == 1


def test_probing_files_that_are_named_keeps_to_the_limits_too(store: Store, mount: FuseMount) -> None:
    mounts = Mounts({os.fsencode(mount.folder): Limits(concurrency=2)})
    refresh = Refresh(store, Crew(FakeProber(), mounts, jobs=8), MP4)

    events = told(refresh.events([os.fsencode(mount.folder)]))

    assert len(events) == FILES
    assert mount.most_at_a_time == 2


def test_two_roots_on_one_mount_share_its_budget(store: Store, mount: FuseMount) -> None:
    crew = Crew(FakeProber(), Mounts(network_concurrency=3), jobs=8)
    run = Scan(store, crew, ScanOptions(filters=MP4))

    list(run.events([os.fsencode(mount.folder / name) for name in "013"]))

    assert run.summary.found == FILES - FILES // 4
    assert mount.most_at_a_time == 3
