"""NDJSON: the lines are those that the record's own shape gives, and what is no line of it is refused."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given

from qacache.exchange import shape
from qacache.exchange.check import entry_from
from qacache.exchange.ndjson import line_of, records
from qacache.models import MediaInfo, Stream
from qacache.record import BadRecord, Entry, Record, RecordedFailure, media_from_dict, to_dict
from tests.entries import compact, entries, packed
from tests.test_record import EXAMPLE


def record_of(entry: Entry) -> Record:
    """The record that the entry tells of, taken apart and put together field by field."""
    values = entry._asdict()
    media = None
    if entry.media is not None and entry.tags is not None and entry.streams is not None:
        told = dict(zip([each.name for each in fields(MediaInfo)], entry.media, strict=False))
        media = media_from_dict({**told, "tags": json.loads(entry.tags), "streams": json.loads(entry.streams)})
    for name in ("media", "tags", "streams", "raw"):
        del values[name]
    return Record(**values, media=media)


def read(*lines: bytes) -> list[Any]:
    return [content for _, content in records(enumerate(lines, 1))]


@given(entries())
def test_a_line_is_the_record_with_its_version(entry: Entry) -> None:
    expected = {"qacache": 1, **to_dict(record_of(entry))}
    if entry.raw is not None:
        expected["raw"] = json.loads(line_of(entry))["raw"]

    assert line_of(entry) == compact(expected) + "\n"


@given(entries())
def test_a_line_is_read_as_what_was_written(entry: Entry) -> None:
    (record,) = read(line_of(entry).encode())
    assert entry_from(record) == entry


def test_a_raw_answer_with_numbers_that_no_json_has_is_json_all_the_same() -> None:
    raw = {"inf": float("inf"), "name": "NaN", "nan": [float("nan"), 1.5]}
    entry = entry_from(to_dict(EXAMPLE) | {"status": "failed"})._replace(raw=packed(raw))

    assert json.loads(line_of(entry))["raw"] == {"inf": None, "name": "NaN", "nan": [None, 1.5]}


def test_the_shape_that_is_checked_is_the_shape_that_is_written() -> None:
    written = to_dict(EXAMPLE)
    assert list(written) == [name for name in (*shape.HEAD, "media", "error") if name != "path_b64"]
    assert sorted(written["media"]) == sorted(shape.MEDIA)
    assert (
        list(written["error"])
        == list(shape.ERROR)
        == [*RecordedFailure._fields[:4], "failed_at", "next_retry", "prober"]
    )
    assert list(shape.STREAM) == [each.name for each in fields(Stream)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"path": "/a"', "no JSON: expecting ',' delimiter at column 14"),
        (b'{"path": "/caf\xe9"}', "no UTF-8: byte 0xe9 at 14"),
        (b"5", "no JSON object: 5"),
        (b"[1, 2]", "no JSON object: [1, 2]"),
        (b"null", "no JSON object: null"),
        (b'{"size": NaN}', "NaN is no JSON"),
        (b'{"size": -Infinity}', "-Infinity is no JSON"),
        (b'{"size": 1} {"size": 2}', "no JSON: extra data at column 13"),
        (b'{"size": %s}' % (b"9" * 5000), "no JSON to be read: "),
        (b"[" * 100_000, "no JSON to be read: "),
        (b'{"prober": "\\ud800"}', "half of a surrogate pair"),
        (b'{"\\uDFFF": 1}', "half of a surrogate pair"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_a_line_that_is_no_object_is_refused_and_the_next_one_read(line: bytes, problem: str) -> None:
    bad, good = read(line, b'{"size": 1}')

    assert isinstance(bad, BadRecord)
    assert problem in str(bad)
    assert good == {"size": 1}


def test_escapes_are_text_and_blank_lines_are_none() -> None:
    lines = (b"\n", b'{"prober": "\\ud83d\\ude00\\u2028"}\n', b" \r\n", b'{"size": 1}')
    assert list(records(enumerate(lines, 1))) == [(2, {"prober": "\N{GRINNING FACE}\u2028"}), (4, {"size": 1})]
