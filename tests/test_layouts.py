"""Descriptions of streams, kept once: what was written is what is read, in Python and in SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.events import Probed
from qacache.models import Stream
from qacache.record import stream_to_dict
from qacache.store import layouts, migrations
from qacache.store.reader import Reader
from qacache.store.records import RECORD_COLUMNS, record_of
from qacache.store.writer import Writer
from tests.rows import digest_of, probe_of, stat_of

A, B = b"/v/a.mp4", b"/v/b.mp4"
TEXTS = st.text().map(lambda text: text.encode(errors="replace").decode())
OF_FIELDS = {
    "int | None": st.none() | st.integers(),
    "float | None": st.none() | st.floats(allow_nan=False),
    "str | None": st.none() | TEXTS | st.sampled_from(["25/1", "90000/3003367", '"bit_rate":7', "%s", '},{"index":1']),
    "Mapping[str, int]": st.dictionaries(TEXTS | st.sampled_from(["bit_rate", "duration_s"]), st.integers()),
    "tuple[str, ...]": st.lists(TEXTS).map(tuple),
    "int": st.integers(0, 99),
}
STREAMS = st.lists(st.builds(Stream, **{each.name: OF_FIELDS[str(each.type)] for each in fields(Stream)}))


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A store of which the schema is not trusted, as those of qacache are opened."""
    path = str(tmp_path_factory.mktemp("layouts") / "qacache.db")
    migrations.create(path, busy_timeout_s=0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(
            "INSERT INTO file (id, path, size, mtime_ns, inode, device, status, first_seen_ms, last_seen_ms) "
            "VALUES (1, x'2f61', 0, 0, 0, 0, 'ok', 0, 0)"
        )
        yield connection


def text_of(streams: list[dict[str, Any]]) -> str:
    return json.dumps(streams, ensure_ascii=False, separators=(",", ":")).encode(errors="replace").decode()


def view_of(connection: sqlite3.Connection, stored: str) -> str:
    connection.execute(
        "INSERT OR REPLACE INTO media (file_id, prober, parser_version, probed_ms, format_name, tags, layouts) "
        "VALUES (1, '', 1, 1, '', '{}', ?)",
        (stored,),
    )
    ((streams,),) = connection.execute("SELECT streams FROM videos").fetchall()
    return str(streams)


@given(STREAMS)
def test_any_streams_are_read_as_they_were_written(connection: sqlite3.Connection, streams: list[Stream]) -> None:
    text = text_of([stream_to_dict(stream) for stream in streams])
    stored = layouts.stored(connection, text)
    known = layouts.Layouts()
    known.learn([stored], connection.execute)
    assert known.streams(stored) == text
    assert view_of(connection, stored) == text


def streams_of(duration_s: float, bit_rate: int, rate: str = "25/1") -> tuple[Stream, ...]:
    video = Stream(index=0, codec_type="video", avg_frame_rate=rate, duration_s=duration_s, bit_rate=bit_rate)
    return video, Stream(index=1, codec_type="audio", duration_s=duration_s, bit_rate=128_000)


def count(path: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM layout").fetchone()[0])


def write(writer: Writer, path: bytes, streams: tuple[Stream, ...]) -> None:
    writer.write([Probed(stat_of(path), digest_of("a"), probe_of("a", streams=streams))])


def test_files_that_differ_in_length_bit_rate_and_uneven_frame_rates_share_layouts(
    store_path: str, writer: Writer
) -> None:
    write(writer, A, streams_of(1.5, 100, "90000000/3003367"))
    write(writer, B, streams_of(7200.123456, 2_000_000, "90000000/3003001"))
    assert count(store_path) == 2


def test_usual_frame_rates_are_of_the_layout(store_path: str, writer: Writer) -> None:
    write(writer, A, streams_of(1.5, 100, "25/1"))
    write(writer, B, streams_of(1.5, 100, "30000/1001"))
    assert count(store_path) == 3


def test_texts_with_the_same_checksum_are_told_apart(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layouts.zlib, "crc32", lambda _: 7)
    first, second = (layouts.stored(connection, f'[{{"index":0,"title":"{title}"}}]') for title in "ab")
    assert first != second


def test_a_reader_meets_layouts_that_are_newer_than_itself(store_path: str, writer: Writer) -> None:
    with Reader(store_path) as reader:
        for path, streams in ((A, streams_of(1.5, 100)), (B, streams_of(2.5, 200, "50/1"))):
            write(writer, path, streams)
            found = reader.find(path, RECORD_COLUMNS)
            assert found is not None
            media = record_of(found).media
            assert media is not None
            assert media.streams == streams


@pytest.mark.parametrize("stored", ["no JSON", "[[999]]", "[5]", "[[[]]]", "7", '[["x"]]', '[[1,"2","3"]]', "[[]]"])
def test_what_no_qacache_wrote_is_passed_on_as_it_is(stored: str, store_path: str, writer: Writer) -> None:
    write(writer, A, (Stream(index=0),))
    with closing(sqlite3.connect(store_path)) as connection:
        connection.execute("UPDATE media SET layouts = ?", (stored,))
        connection.commit()
    with Reader(store_path) as reader:
        (found,) = reader.below(b"/", (layouts.COLUMN,))
    assert list(found.values) == [stored]


def test_layouts_that_no_file_has_are_forgotten(store_path: str, writer: Writer, tmp_path: Path) -> None:
    write(writer, A, streams_of(1.5, 100))
    write(writer, A, (Stream(index=0, codec_type="audio"),))
    assert count(store_path) == 3
    with closing(sqlite3.connect(store_path)) as connection:
        layouts.forget_unused(connection)
        connection.commit()
    assert count(store_path) == 1
    write(writer, B, streams_of(2.5, 200))
    with Reader(store_path) as reader:
        media = [record_of(found).media for found in reader.below(b"/", RECORD_COLUMNS)]
    assert [each and len(each.streams) for each in media] == [1, 2]
