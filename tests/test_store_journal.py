"""The journal of changes: what came, went, moved, and was replaced."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from qacache.events import Event, Vanished
from qacache.models import RootIdentity
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import failed, probe_of, probed, reused

A, B, C, D = b"/v/a.mp4", b"/v/b.mp4", b"/v/c.mp4", b"/v/sub/d.mp4"


@pytest.fixture
def scan(writer: Writer, clock: FakeClock) -> Any:
    """A scan that finds the events given; what it returns are the numbers of changes by kind."""

    def run(*events: Event) -> dict[str, int]:
        clock.advance(60)
        scan_id = writer.begin_scan([b"/v"])
        writer.write(events)
        return writer.end_scan(scan_id, "complete", {})

    return run


def changes(path: str, scan_id: int) -> list[tuple[Any, ...]]:
    query = "SELECT kind, path, from_path, size_before, size_after FROM changes WHERE scan_id = ? ORDER BY path, kind"
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, (scan_id,)).fetchall()


def first_seen(path: str, name: bytes) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT first_seen_ms FROM file WHERE path = ?", (name,)).fetchone()[0])


def lasting(path: bytes, content: str, duration_s: float, **media: Any) -> Event:
    event = probed(path, content)
    return type(event)(event.stat, event.digest, probe_of(content, duration_s=duration_s, **media))


def test_files_that_come_are_added_and_those_that_go_are_removed(scan: Any, store_path: str) -> None:
    assert scan(probed(A, "a"), failed(B, "b")) == {"added": 2}
    assert scan(Vanished(A)) == {"removed": 1}
    assert changes(store_path, 1) == [("added", "/v/a.mp4", None, None, 1001), ("added", "/v/b.mp4", None, None, 1001)]
    assert changes(store_path, 2) == [("removed", "/v/a.mp4", None, 1001, None)]


def test_what_is_as_it_was_is_no_change(scan: Any) -> None:
    scan(probed(A, "a"), failed(B, "b"))
    assert scan(probed(A, "a", mtime_ns=5), failed(B, "b"), reused(A, "a", A)) == {}


def test_other_content_under_the_same_name_is_replaced(scan: Any, store_path: str) -> None:
    scan(lasting(A, "a", 100.0))
    assert scan(lasting(A, "longer", 200.0)) == {"replaced": 1}
    assert changes(store_path, 2) == [("replaced", "/v/a.mp4", None, 1001, 1006)]


def test_a_file_of_the_same_length_under_the_same_name_is_encoded_anew(scan: Any) -> None:
    scan(lasting(A, "a", 100.0))
    assert scan(lasting(A, "other", 100.4, video_codec="hevc")) == {"re-encoded": 1}


def test_a_failed_probe_of_other_content_is_a_replacement(scan: Any) -> None:
    scan(probed(A, "a"))
    assert scan(failed(A, "broken")) == {"replaced": 1}


@pytest.mark.parametrize("order", [1, -1], ids=["came first", "went first"])
def test_a_file_of_the_same_content_elsewhere_was_moved(scan: Any, store_path: str, order: int) -> None:
    scan(probed(A, "a"), probed(B, "b"))
    before = first_seen(store_path, A)
    assert scan(*(reused(D, "a", A), Vanished(A))[::order]) == {"moved": 1}
    assert changes(store_path, 2) == [("moved", "/v/sub/d.mp4", "/v/a.mp4", 1001, 1001)]
    assert first_seen(store_path, D) == before


def test_a_file_that_went_in_an_earlier_scan_was_moved_too(scan: Any, store_path: str) -> None:
    scan(probed(A, "a"))
    scan(Vanished(A))
    assert scan(reused(D, "a", A)) == {"moved": 1}
    assert [kind for kind, *_ in changes(store_path, 2)] == ["removed"]


def test_a_copy_is_added(scan: Any) -> None:
    scan(probed(A, "a"))
    assert scan(reused(D, "a", A)) == {"added": 1}


def test_what_was_moved_once_is_not_moved_again_by_a_copy(scan: Any) -> None:
    scan(probed(A, "a"))
    scan(reused(B, "a", A), Vanished(A))
    assert scan(reused(C, "a", B)) == {"added": 1}


def test_a_file_that_is_moved_back_and_away_again_is_moved_each_time(scan: Any, store_path: str) -> None:
    scan(probed(A, "a"))
    scan(reused(B, "a", A), Vanished(A))
    scan(reused(A, "a", B), Vanished(B))
    assert scan(reused(C, "a", A), Vanished(A)) == {"moved": 1}
    assert [(kind, origin) for kind, _, origin, *_ in changes(store_path, 4)] == [("moved", "/v/a.mp4")]


def test_a_file_that_was_found_before_the_old_one_was_missed_was_moved(
    writer: Writer, clock: FakeClock, scan: Any, store_path: str
) -> None:
    scan(probed(A, "a"))
    clock.advance(60)
    # interrupted before it came to where the file was
    interrupted = writer.begin_scan([b"/v"])
    writer.write([reused(D, "a", A)])
    writer.end_scan(interrupted, "interrupted", {})
    assert scan(Vanished(A)) == {}
    assert changes(store_path, interrupted) == [("moved", "/v/sub/d.mp4", "/v/a.mp4", 1001, 1001)]


def test_a_copy_that_was_seen_together_with_the_old_one_was_not_moved(
    writer: Writer, clock: FakeClock, scan: Any, store_path: str
) -> None:
    scan(probed(A, "a"))
    began_ms = int(clock.time() * 1000) + 60_000
    assert scan(reused(D, "a", A)) == {"added": 1}
    writer.end_root(b"/v", RootIdentity(b"/v"), file_count=2, scanned_ms=began_ms, unlisted=[])
    assert scan(Vanished(A)) == {"removed": 1}
    assert [kind for kind, *_ in changes(store_path, 2)] == ["added"]


def test_moves_of_a_scan_that_died_are_told_by_the_next(writer: Writer, clock: FakeClock, scan: Any) -> None:
    scan(probed(A, "a"))
    died = writer.begin_scan([b"/v"])
    writer.write([reused(D, "a", A), Vanished(A)])
    scan()
    assert writer.end_scan(died, "interrupted", {}) == {"moved": 1}


def test_a_file_that_was_restored_was_not_moved_from_its_copy(scan: Any) -> None:
    scan(probed(A, "a"), probed(B, "a"))
    scan(Vanished(A), Vanished(B))
    assert scan(reused(A, "a", A)) == {"added": 1}


def test_a_copy_of_what_is_there_was_not_moved_from_what_went_long_ago(scan: Any) -> None:
    scan(probed(A, "a"), probed(B, "a"))
    scan(Vanished(A))
    assert scan(reused(C, "a", B)) == {"added": 1}


def test_a_file_that_is_gone_again_was_not_moved(writer: Writer, scan: Any) -> None:
    scan(probed(B, "b"))
    writer.write([probed(A, "a")])
    assert scan(Vanished(A)) == {"added": 1, "removed": 1}


def test_content_of_the_same_size_and_codec_is_replaced_and_not_encoded_anew(scan: Any) -> None:
    scan(lasting(A, "a", 100.0))
    assert scan(lasting(A, "b", 100.0)) == {"replaced": 1}


def test_where_several_fit_none_is_guessed(scan: Any) -> None:
    scan(probed(A, "same"), probed(B, "same"), probed(C, "one"))
    both_gone = scan(reused(D, "same", A), Vanished(A), Vanished(B))
    assert both_gone == {"added": 1, "removed": 2}
    two_came = scan(reused(b"/v/1.mp4", "one", C), reused(b"/v/2.mp4", "one", C), Vanished(C))
    assert two_came == {"added": 2, "removed": 1}


def test_empty_files_are_all_alike_and_never_moved(scan: Any) -> None:
    scan(failed(A, "", size=0))
    assert scan(failed(B, "", size=0), Vanished(A)) == {"added": 1, "removed": 1}


def test_another_extension_in_the_place_of_a_file_is_a_new_encoding(scan: Any, store_path: str) -> None:
    scan(lasting(b"/v/film.avi", "old", 100.0))
    assert scan(lasting(b"/v/film.mkv", "new one", 100.5), Vanished(b"/v/film.avi")) == {"re-encoded": 1}
    assert changes(store_path, 2) == [("re-encoded", "/v/film.mkv", "/v/film.avi", 1003, 1007)]


def test_the_old_encoding_may_go_later(scan: Any, store_path: str) -> None:
    scan(lasting(b"/v/film.avi", "old", 100.0))
    assert scan(lasting(b"/v/film.mkv", "new one", 100.5)) == {"added": 1}
    assert scan(Vanished(b"/v/film.avi")) == {"re-encoded": 1}


@pytest.mark.parametrize(
    ("name", "duration_s"),
    [(b"/v/film.mkv", 120.0), (b"/v/film.part2.mkv", 100.0), (b"/v/film2.mkv", 100.0), (b"/v/sub/film.mkv", 100.0)],
    ids=["longer", "part", "other name", "other folder"],
)
def test_what_is_only_similar_is_no_new_encoding(scan: Any, name: bytes, duration_s: float) -> None:
    scan(lasting(b"/v/film.avi", "old", 100.0))
    assert scan(lasting(name, "new", duration_s), Vanished(b"/v/film.avi")) == {"added": 1, "removed": 1}


def test_of_two_old_encodings_none_is_guessed(scan: Any) -> None:
    scan(lasting(b"/v/film.avi", "old", 100.0), lasting(b"/v/film.mov", "older", 100.0))
    gone = Vanished(b"/v/film.avi"), Vanished(b"/v/film.mov")
    assert scan(lasting(b"/v/film.mkv", "new one", 100.0), *gone) == {"added": 1, "removed": 2}


def test_changes_between_two_scans_are_the_next_ones(scan: Any, writer: Writer, store_path: str) -> None:
    scan(probed(A, "a"))
    writer.write([probed(B, "b")])
    assert scan() == {"added": 1}
    assert changes(store_path, 2) == [("added", "/v/b.mp4", None, None, 1001)]


def test_names_that_are_no_text_are_kept(scan: Any, store_path: str) -> None:
    scan(probed(b"/v/caf\xe9.mp4", "a"))
    scan(reused(b"/v/th\xe9.mp4", "a", b"/v/caf\xe9.mp4"), Vanished(b"/v/caf\xe9.mp4"))
    assert changes(store_path, 2) == [("moved", "/v/th\ufffd.mp4", "/v/caf\ufffd.mp4", 1001, 1001)]


def test_a_thousand_files_that_moved_with_their_folder_are_all_moved(scan: Any) -> None:
    scan(*(probed(b"/v/old/%d.mp4" % number, str(number)) for number in range(1000)))
    moved = [reused(b"/v/new/%d.mp4" % n, str(n), b"/v/old/%d.mp4" % n) for n in range(1000)]
    assert scan(*moved, *(Vanished(b"/v/old/%d.mp4" % number) for number in range(1000))) == {"moved": 1000}
