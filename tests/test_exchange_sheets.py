"""CSV: safe for spreadsheets, read back as it was, and no bad line takes another along."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.exchange.check import entry_from
from qacache.exchange.inputs import Unreadable
from qacache.exchange.sheets import COLUMNS, header, line_of, records
from qacache.record import BadRecord, Entry, RecordedFailure, head_to_dict
from tests.entries import entries
from tests.test_exchange_check import failed, good

WIDE = "".join(f"{name}," for name in COLUMNS)[:-1]


def read(data: bytes) -> list[tuple[int, Any]]:
    return list(records(enumerate(io.BytesIO(data), 1)))


def told(data: bytes) -> list[tuple[int, str]]:
    """The path of each record, or what is wrong with it, with its line."""
    return [(number, str(each) if isinstance(each, BadRecord) else each["path"]) for number, each in read(data)]


def failure(message: str) -> Entry:
    error = RecordedFailure("probe", "invalid-data", message, 1, 5, 6, "libav 8.1")
    return entry_from(failed(media=None, probed_at=None, prober=None, parser_version=None))._replace(error=error)


@given(entries())
def test_a_line_is_read_as_what_it_has_columns_for(entry: Entry) -> None:
    ((number, record),) = read((header() + line_of(entry)).encode())

    assert number == 2
    assert entry_from(record, is_partial=True) == entry._replace(tags=None, streams=None, raw=None)


@given(st.lists(entries(), max_size=4))
def test_any_reader_of_csv_finds_a_cell_for_each_column(found: list[Entry]) -> None:
    text = header() + "".join(map(line_of, found))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [len(row) for row in rows] == [len(COLUMNS)] * (len(found) + 1)
    assert all(line.endswith("\r\n") for line in (header(), *map(line_of, found)))


def test_numbers_are_numbers_and_negative_ones_too() -> None:
    record = good(mtime_ns=-7)
    record["media"]["rotation"] = -90
    (cells,) = csv.DictReader(io.StringIO(header() + line_of(entry_from(record)), newline=""))
    assert (cells["mtime_ns"], cells["rotation"], cells["duration_s"]) == ("-7", "-90", "1.5")


def test_no_text_begins_a_formula() -> None:
    for text, cell in (("=1", "'=1"), ("'=1", "''=1"), ("", "'"), ("1'", "1'")):
        (cells,) = csv.DictReader(io.StringIO(header() + line_of(failure(text)), newline=""))
        assert cells["error_message"] == cell


def test_the_columns_are_the_fields_of_the_record() -> None:
    entry = entry_from(good())._replace(path=b"/caf\xe9")
    head = list(head_to_dict(entry))
    columns = header().removesuffix("\r\n").split(",")
    assert columns[: len(head)] == head
    assert columns[len(head) :][:2] == ["format_name", "duration_s"]
    assert columns[-7:] == [
        f"error_{name}" for name in ("stage", "reason", "message", "attempts", "failed_at", "next_retry", "prober")
    ]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_the_order_of_columns_and_line_ends_make_no_difference(end: bytes) -> None:
    names = [b"status", b"path", b"size", b"mtime_ns", b"first_seen", b"last_seen"]
    values = [b"vanished", b'"/v/a ""b"", c\n\n.mp4"', b"5", b"6", b"2026-11-22T11:28:00Z", b"2026-11-22T11:28:00Z"]
    ((number, record),) = read(b",".join(names) + end + end + b",".join(values) + end)
    assert (number, record["path"], record["size"], record["media"]) == (3, '/v/a "b", c\n\n.mp4', 5, None)


@pytest.mark.parametrize(
    ("first_line", "problem"),
    [
        (b"path;size;mtime_ns;status;first_seen;last_seen", "no column path"),
        (b"path,size,status", "no column mtime_ns, first_seen, last_seen"),
        (WIDE.encode() + b",notes,chapters", "columns that are not known: notes, chapters"),
        (WIDE.encode() + b",size", "has a column twice"),
        (b"path,caf\xe9", "is neither NDJSON nor CSV of records: line 1: no UTF-8: byte 0xe9 at 8"),
        (b'path,"size', "is neither NDJSON nor CSV of records: line 1: no CSV: its quotes do not match"),
        (b"\n", "no column path"),
        (b"hello", "no column path"),
    ],
)
def test_a_first_line_that_is_none_of_ours_is_refused(first_line: bytes, problem: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(first_line + b"\r\n/v/a.mp4\r\n")
    assert problem in str(refused.value)


MINIMAL = b"path,size,mtime_ns,status,first_seen,last_seen\r\n"
TIMES = b"2026-11-22T11:28:00Z,2026-11-22T11:28:00Z"


def row(name: bytes, size: bytes = b"5") -> bytes:
    return name + b"," + size + b",6,vanished," + TIMES + b"\r\n"


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b'"/v/open.mp4,5,6,vanished,' + TIMES + b"\r\n", "no CSV: its quotes do not match"),
        (b'/v/"odd.mp4,5,6,vanished,' + TIMES + b"\r\n", "no CSV: its quotes do not match"),
        (b'"/v/a"b.mp4,5,6,vanished,' + TIMES + b"\r\n", "no CSV: its quotes do not match"),
        (b"/v/short.mp4,5\r\n", "2 cells under 6 columns"),
        (row(b"/v/caf\xe9.mp4"), "no UTF-8: byte 0xe9 at 6"),
        (row(b"/v/a.mp4", b"five"), "size is no whole number from 0: 'five'"),
        (row(b"/v/a.mp4", b"1_000"), "size is no whole number from 0: '1_000'"),
        (row(b"/v/a.mp4", b"1.7E+18"), "size is no whole number from 0: '1.7E+18'"),
        (row(b"/v/a.mp4", "\u0663".encode()), "size is no whole number from 0"),
    ],
)
def test_a_bad_line_takes_no_neighbour_along(bad: bytes, problem: str) -> None:
    data = MINIMAL + row(b"/v/1.mp4") + bad + row(b'"/v/2\n.mp4"') + row(b"/v/3.mp4")
    first, refused, *others = told(data)
    assert first == (2, "/v/1.mp4")
    assert refused[0] == 3
    assert problem in refused[1]
    assert others == [(4, "/v/2\n.mp4"), (6, "/v/3.mp4")]


def test_a_quote_that_is_open_to_the_end_spoils_its_own_line_alone() -> None:
    data = MINIMAL + b'"/v/open.mp4\r\n' + b"".join(row(b"/v/%d.mp4" % number) for number in range(50_000))
    found = told(data)
    assert found[0] == (2, "no CSV: its quotes do not match")
    assert len(found) == 50_001
    assert found[-1] == (50_002, "/v/49999.mp4")


def test_text_that_is_json_elsewhere_is_text_here() -> None:
    message = json.dumps({"a": [1, "x"]})
    ((_, record),) = read((header() + line_of(failure(message))).encode())
    assert record["error"]["message"] == message
