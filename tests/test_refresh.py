"""Refreshing: named files are looked into, whatever is stored of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qacache.events import Event, Failed, Waiting
from qacache.scan.crew import Crew
from qacache.scan.refresh import Refresh
from qacache.store.session import Store
from tests.fakes import FakeClock, FakeProber
from tests.libraries import MP4, contents, scan, sources, stored, told
from tests.media import make_file


def prepare_refresh(store: Store, prober: FakeProber | None = None, **options: Any) -> Refresh:
    return Refresh(store, Crew(prober or FakeProber()), MP4, **options)


def refresh(store: Store, *paths: Path, prober: FakeProber | None = None, **options: Any) -> list[Event]:
    events = prepare_refresh(store, prober, **options).events([os.fsencode(path) for path in paths])
    return [event for event in events if not isinstance(event, Waiting)]


def test_an_unchanged_file_is_probed_again(store: Store, library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    make_file(library / "y.mp4", b"another")
    scan(store, library)
    prober = FakeProber(version="fake 2")

    assert told(refresh(store, path, prober=prober)) == {"x.mp4": "probed"}
    assert [record.prober for record in stored(store)] == ["fake 2", "fake 1"]


def test_a_file_that_failed_is_probed_before_it_is_due(store: Store, library: Path) -> None:
    path = make_file(library / "x.mp4", b"broken")
    scan(store, library)

    assert told(refresh(store, path)) == {"x.mp4": "failed"}
    error = stored(store)[0].error
    assert error is not None
    assert error.attempts == 2


def test_a_folder_stands_for_the_videos_below_it(store: Store, library: Path) -> None:
    make_file(library / "a.mp4", b"A")
    make_file(library / "folder" / "b.mp4", b"B")
    make_file(library / "folder" / "notes.txt", b"C")

    assert told(refresh(store, library)) == {"a.mp4": "probed", "b.mp4": "probed"}


def test_a_named_file_may_have_any_extension(store: Store, library: Path) -> None:
    path = make_file(library / "recording.bin", b"content")

    assert told(refresh(store, path)) == {"recording.bin": "probed"}


def test_a_missing_file_is_told_and_its_row_stays(store: Store, library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    scan(store, library)
    path.unlink()

    (failed,) = refresh(store, path)

    assert isinstance(failed, Failed)
    assert (failed.failure.stage, failed.failure.reason) == ("stat", "not-found")
    assert contents(store) == {"x.mp4": ("ok", "content")}


def test_what_is_neither_file_nor_folder_is_a_failure(store: Store, library: Path) -> None:
    os.mkfifo(library / "x.mp4")

    (failed,) = refresh(store, library / "x.mp4")

    assert isinstance(failed, Failed)
    assert failed.failure.reason == "not-a-file"


def test_a_vanished_file_that_is_named_is_there_again(store: Store, library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    make_file(library / "y.mp4", b"another")
    scan(store, library)
    path.rename(library / "away")
    scan(store, library)
    (library / "away").rename(path)

    refresh(store, path)

    assert contents(store)["x.mp4"] == ("ok", "content")


def test_with_reuse_known_content_is_not_probed(store: Store, library: Path) -> None:
    make_file(library / "old.mp4", b"content")
    scan(store, library)
    path = make_file(library / "new.mp4", b"content")
    prober = FakeProber()

    assert sources(refresh(store, path, prober=prober, reuse=True)) == {"new.mp4": "old.mp4"}
    assert prober.paths == []


def test_without_reuse_it_is(store: Store, library: Path) -> None:
    make_file(library / "old.mp4", b"content")
    scan(store, library)

    assert told(refresh(store, make_file(library / "new.mp4", b"content"))) == {"new.mp4": "probed"}


def test_the_summary_counts_what_came_of_it(store: Store, library: Path) -> None:
    good, bad = make_file(library / "good.mp4", b"content"), make_file(library / "bad.mp4", b"broken")
    run = prepare_refresh(store)

    list(run.events([os.fsencode(good), os.fsencode(bad), os.fsencode(library / "none.mp4")]))

    summary = run.summary
    assert (summary.found, summary.probed, summary.failed, summary.state) == (3, 1, 2, "complete")
    assert run.slowest() is None


def test_stopping_stores_what_is_finished(store: Store, library: Path) -> None:
    paths = [os.fsencode(make_file(library / f"{i}.mp4", b"%d" % i)) for i in range(50)]
    run = prepare_refresh(store, clock=FakeClock(step_s=2))
    events = []

    for event in run.events(paths):
        events.append(event)
        run.stop()

    assert run.summary.state == "interrupted"
    assert len(stored(store)) == len(told(event for event in events if not isinstance(event, Waiting))) < 50
