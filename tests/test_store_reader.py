"""What is read from the store: by scans in path order, by people by path, by SQL through the views."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.events import Failed, Probed, Vanished
from qacache.models import Failure, RootIdentity
from qacache.record import MEDIA_FIELDS, iso_time, to_dict
from qacache.store import reader as reader_module
from qacache.store.reader import COLUMNS, Found, Known, Reader, Root, nfc, range_below
from qacache.store.records import RECORD_COLUMNS, record_of
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import digest_of, failed, probe_of, probed, reused, stat_of

START_MS = 1_800_000_000_000
A, B, C = b"/v/a.mp4", b"/v/b.mp4", b"/v/sub/c.mp4"
COMPOSED, DECOMPOSED = "/v/caf\u00e9.mp4".encode(), "/v/cafe\u0301.mp4".encode()

paths = st.binary(max_size=8).map(lambda tail: b"/" + tail.replace(b"\0", b"/"))


@pytest.fixture(params=[1, 2, 3, 2000])
def page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of rows that are read at a time."""
    monkeypatch.setattr(reader_module, "_PAGE", request.param)
    return int(request.param)


def paths_of(rows: Iterator[Found]) -> list[bytes]:
    return [row.path for row in rows]


def last_seen_s(store: str, path: bytes) -> float:
    """When the file was last seen, in seconds after the clock began."""
    with Reader(store) as reader:
        found = reader.find(path, ())
    assert found is not None
    return (found.last_seen_ms - START_MS) / 1000


def end_root(
    writer: Writer, root: bytes, at_s: int, *, unlisted: tuple[bytes, ...] = (), real_path: bytes | None = None
) -> None:
    """Have a scan that began so many seconds after the clock did, and saw all of `root`."""
    began_ms = START_MS + at_s * 1000
    writer.end_root(root, RootIdentity(real_path or root), file_count=3, scanned_ms=began_ms, unlisted=unlisted)


@given(folder=paths, path=paths)
def test_the_range_below_a_folder_holds_exactly_the_paths_below(folder: bytes, path: bytes) -> None:
    lower, upper = range_below(folder)
    assert (lower <= path < upper) == path.startswith(folder.rstrip(b"/") + b"/")


@given(folder=paths, tail=st.binary())
def test_the_range_below_a_folder_holds_all_that_is_below(folder: bytes, tail: bytes) -> None:
    lower, upper = range_below(folder)
    assert lower <= folder.rstrip(b"/") + b"/" + tail < upper


def test_listings_are_complete_and_in_byte_order_however_large_a_page_is(
    page: int, reader: Reader, writer: Writer
) -> None:
    names = [b"/v/b", b"/v/a", b"/v/a/x", b"/v/a-x", b"/v/\xff", b"/v/a0", b"/v/B", "/v/é".encode()]
    outside = [b"/v", b"/v0", b"/v-", b"/w/a", b"/V/a"]
    writer.write([probed(path) for path in names + outside])
    writer.write([failed(b"/v/B"), Vanished(b"/v/a0")])
    assert paths_of(reader.below(b"/v", ())) == sorted(names)
    assert paths_of(reader.below(b"/v/", ())) == sorted(names)
    assert paths_of(reader.below(b"/", ())) == sorted(names + outside)
    assert paths_of(reader.below(b"/v/a", ())) == [b"/v/a/x"]
    assert paths_of(reader.below(b"/nothing", ())) == []
    assert paths_of(reader.below(b"/v", (), only_failed=True)) == [b"/v/B"]
    known = list(reader.known_files(b"/v"))
    stat = stat_of(b"")
    assert [row[0] for row in known] == sorted(names)
    assert known[0] == (b"/v/B", stat.size, stat.mtime_ns, "failed")
    assert [row[3] for row in known if row[0] == b"/v/a0"] == ["vanished"]


