"""The pipeline as a whole: which roots it takes, how scans end, and what the journal says of them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qacache.errors import RootRefused, StoreFull, StoreLocked
from qacache.events import Event, Failed, Unchanged, Vanished, Waiting
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.fakes import FakeClock, FakeProber
from tests.libraries import contents, prepare_scan, scan, stored, told
from tests.media import make_file


class FailingStore:
    """A store whose `fails_at`th batch finds the disk full."""

    def __init__(self, store: Store, fails_at: int) -> None:
        self.reader = store.reader
        self.scanning = store.scanning
        self.writer = SimpleNamespace(
            write=self._write,
            begin_scan=store.writer.begin_scan,
            end_scan=store.writer.end_scan,
            end_root=store.writer.end_root,
            displaced_path=store.writer.displaced_path,
        )
        self._store = store
        self._left = fails_at

    def _write(self, events: Sequence[Event]) -> None:
        self._left -= bool(events)
        if self._left == 0:
            raise StoreFull("no space left")
        self._store.writer.write(events)


def journal(store: Store) -> list[tuple[Any, ...]]:
    """State and summary of each scan."""
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute("SELECT state, summary FROM scans ORDER BY id").fetchall()


def states(store: Store) -> list[str]:
    return [state for state, _ in journal(store)]


class TestRoots:
    def test_a_missing_root_is_refused_after_the_others_were_scanned(self, store: Store, library: Path) -> None:
        make_file(library / "x.mp4", b"content")
        run = prepare_scan(store)
        events: list[Event] = []

        with pytest.raises(RootRefused, match="root is missing"):
            events.extend(run.events([os.fsencode(library / "none"), os.fsencode(library)]))

        assert told(events) == {"x.mp4": "probed"}
        assert contents(store) == {"x.mp4": ("ok", "content")}
        assert len(run.summary.refused) == 1
        ((state, summary),) = journal(store)
        assert (state, json.loads(summary)["refused"]) == ("complete", run.summary.refused)

    def test_an_empty_root_of_known_files_is_refused_and_they_stay(self, store: Store, library: Path) -> None:
        path = make_file(library / "x.mp4", b"content")
        scan(store, library)
        path.unlink()

        with pytest.raises(RootRefused, match="root is empty"):
            scan(store, library)

        assert contents(store) == {"x.mp4": ("ok", "content")}
        assert states(store) == ["complete", "failed"]
        assert json.loads(journal(store)[1][1])["refused"] == [
            f"root is empty, but the store knows files in it: {library}"
        ]

    def test_a_refused_dry_run_leaves_no_trace(self, store: Store, library: Path) -> None:
        with pytest.raises(RootRefused):
            scan(store, library / "none", dry_run=True)

        assert states(store) == []

    def test_roots_are_refused_while_another_scan_runs(self, store: Store, library: Path) -> None:
        with store.scanning(), pytest.raises(RootRefused, match="root is missing"):
            scan(store, library / "none")

        assert states(store) == []

    def test_an_empty_root_is_believed_where_shrinking_is_accepted(self, store: Store, library: Path) -> None:
        path = make_file(library / "x.mp4", b"content")
        scan(store, library)
        path.unlink()

        assert scan(store, library, accept_shrink=True) == [Vanished(os.fsencode(path))]
        assert scan(store, library) == []

    def test_a_root_that_is_unmounted_while_another_is_scanned_loses_nothing(
        self, store: Store, library: Path, tmp_path: Path
    ) -> None:
        first, second = library / "first", library / "second"
        for root in (first, second):
            make_file(root / "x.mp4", root.name.encode())
        scan(store, first, second)
        make_file(first / "new.mp4", b"new")
        run = prepare_scan(store)
        events = run.events([os.fsencode(first), os.fsencode(second)])
        next(event for event in events if not isinstance(event, Waiting))
        second.rename(tmp_path / "elsewhere")
        second.mkdir()

        rest = list(events)

        assert [event.failure.reason for event in rest if isinstance(event, Failed)] == ["mount-gone"]
        assert {record.status for record in stored(store)} == {"ok"}
        assert run.summary.incomplete == [str(second)]
        assert json.loads(journal(store)[-1][1])["incomplete"] == [str(second)]

    def test_a_refused_root_inside_another_keeps_its_files(self, store: Store, library: Path) -> None:
        inner = library / "nas"
        path = make_file(inner / "x.mp4", b"content")
        make_file(library / "y.mp4", b"other")
        scan(store, library, inner)
        scan(store, inner)
        path.unlink()
        events: list[Event] = []

        with pytest.raises(RootRefused, match="nas"):
            events.extend(prepare_scan(store).events([os.fsencode(library)]))

        assert contents(store)["x.mp4"] == ("ok", "content")
        assert Vanished(os.fsencode(path)) in scan(store, library, accept_shrink=True)
        assert told(scan(store, library)) == {"y.mp4": "unchanged"}

    def test_a_folder_by_two_names_is_scanned_once(self, store: Store, library: Path, tmp_path: Path) -> None:
        make_file(library / "x.mp4", b"content")
        (tmp_path / "link").symlink_to(library)

        assert len(scan(store, library, tmp_path / "link", library / ".")) == 1

    def test_a_complete_scan_is_noted_with_the_number_of_its_files(
        self, store: Store, library: Path, tmp_path: Path
    ) -> None:
        make_file(library / "x.mp4", b"content")
        (library / "y.mp4").symlink_to("nothing")
        make_file(tmp_path / "library2" / "z.mp4", b"Z")

        scan(store, library, tmp_path / "library2")

        assert [(root.path, root.file_count) for root in store.reader.roots()] == [
            (os.fsencode(library), 2),
            (os.fsencode(tmp_path / "library2"), 1),
        ]


class TestJournal:
    def test_a_scan_that_ran_to_its_end_is_complete(self, store: Store, library: Path) -> None:
        make_file(library / "x.mp4", b"content")

        scan(store, library)

        ((state, summary),) = journal(store)
        assert state == "complete"
        assert '"probed": 1' in summary

    def test_a_scan_whose_events_are_closed_is_interrupted(self, store: Store, library: Path) -> None:
        make_file(library / "x.mp4", b"content")
        events = prepare_scan(store).events([os.fsencode(library)])
        next(events)

        events.close()

        assert states(store) == ["interrupted"]
        assert store.reader.roots() == []

    def test_a_scan_that_is_stopped_is_interrupted(self, store: Store, library: Path) -> None:
        make_file(library / "x.mp4", b"content")
        run = prepare_scan(store)

        for _ in run.events([os.fsencode(library)]):
            run.stop()

        assert run.summary.state == "interrupted"
        assert states(store) == ["interrupted"]
        assert store.reader.roots() == []

    def test_a_scan_that_meets_an_error_failed(self, store: Store, library: Path) -> None:
        make_file(library / "x.mp4", b"content")
        prober = FakeProber()
        prober.on_probe = lambda _: shutil.rmtree(library / "none")

        with pytest.raises(FileNotFoundError):
            scan(store, library, prober=prober)

        assert states(store) == ["failed"]

    def test_a_scan_whose_process_died_counts_as_interrupted(self, store: Store, library: Path) -> None:
        store.writer.begin_scan([os.fsencode(library)])

        scan(store, library)

        assert states(store) == ["interrupted", "complete"]


def test_of_two_scans_at_once_the_second_is_refused(store: Store, library: Path) -> None:
    make_file(library / "x.mp4", b"content")
    events = prepare_scan(store).events([os.fsencode(library)])
    next(events)

    with (
        Store(store.path, retries=RetrySchedule(60, 3600)) as other,
        pytest.raises(StoreLocked, match=r"pid \d+ \(qacache scan\)"),
    ):
        scan(other, library)

    assert list(events) == []
    assert states(store) == ["complete"]


def test_a_full_disk_ends_the_scan_with_what_was_stored_before(store: Store, library: Path) -> None:
    for number in range(5):
        make_file(library / f"{number}.mp4", b"content %d" % number)
    failing: Any = FailingStore(store, fails_at=3)
    run = prepare_scan(failing, clock=FakeClock(step_s=2))
    events: list[Event] = []

    with pytest.raises(StoreFull):
        events.extend(run.events([os.fsencode(library)]))

    assert len(stored(store)) == len(events) == run.summary.probed == 2
    assert states(store) == ["failed"]
    assert len(told(scan(store, library))) == 5


def test_a_full_disk_while_the_events_are_closed_is_told(store: Store, library: Path) -> None:
    folders = [library / "a", library / "b"]
    gone, there = make_file(folders[0] / "1.mp4", b"1"), make_file(folders[1] / "2.mp4", b"2")
    make_file(folders[0] / "0.mp4", b"0")
    scan(store, *folders)
    gone.unlink()
    failing: Any = FailingStore(store, fails_at=1)
    events = prepare_scan(failing, clock=FakeClock()).events([os.fsencode(folder) for folder in folders])
    next(events)
    assert next(events) == Unchanged([os.fsencode(there)])

    with pytest.raises(StoreFull):
        events.close()

    assert states(store) == ["complete", "failed"]
