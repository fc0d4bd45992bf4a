"""Roots that lost too much, or are not what they were: nothing vanishes there unless somebody says so."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from qacache.errors import RootRefused
from qacache.events import Event, Failed, Unchanged, Vanished
from qacache.scan import discovery
from qacache.scan.discovery import Filters
from qacache.scan.shrink import ShrinkGuard
from qacache.store.session import Store
from tests.fakes import FakeClock
from tests.libraries import prepare_scan, scan, stored, told
from tests.media import make_file

A, B = b"/a", b"/b"


def paths(folder: bytes, count: int) -> list[bytes]:
    return [b"%s/%05d.mp4" % (folder, number) for number in range(count)]


class Guarded:
    """A guard with what it refused."""

    def __init__(self, usual: dict[bytes, int], found: dict[bytes, int], **options: Any) -> None:
        self.refused: list[bytes] = []
        self._guard = ShrinkGuard(
            usual,
            Counter(found),
            max_share=0.5,
            refuse=lambda root, why: self.refused.append(root),
            **options,
        )

    def __call__(self, *items: Event) -> list[Event]:
        return list(self._guard.hold_back(items, [A, B]))  # type: ignore[arg-type]


def test_what_vanished_comes_at_the_end_of_its_root() -> None:
    there, gone, next_root = Unchanged([b"/a/2"]), Vanished(b"/a/1"), Unchanged([b"/b/1"])
    assert Guarded({A: 2}, {A: 1})(gone, there, next_root) == [there, gone, next_root]


def test_where_too_much_is_missing_nothing_vanishes() -> None:
    guard = Guarded({A: 100}, {A: 40})
    [failed] = guard(*map(Vanished, paths(A, 60)))
    assert isinstance(failed, Failed)
    assert (failed.path, failed.failure.stage, failed.failure.reason) == (A, "list", "shrunken")
    assert "100" in failed.failure.message
    assert "40" in failed.failure.message
    assert guard.refused == [A]


def test_half_of_the_files_may_go() -> None:
    gone = [Vanished(path) for path in paths(A, 50)]
    assert Guarded({A: 100}, {A: 50})(*gone) == gone


def test_a_few_files_may_always_go() -> None:
    gone = [Vanished(path) for path in paths(A, 10)]
    assert Guarded({A: 10}, {A: 0})(*gone) == gone


def test_files_that_came_in_the_place_of_others_make_up_for_them() -> None:
    gone = [Vanished(path) for path in paths(A, 100)]
    assert Guarded({A: 100}, {A: 100})(*gone) == gone


def test_files_that_could_not_be_looked_at_are_not_missing() -> None:
    assert Guarded({A: 100}, {A: 0})(Vanished(b"/a/1")) == [Vanished(b"/a/1")]


def test_one_root_that_shrank_is_no_reason_to_distrust_the_next() -> None:
    guard = Guarded({A: 100, B: 100}, {A: 0, B: 99})
    outcomes = guard(*map(Vanished, paths(A, 100)), Vanished(b"/b/1"))
    assert [type(outcome) for outcome in outcomes] == [Failed, Vanished]
    assert guard.refused == [A]


def test_a_root_that_was_never_scanned_has_no_usual_size() -> None:
    gone = [Vanished(path) for path in paths(A, 100)]
    assert Guarded({}, {A: 0})(*gone) == gone


def test_what_was_held_back_when_the_walk_was_stopped_is_not_told() -> None:
    assert Guarded({A: 100}, {A: 99}, is_over=lambda root: True)(Vanished(b"/a/1")) == []


def test_names_of_any_bytes_and_number_are_held_back() -> None:
    gone = [Vanished(b"/a/\n\0\xff%07d" % number + b"x" * 200) for number in range(30_000)]
    assert Guarded({A: 10**6}, {A: 10**6})(*gone) == gone


# in a scan


@pytest.fixture
def films(store: Store, library: Path) -> Path:
    """A library of thirty films that the store knows."""
    for number in range(30):
        make_file(library / f"{number % 3}" / f"{number}.mp4", b"film %d" % number)
    scan(store, library)
    return library


def statuses(store: Store) -> Counter[str]:
    return Counter(row.status for row in stored(store))


def test_a_scan_of_a_root_that_lost_most_files_leaves_them_as_they_are(store: Store, films: Path) -> None:
    shutil.rmtree(films / "0")
    shutil.rmtree(films / "1")
    with pytest.raises(RootRefused, match=r"lost too many files: .*30 files were here.* 10 are left") as refused:
        scan(store, films)
    assert "--accept-shrink" in (refused.value.hint or "")
    assert statuses(store) == {"ok": 30}


def test_other_roots_are_scanned_to_their_end(store: Store, films: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_file(other / "new.mp4", b"new")
    shutil.rmtree(films / "0")
    shutil.rmtree(films / "1")
    with pytest.raises(RootRefused):
        scan(store, films, other)
    assert statuses(store) == {"ok": 31}


def test_of_a_root_that_lost_most_files_and_is_then_unmounted_none_vanishes(
    store: Store, films: Path, tmp_path: Path
) -> None:
    gone = make_file(tmp_path / "before" / "gone.mp4", b"gone")
    make_file(tmp_path / "before" / "other.mp4", b"other")
    scan(store, tmp_path / "before")
    gone.unlink()
    shutil.rmtree(films / "0")
    shutil.rmtree(films / "1")
    events = prepare_scan(store, clock=FakeClock(step_s=2)).events(
        [os.fsencode(tmp_path / "before"), os.fsencode(films)]
    )

    # told once the first file of the other root was missed
    assert next(event for event in events if isinstance(event, Vanished)).path == os.fsencode(gone)
    films.rename(tmp_path / "unmounted")
    films.mkdir()
    assert [event for event in events if isinstance(event, Vanished)] == []

    assert statuses(store) == {"ok": 31, "vanished": 1}


def test_a_dry_run_tells_of_the_loss_too(store: Store, films: Path) -> None:
    shutil.rmtree(films / "0")
    shutil.rmtree(films / "1")
    with pytest.raises(RootRefused):
        scan(store, films, dry_run=True)


def test_a_folder_that_could_not_be_listed_is_no_new_measure(
    store: Store, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_folder = discovery._list_folder

    def fail(folder: bytes, filters: Filters) -> discovery.Listing:
        if folder.endswith((b"/0", b"/1")):
            raise OSError(errno.EACCES, "Permission denied")
        return list_folder(folder, filters)

    with monkeypatch.context() as patched:
        patched.setattr(discovery, "_list_folder", fail)
        scan(store, films)
    for name in ("0", "1"):
        shutil.rmtree(films / name)
        (films / name).mkdir()
    with pytest.raises(RootRefused):
        scan(store, films)
    assert statuses(store) == {"ok": 30}


def test_the_loss_is_believed_where_it_is_accepted(store: Store, films: Path) -> None:
    shutil.rmtree(films / "0")
    shutil.rmtree(films / "1")
    scan(store, films, accept_shrink=True)
    assert statuses(store) == {"ok": 10, "vanished": 20}
    assert set(told(scan(store, films)).values()) == {"unchanged"}


def test_how_much_may_be_lost_can_be_chosen(store: Store, films: Path) -> None:
    shutil.rmtree(films / "0")
    shutil.rmtree(films / "1")
    scan(store, films, max_shrink=0.7)
    assert statuses(store) == {"ok": 10, "vanished": 20}


def test_a_library_whose_folders_were_all_renamed_lost_nothing(store: Store, films: Path) -> None:
    for folder in list(films.iterdir()):
        folder.rename(films / f"renamed {folder.name}")
    scan(store, films)
    assert statuses(store) == {"ok": 30, "vanished": 30}


def test_another_folder_in_the_place_of_a_root_is_refused(store: Store, films: Path) -> None:
    films.rename(films.with_name("away"))
    make_file(films / "other.mp4", b"other")
    with pytest.raises(RootRefused, match=r"not what it was: .*30 files") as refused:
        scan(store, films)
    assert "--accept-shrink" in (refused.value.hint or "")
    assert statuses(store) == {"ok": 30}
    scan(store, films, accept_shrink=True)
    assert statuses(store) == {"ok": 1, "vanished": 30}


def test_the_same_files_in_another_folder_are_the_same_library(store: Store, films: Path) -> None:
    away = films.with_name("away")
    films.rename(away)
    shutil.copytree(away, films)
    assert os.stat(films).st_ino != os.stat(away).st_ino
    assert set(told(scan(store, films)).values()) == {"unchanged"}
