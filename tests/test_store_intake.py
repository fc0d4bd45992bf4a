"""What other stores know comes into this one, and scans go on from there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from qacache.events import Vanished
from qacache.exchange.merging import merged, replaced
from qacache.models import MediaInfo, RootIdentity
from qacache.record import Entry, Record
from qacache.store.intake import Preview
from qacache.store.reader import Reader
from qacache.store.records import RECORD_COLUMNS, record_of
from qacache.store.retries import RetrySchedule
from qacache.store.standing import Standings
from qacache.store.writer import Writer
from tests.entries import with_media
from tests.fakes import FakeClock
from tests.rows import digest_of, probed, reused, stat_of
from tests.test_exchange_merging import HOUR
from tests.test_exchange_merging import probed as entry_probed

START_MS = 1_800_000_000_000
A, B = b"/v/a.mp4", b"/v/b.mp4"


def entry(path: bytes = A, **fields: Any) -> Entry:
    """What another store knows of a file of content `a`, as `tests.rows` has it."""
    stat = stat_of(path)
    known = {"size": stat.size, "mtime_ns": stat.mtime_ns, "digest": digest_of("a").hex()}
    return entry_probed("a", at=START_MS - HOUR)._replace(path=path, **(known | fields))


def query(store: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(sql).fetchall()


def stored(store: str, path: bytes = A) -> Record:
    with Reader(store) as reader:
        found = reader.find(path, RECORD_COLUMNS)
        assert found is not None
        return record_of(found)


def end_scan(writer: Writer, at_ms: int) -> None:
    """A complete scan of `/v` that began then."""
    writer.end_root(b"/v", RootIdentity(b"/v"), file_count=1, scanned_ms=at_ms, unlisted=[])


def test_a_new_file_is_stored_and_is_no_change_of_the_library(store_path: str, writer: Writer) -> None:
    assert writer.take_in([entry()], merged) == (1, 0, 0)
    assert (stored(store_path).status, stored(store_path).probed_ms) == ("ok", START_MS - HOUR)
    assert query(store_path, "SELECT count(*) FROM change") == [(0,)]


def test_device_and_inode_are_unknown_until_the_file_was_seen(store_path: str, writer: Writer) -> None:
    writer.take_in([entry()], merged)
    assert query(store_path, "SELECT device FROM file") == [(0,)]


def test_imported_files_of_one_content_are_copies_not_hard_links(store_path: str, writer: Writer) -> None:
    writer.take_in([entry(A, size=5), entry(B, size=5)], merged)
    assert query(store_path, "SELECT files, copies, wasted FROM duplicates") == [(2, 2, 5)]


def test_device_and_inode_stay_while_the_file_is_the_same(store_path: str, writer: Writer) -> None:
    writer.write([probed(A, inode=7, device=8)])
    newer = entry(probed_ms=START_MS + HOUR, prober="libav 9")
    assert writer.take_in([newer], merged) == (0, 1, 0)
    assert query(store_path, "SELECT inode, device FROM file") == [(7, 8)]
    assert stored(store_path).prober == "libav 9"

    writer.take_in([newer._replace(size=9, last_seen_ms=START_MS + 2 * HOUR)], merged)
    assert query(store_path, "SELECT device FROM file") == [(0,)]


def test_names_are_found_in_any_unicode_form_and_shown_where_they_are_no_utf8(store_path: str, writer: Writer) -> None:
    decomposed, latin = "/v/cafe\u0301.mp4".encode(), b"/v/caf\xe9.mp4"
    writer.take_in([entry(decomposed), entry(latin)], merged)
    with Reader(store_path) as reader:
        found = reader.find_composed("/v/caf\xe9.mp4".encode(), ())
        assert found is not None
        assert found.path == decomposed
    assert query(store_path, "SELECT path FROM videos ORDER BY 1") == [(decomposed.decode(),), ("/v/caf\ufffd.mp4",)]


def test_a_root_that_was_scanned_before_has_not_seen_what_is_imported(store_path: str, writer: Writer) -> None:
    end_scan(writer, START_MS)
    writer.take_in([entry(last_seen_ms=START_MS - HOUR)], merged)
    assert stored(store_path).last_seen_ms == START_MS - HOUR

    end_scan(writer, START_MS + HOUR)
    assert stored(store_path).last_seen_ms == START_MS + HOUR


def test_what_a_scan_has_seen_is_not_forgotten_by_an_import(store_path: str, writer: Writer) -> None:
    writer.write([probed(A)])
    end_scan(writer, START_MS + HOUR)
    assert writer.take_in([entry(first_seen_ms=7)], merged) == (0, 1, 0)
    assert stored(store_path).last_seen_ms == START_MS + HOUR
    end_scan(writer, START_MS + 2 * HOUR)
    assert stored(store_path).last_seen_ms == START_MS + 2 * HOUR


def test_what_is_here_again_is_away_no_more(store_path: str, writer: Writer) -> None:
    writer.write([probed(A), Vanished(A)])
    for hours in (1, 2):
        end_scan(writer, START_MS + hours * HOUR)
    assert query(store_path, "SELECT away FROM file") == [(2,)]

    still_gone = entry(status="vanished", probed_ms=START_MS + HOUR, prober="libav 9")
    assert writer.take_in([still_gone], merged) == (0, 1, 0)
    assert query(store_path, "SELECT away FROM file") == [(2,)]

    writer.take_in([entry(last_seen_ms=START_MS + 3 * HOUR)], merged)
    assert query(store_path, "SELECT status, away FROM file") == [("ok", 0)]


def test_what_is_replaced_leaves_nothing_behind(store_path: str, writer: Writer) -> None:
    writer.write([probed(A)])
    gone = entry(size=9, status="vanished")._replace(
        media=None, tags=None, streams=None, probed_ms=None, prober=None, parser_version=None
    )
    assert writer.take_in([gone], replaced) == (0, 1, 0)
    for table in ("media", "raw_probe", "failure"):
        assert query(store_path, f"SELECT count(*) FROM {table}") == [(0,)]


def test_many_files_come_in_one_batch(store_path: str, writer: Writer) -> None:
    many = [entry(b"/v/%d.mp4" % number) for number in range(10_000)]
    assert writer.take_in(many, merged) == (10_000, 0, 0)
    assert writer.take_in(many, merged) == (0, 0, 10_000)
    assert query(store_path, "SELECT count(*) FROM videos") == [(10_000,)]


def test_content_that_was_imported_without_raw_answer_is_reused(store_path: str, writer: Writer) -> None:
    writer.take_in([entry()], merged)
    with Reader(store_path) as reader:
        assert reader.path_with_content(digest_of("a"), stat_of(A).size) == A

    writer.write([reused(B, "a", A)])

    assert stored(store_path, B).media == stored(store_path, A).media
    assert query(store_path, "SELECT count(*) FROM raw_probe") == [(0,)]


def test_content_without_raw_answer_is_kept_until_the_end_of_the_scan_that_overwrites_it(
    store_path: str, writer: Writer
) -> None:
    writer.take_in([entry()], merged)
    media = stored(store_path, A).media
    writer.begin_scan([b"/v"])
    writer.write([probed(A, "b")])
    assert writer.displaced_path(digest_of("a"), stat_of(A).size) == A

    writer.write([reused(B, "a", A)])

    assert stored(store_path, B).media == media


def test_content_without_raw_answer_takes_the_place_of_one_with(store_path: str, writer: Writer) -> None:
    writer.write([probed(B, "b")])
    writer.take_in([entry()], merged)
    writer.write([reused(B, "a", A)])
    assert query(store_path, "SELECT count(*) FROM raw_probe") == [(0,)]


def test_a_preview_says_the_same_and_does_nothing(store_path: str, writer: Writer) -> None:
    writer.write([probed(A)])
    coming = [entry(probed_ms=START_MS + HOUR), entry(B), entry(B)]
    with Preview(store_path) as preview:
        assert preview.take_in(coming, merged) == (1, 1, 1)
    assert query(store_path, "SELECT count(*) FROM file") == [(1,)]
    assert writer.take_in(coming, merged) == (1, 1, 1)


def test_searches_go_by_what_was_imported(store_path: str, writer: Writer) -> None:
    other = with_media(entry(B), MediaInfo(format_name="mp4", hdr="hlg", display_width=64, duration_s=2.5))
    writer.write([probed(b"/v/c.mp4", "c")])
    of_kinds = (
        "SELECT file.path, kind.format_name, kind.hdr, kind.display_width, file.length_s "
        "FROM file LEFT JOIN kind ON kind.id = file.kind_id ORDER BY file.path"
    )
    scanned = (b"/v/c.mp4", "matroska,webm", None, None, 1.5)

    writer.take_in([entry(), other], merged)
    assert query(store_path, of_kinds) == [(A, "mp4", None, None, None), (B, "mp4", "hlg", 64, 2.5), scanned]

    newer = with_media(entry(probed_ms=START_MS), MediaInfo(format_name="asf", duration_s=7))
    writer.take_in([newer, with_media(other, None)._replace(status="vanished")], replaced)
    assert query(store_path, of_kinds) == [(A, "asf", None, None, 7), (B, None, None, None, None), scanned]


def test_why_says_that_a_file_was_imported_since_the_last_scan(store_path: str, writer: Writer) -> None:
    end_scan(writer, START_MS)
    writer.take_in([entry()], merged)
    with Standings(store_path) as standings:
        standing = standings.find(A)
    assert standing is not None
    assert standing.is_unlisted


def test_no_statement_reads_more_than_it_must(
    store_path: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    from qacache.store import writer as module

    open_writer: Callable[..., sqlite3.Connection] = module.open_writer

    def noting(*arguments: Any) -> sqlite3.Connection:
        connection = open_writer(*arguments)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(module, "open_writer", noting)
    with Writer(store_path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600), clock=clock.time) as writing:
        writing.take_in([entry(), entry(B)], merged)
        writing.take_in([entry(probed_ms=START_MS + HOUR)], merged)
    with closing(sqlite3.connect(store_path)) as connection:
        plans = {
            each: [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {each}")]
            for each in statements
            if not each.startswith(("PRAGMA", "--"))
        }
    assert sum(map(bool, plans.values())) >= 4
    for statement, steps in plans.items():
        large = [step for step in steps if step.startswith("SCAN") and not step.endswith(("root", "unindexed"))]
        assert large == [], statement
