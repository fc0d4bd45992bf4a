"""What others wrote is checked: what no store can hold, or could mean, is refused by the name of its field."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.exchange.check import NewerRecord, entry_from
from qacache.exchange.ndjson import line_of
from qacache.models import Stream
from qacache.record import BadRecord, Entry, Record, stream_from_dict, stream_to_dict, to_dict
from tests.entries import entries
from tests.test_record import EXAMPLE

TOO_LARGE = 1 << 63


def good(**changes: Any) -> dict[str, Any]:
    record = replace(EXAMPLE, error=None)
    return json.loads(json.dumps(to_dict(record))) | changes  # type: ignore[no-any-return]


def failed(**changes: Any) -> dict[str, Any]:
    return json.loads(json.dumps(to_dict(replace(EXAMPLE, status="failed")))) | changes  # type: ignore[no-any-return]


def placed(record: dict[str, Any], place: str, value: object) -> dict[str, Any]:
    """The record, but with `value` at `place`, such as `media.streams.0.index`; taken away where it is `...`."""
    *folders, name = place.split(".")
    target: Any = record
    for folder in folders:
        target = target[int(folder) if folder.isdigit() else folder]
    if value is ...:
        del target[name]
    else:
        target[int(name) if name.isdigit() else name] = value
    return record


def test_a_good_record_is_an_entry() -> None:
    entry = entry_from(good(qacache=1))
    assert (entry.path, entry.size, entry.status, entry.error) == (EXAMPLE.path, EXAMPLE.size, "ok", None)
    assert json.loads(line_of(entry)) == {"qacache": 1, **good()}


@given(entries())
def test_the_order_of_fields_and_empty_ones_in_streams_make_no_difference(entry: Entry) -> None:
    record = json.loads(line_of(entry))
    shuffled = dict(reversed(record.items()))
    if record["media"]:
        shuffled["media"] = dict(reversed(record["media"].items()))
        shuffled["media"]["streams"] = [
            {"disposition": {}, "side_data_types": [], "title": None, **dict(reversed(stream.items()))}
            for stream in record["media"]["streams"]
        ]

    assert entry_from(shuffled) == entry


@given(
    st.builds(Stream, index=st.integers(0, 9), codec_name=st.none() | st.text(), width=st.none() | st.integers(0, 9))
)
def test_streams_are_stored_as_the_writer_stores_them(stream: Stream) -> None:
    written = {"width": None, **stream_to_dict(stream)}
    entry = entry_from(placed(good(), "media.streams", [written]))
    assert entry.streams is not None
    assert json.loads(entry.streams) == [stream_to_dict(stream_from_dict(written))]
    assert list(json.loads(entry.streams)[0]) == list(stream_to_dict(stream))


@pytest.mark.parametrize("name", ["digest", "error", "path_b64", "raw"])
def test_what_may_be_null_may_be_missing(name: str) -> None:
    without, null = good(), good(**{name: None})
    without.pop(name, None)
    assert entry_from(without) == entry_from(null)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("path", ..., "path is no str: None"),
        ("path", "", "path is no absolute path of a file: ''"),
        ("path", "a.mp4", "path is no absolute path of a file: 'a.mp4'"),
        ("path", "/v/", "path is no absolute path"),
        ("path", "/v//a.mp4", "path is no absolute path"),
        ("path", "/v/../a.mp4", "path is no absolute path"),
        ("path", "/v/./a.mp4", "path is no absolute path"),
        ("path", "/v/a\0.mp4", "path is no absolute path"),
        ("path", ["/v/a.mp4"], "path is no text: ['/v/a.mp4']"),
        ("path_b64", "L3YvYi5tcDQ=", "path and path_b64 are two names"),
        ("path_b64", "?", "path_b64 is no base64: '?'"),
        ("size", ..., "size is missing"),
        ("size", -1, "size is no whole number from 0: -1"),
        ("size", TOO_LARGE, f"size is no whole number from 0: {TOO_LARGE}"),
        ("size", "5", "size is no whole number from 0: '5'"),
        ("size", 5.0, "size is no whole number from 0: 5.0"),
        ("size", True, "size is no whole number from 0: True"),
        ("mtime_ns", -TOO_LARGE - 1, "mtime_ns is no whole number of 64 bits"),
        ("digest", "00", "digest is no digest of 32 hex digits: '00'"),
        ("digest", "g" * 32, "digest is no digest of 32 hex digits"),
        ("status", "unknown", "status is none of ok, failed, vanished: 'unknown'"),
        ("status", {}, "status is none of"),
        ("first_seen", "yesterday", "first_seen is no time such as 2026-11-22T11:28:00.123Z: 'yesterday'"),
        ("last_seen", 5, "last_seen is no time such as"),
        ("last_seen", "1969-12-31T23:59:59Z", "last_seen is no time such as"),
        ("probed_at", "2027-13-01T00:00:00Z", "probed_at is no time such as"),
        ("probed_at", ..., "probed_at is missing"),
        ("prober", None, "prober is missing"),
        ("parser_version", "1", "parser_version is no whole number from 0: '1'"),
        ("media", None, "probed_at is there, but no media"),
        ("media", [], "media is no object: []"),
        ("media.format_name", None, "media.format_name is missing"),
        ("media.duration_s", -0.5, "media.duration_s is no number of seconds: -0.5"),
        ("media.duration_s", float("nan"), "media.duration_s is no number of seconds: nan"),
        ("media.duration_s", "1.5", "media.duration_s is no number of seconds: '1.5'"),
        ("media.width", -64, "media.width is no whole number from 0: -64"),
        ("media.rotation", 5000, "media.rotation is no angle in degrees: 5000"),
        ("media.orientation", "upright", "media.orientation is none of landscape, portrait, square: 'upright'"),
        ("media.hdr", "hdr11", "media.hdr is none of"),
        ("media.avg_frame_rate", "25/0", "media.avg_frame_rate is no ratio such as 30000/1001 or 16:9: '25/0'"),
        ("media.tags", ["title"], "media.tags is no object of texts: ['title']"),
        ("media.tags", {"title": 5}, "media.tags is no object of texts"),
        ("media.streams", ..., "media.streams is missing"),
        ("media.streams", {"index": 0}, "media.streams is no list: {'index': 0}"),
        ("media.streams.1", "x", "media.streams[1] is no object: 'x'"),
        ("media.streams.1.index", None, "media.streams[1].index is missing"),
        ("media.streams.0.width", "64", "media.streams[0].width is no whole number from 0: '64'"),
        ("media.streams.0.channels", 1.5, "media.streams[0].channels is no whole number from 0: 1.5"),
        ("media.streams.0.disposition", {"default": "yes"}, "media.streams[0].disposition is no object of numbers"),
        ("media.streams.0.side_data_types", "Display Matrix", "media.streams[0].side_data_types is no list of texts"),
        ("media.streams.0.sample_aspect_ratio", "wide", "media.streams[0].sample_aspect_ratio is no ratio"),
        ("error", {}, "error.stage is missing"),
        ("raw", "{}", "raw is no object: '{}'"),
        ("from_the_future", 1, "no such field: from_the_future"),
        ("media.from_the_future", 1, "no such field: media.from_the_future"),
        ("media.streams.0.from_the_future", 1, "no such field: media.streams[0].from_the_future"),
        ("media.qacache", 1, "no such field: media.qacache"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(place: str, value: object, problem: str) -> None:
    with pytest.raises(BadRecord) as refused:
        entry_from(placed(good(), place, value))
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("error", None, "status is failed, but there is no error"),
        ("status", "ok", "status is ok, but there is an error"),
        ("error.stage", "unheard", "error.stage is none of list, stat, digest, probe: 'unheard'"),
        ("error.reason", None, "error.reason is missing"),
        ("error.message", 5, "error.message is no text: 5"),
        ("error.attempts", -1, "error.attempts is no whole number from 0: -1"),
        ("error.failed_at", "soon", "error.failed_at is no time such as"),
        ("error.next_retry", ..., "error.next_retry is missing"),
        ("error.from_the_future", 1, "no such field: error.from_the_future"),
    ],
)
def test_a_failure_that_cannot_be_is_refused_by_its_name(place: str, value: object, problem: str) -> None:
    with pytest.raises(BadRecord) as refused:
        entry_from(placed(failed(), place, value))
    assert problem in str(refused.value)


def test_a_long_value_is_not_shown_whole() -> None:
    with pytest.raises(BadRecord) as refused:
        entry_from(good(size="9" * 5000))
    assert len(str(refused.value)) < 150


def test_a_record_of_a_newer_version_is_told_apart() -> None:
    with pytest.raises(NewerRecord, match="the record is of version 2, this qacache knows 1"):
        entry_from(good(qacache=2, from_the_future=5))


def test_a_whole_number_of_seconds_will_do() -> None:
    entry = entry_from(placed(good(), "media.duration_s", 5))
    assert json.loads(line_of(entry))["media"]["duration_s"] == 5


def test_what_was_vanished_may_have_media_or_an_error_or_neither() -> None:
    neither: dict[str, Any] = dict.fromkeys(("media", "error", "probed_at", "prober", "parser_version"))
    for record in (good(status="vanished"), failed(status="vanished"), good(status="vanished", **neither)):
        assert entry_from(record).status == "vanished"


def test_a_partial_record_leaves_tags_and_streams_open() -> None:
    record = good()
    del record["media"]["tags"], record["media"]["streams"]
    entry = entry_from(record, is_partial=True)
    assert (entry.tags, entry.streams) == (None, None)
    assert entry.media is not None


def test_any_record_that_can_be_is_taken(record: Record = EXAMPLE) -> None:
    assert entry_from(failed()).error == record.error