def test_a_listing_sees_what_is_written_behind_its_page(
    reader: Reader, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_PAGE", 1)
    writer.write([probed(A), probed(C)])
    rows = reader.below(b"/v", ())
    assert next(rows).path == A
    writer.write([probed(B)])
    assert paths_of(rows) == [B, C]


def test_a_row_is_found_by_exactly_its_path(reader: Reader, writer: Writer) -> None:
    writer.write([probed(A, "x")])
    found = reader.find(A, (COLUMNS["format_name"], COLUMNS["digest"]))
    assert found == Found(A, "ok", START_MS, 1001, stat_of(A).mtime_ns, ("matroska,webm", digest_of("x").hex()))
    assert [reader.find(path, ()) for path in (b"/v/a.mp", b"/v/a.mp4/", b"/v/A.mp4", b"/v", b"")] == [None] * 5


def test_every_column_can_be_asked_for(reader: Reader, writer: Writer) -> None:
    writer.write([probed(A, "x"), failed(B, message="Invalid data found")])
    good, bad = reader.find(A, tuple(COLUMNS.values())), reader.find(B, tuple(COLUMNS.values()))
    assert good is not None
    assert bad is not None
    described = dict(zip(COLUMNS, good.values, strict=True))
    record = to_dict(record_of(next(iter(reader.below(b"/", RECORD_COLUMNS)))))
    assert {name: described[name] for name in MEDIA_FIELDS} == {name: record["media"][name] for name in MEDIA_FIELDS}
    same = ("size", "mtime_ns", "digest", "first_seen", "probed_at", "prober")
    assert {name: described[name] for name in same} == {name: record[name] for name in same}
    failure = dict(zip(COLUMNS, bad.values, strict=True))
    assert (failure["error"], failure["error_message"]) == ("invalid-data", "Invalid data found")


def test_a_scan_knows_of_a_row_what_it_needs(reader: Reader, writer: Writer) -> None:
    writer.write([probed(A, "x"), failed(B, "y", prober="fake 2")])
    stat = stat_of(A, "x")
    common = (stat.size, stat.mtime_ns)
    assert reader.known(A) == Known(*common, "ok", digest_of("x"), None, None, None, None)
    assert reader.known(B) == Known(
        *common, "failed", digest_of("y"), *common, "fake 2", START_MS + 60_000, "invalid-data"
    )
    assert reader.known(C) is None


def test_a_content_is_found_where_its_media_is_known(reader: Reader, writer: Writer) -> None:
    writer.write([probed(A, "x"), failed(B, "y"), probed(C, "z")])
    size = stat_of(A, "x").size
    assert reader.path_with_content(digest_of("x"), size) == A
    assert reader.path_with_content(digest_of("x"), size + 1) is None
    assert reader.path_with_content(digest_of("y"), size) is None
    assert reader.path_with_content(digest_of("unknown"), size) is None
    writer.write([Vanished(C)])
    assert reader.path_with_content(digest_of("z"), size) == C


@pytest.mark.parametrize(
    ("path", "composed"),
    [(b"/v/a", b"/v/a"), (COMPOSED, COMPOSED), (DECOMPOSED, COMPOSED), (b"/caf\xe9", None), (b"/\xed\xa0\x80", None)],
)
def test_unicode_names_have_a_composed_form(path: bytes, composed: bytes | None) -> None:
    assert nfc(path) == composed


@pytest.mark.parametrize("asked", [COMPOSED, DECOMPOSED])
@pytest.mark.parametrize("kept", [COMPOSED, DECOMPOSED])
def test_a_file_is_found_in_either_unicode_form(kept: bytes, asked: bytes, reader: Reader, writer: Writer) -> None:
    writer.write([probed(kept), probed(b"/v/caf\xe9.mp4"), probed(b"/v/cafe.mp4")])
    exact = [found.path for name in reader.spellings(asked) if (found := reader.find(name, ()))]
    composed = reader.find_composed(asked, ())
    assert exact or composed
    assert {*exact, *([composed.path] if composed else [])} == {kept}


def test_both_unicode_forms_may_be_two_files(reader: Reader, writer: Writer) -> None:
    writer.write([probed(COMPOSED, "x"), probed(DECOMPOSED, "y")])
    assert [next(reader.spellings(name)) for name in (COMPOSED, DECOMPOSED)] == [COMPOSED, DECOMPOSED]
    for name in (COMPOSED, DECOMPOSED):
        found = reader.find(name, ())
        assert found is not None
        assert found.path == name


@pytest.mark.parametrize("asked", [b"/v/caf\xe9.mp4", b"/v/none.mp4"])
def test_a_name_without_another_form_is_not_taken_for_one(asked: bytes, reader: Reader, writer: Writer) -> None:
    writer.write([probed(COMPOSED), probed(DECOMPOSED), probed(A)])
    assert reader.find_composed(asked, ()) is None


def test_a_path_has_a_spelling_for_each_root_that_leads_there(reader: Reader, writer: Writer) -> None:
    end_root(writer, b"/home/me/videos", 0, real_path=b"/mnt/nas")
    end_root(writer, b"/srv/nas2", 0, real_path=b"/mnt/nas2")
    end_root(writer, b"/v", 0)
    assert list(reader.spellings(b"/mnt/nas/a/b.mp4")) == [b"/mnt/nas/a/b.mp4", b"/home/me/videos/a/b.mp4"]
    assert list(reader.spellings(b"/mnt/nas")) == [b"/mnt/nas", b"/home/me/videos"]
    assert list(reader.spellings(b"/v/a.mp4")) == [b"/v/a.mp4"]


def test_a_root_knows_what_its_last_complete_scan_found(reader: Reader, writer: Writer) -> None:
    end_root(writer, b"/v", 1)
    end_root(writer, b"/v/sub", 2, real_path=b"/real")
    end_root(writer, b"/v", 3)
    assert reader.roots() == [
        Root(b"/v", START_MS + 3000, 3, RootIdentity(b"/v")),
        Root(b"/v/sub", START_MS + 2000, 3, RootIdentity(b"/real")),
    ]
    assert [reader.root_of(path) for path in (C, A, b"/v", b"/w/a")] == [b"/v/sub", b"/v", None, None]


def test_a_complete_scan_has_seen_all_below_its_root(store_path: str, writer: Writer) -> None:
    writer.write([probed(A), probed(b"/v0/a.mp4"), failed(B)])
    end_root(writer, b"/v", 100)
    assert [last_seen_s(store_path, path) for path in (A, B, b"/v0/a.mp4")] == [100, 100, 0]


def test_a_file_that_was_written_after_the_scan_began_was_seen_then(
    store_path: str, writer: Writer, clock: FakeClock
) -> None:
    clock.advance(7)
    writer.write([probed(A)])
    end_root(writer, b"/v", 5)
    assert last_seen_s(store_path, A) == 7


def test_a_vanished_file_was_last_seen_by_the_scan_before(store_path: str, writer: Writer, clock: FakeClock) -> None:
    writer.write([probed(A)])
    end_root(writer, b"/v", 100)
    clock.advance(200)
    writer.write([Vanished(A)])
    end_root(writer, b"/v", 200)
    assert last_seen_s(store_path, A) == 100


def test_a_vanished_file_that_is_missed_again_was_not_seen_meanwhile(store_path: str, writer: Writer) -> None:
    writer.write([probed(A), Vanished(A)])
    end_root(writer, b"/v", 100)
    writer.write([Vanished(A)])
    assert last_seen_s(store_path, A) == 0


def test_what_is_in_a_folder_that_could_not_be_listed_was_last_seen_before(store_path: str, writer: Writer) -> None:
    writer.write([probed(A), probed(C)])
    end_root(writer, b"/v", 100)
    end_root(writer, b"/v", 200, unlisted=(b"/v/sub",))
    end_root(writer, b"/v", 300, unlisted=(b"/v/sub",))
    assert [last_seen_s(store_path, path) for path in (A, C)] == [300, 100]
    end_root(writer, b"/v", 400)
    assert [last_seen_s(store_path, path) for path in (A, C)] == [400, 400]


def test_a_folder_is_listed_again_by_a_scan_of_it_alone(store_path: str, writer: Writer) -> None:
    writer.write([probed(C), probed(b"/v/other/d.mp4")])
    end_root(writer, b"/v", 200, unlisted=(b"/v/sub", b"/v/other"))
    end_root(writer, b"/v/sub", 300)
    assert [last_seen_s(store_path, path) for path in (C, b"/v/other/d.mp4")] == [300, 0]


def test_a_file_that_is_seen_by_itself_is_not_in_an_unlisted_folder(
    store_path: str, writer: Writer, clock: FakeClock
) -> None:
    writer.write([probed(C)])
    end_root(writer, b"/v", 200, unlisted=(b"/v/sub",))
    clock.advance(250)
    writer.write([probed(C)])
    end_root(writer, b"/v", 300)
    assert last_seen_s(store_path, C) == 300


def test_an_unlisted_file_that_is_found_to_have_vanished_was_last_seen_before(store_path: str, writer: Writer) -> None:
    writer.write([probed(C)])
    end_root(writer, b"/v", 100)
    end_root(writer, b"/v", 200, unlisted=(b"/v/sub",))
    writer.write([Vanished(C)])
    end_root(writer, b"/v", 300)
    assert last_seen_s(store_path, C) == 100


def test_the_latest_scan_of_any_root_above_counts(store_path: str, writer: Writer) -> None:
    writer.write([probed(A), probed(C)])
    end_root(writer, b"/v", 100)
    end_root(writer, b"/v/sub", 200)
    assert [last_seen_s(store_path, path) for path in (A, C)] == [100, 200]
    end_root(writer, b"/v", 300)
    assert [last_seen_s(store_path, path) for path in (A, C)] == [300, 300]


@pytest.fixture
def eventful(writer: Writer, clock: FakeClock) -> None:
    """A store with a bit of everything in it."""
    no_digest = Failed(b"/v/unreadable.mp4", Failure("digest", "io-error", "no"), stat_of(b"/v/unreadable.mp4"))
    full = probe_of(
        "a", bit_rate=5, display_width=48, display_height=64, rotation=-90, orientation="portrait", hdr="hlg"
    )
    writer.write([Probed(stat_of(A), digest_of("a"), full), probed(b"/v/caf\xe9.mp4", "b"), probed(C, "c")])
    writer.write([reused(B, "a", A), failed(b"/v/\xff\nbroken.mp4", "d"), no_digest, probed(b"/v/gone.mp4", "e")])
    end_root(writer, b"/v", 100)
    clock.advance(1.234)
    writer.write([Vanished(b"/v/gone.mp4"), probed(b"/w/late.mp4", "f"), failed(A, "a")])
    end_root(writer, b"/v", 200, unlisted=(b"/v/sub",))


def rows_of(store: str, view: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(store)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {view} ORDER BY 1")]


@pytest.mark.usefixtures("eventful")
def test_the_view_of_videos_says_what_records_say(store_path: str, reader: Reader) -> None:
    rows = {row.pop("path"): row for row in rows_of(store_path, "videos")}
    records = [to_dict(record_of(found)) for found in reader.below(b"/", RECORD_COLUMNS)]
    assert len(records) == 8
    for record in records:
        row = rows.pop(record["path"])
        names = ("size", "mtime_ns", "digest", "status", "first_seen", "last_seen", "probed_at", "prober")
        assert {name: row[name] for name in names} == {name: record[name] for name in names}
        assert row["modified"] == "2023-11-14T22:13:20.123Z"
        media = record["media"] or dict.fromkeys((*MEDIA_FIELDS, "tags", "streams"))
        assert {name: row[name] for name in MEDIA_FIELDS} == {name: media[name] for name in MEDIA_FIELDS}
        assert [json.loads(row[name] or "null") for name in ("tags", "streams")] == [media["tags"], media["streams"]]
    assert rows == {}


@pytest.mark.usefixtures("eventful")
def test_the_view_of_failures_says_what_records_say(store_path: str, reader: Reader) -> None:
    rows = {row.pop("path"): row for row in rows_of(store_path, "failures")}
    records = [to_dict(record_of(found)) for found in reader.below(b"/", RECORD_COLUMNS, only_failed=True)]
    assert sorted(rows) == sorted(record["path"] for record in records)
    for record in records:
        row = rows[record["path"]]
        assert {name: row[name] for name in record["error"]} == record["error"]
        assert row["size"] == record["size"]
    assert rows["/v/\ufffd\nbroken.mp4"]["failed_at"] == iso_time(START_MS)
    assert rows["/v/\ufffd\nbroken.mp4"]["prober"] == "fake 1"


@pytest.mark.usefixtures("eventful")
def test_the_view_of_duplicates_names_what_can_be_saved(store_path: str, writer: Writer) -> None:
    writer.write([reused(b"/v/gone too.mp4", "c", C), Vanished(b"/v/gone too.mp4")])
    writer.write([reused(b"/w/a.mp4", "a", A, inode=8), reused(b"/w/linked.mp4", "a", A, inode=8)])
    assert rows_of(store_path, "duplicates") == [
        {"digest": digest_of("a").hex(), "size": 1001, "files": 4, "copies": 2, "wasted": 1001}
    ]


@pytest.mark.usefixtures("eventful")
def test_hard_links_are_no_duplicates(store_path: str, writer: Writer) -> None:
    writer.write([reused(b"/w/linked.mp4", "a", A)])
    assert rows_of(store_path, "duplicates") == []


@given(ms=st.integers(0, 253_402_300_799_999))
def test_the_views_write_times_as_records_do(ms: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        sql = COLUMNS["first_seen"].replace("file.first_seen_ms", "CAST(? AS INTEGER)")
        assert connection.execute(f"SELECT {sql}", (ms,)).fetchone() == (iso_time(ms),)


def test_a_reader_is_closed_by_its_block(store_path: str, tmp_path: Path) -> None:
    with Reader(store_path) as reader:
        pass
    with pytest.raises(Exception, match="closed"):
        reader.known(A)
