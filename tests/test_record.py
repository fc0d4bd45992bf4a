"""The record: what is written is read back the same, and what is no record is refused by the name of its field."""

from __future__ import annotations

import base64
import json
from dataclasses import fields, replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.models import Hdr, MediaInfo, Orientation, Stage, Status, Stream
from qacache.record import (
    BadRecord,
    Record,
    RecordedFailure,
    from_dict,
    path_fields,
    path_from_fields,
    to_dict,
    unknown_dict,
)

MOMENTS = st.integers(0, 253_402_300_799_999)
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text()
PATHS = st.binary(min_size=1).map(lambda tail: b"/" + tail)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def of_fields(kind: type, **known: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of a dataclass: `known` says of what its fields are, and their annotations say it of the others."""
    by_annotation = {
        "str | None": maybe(TEXTS),
        "int | None": maybe(NUMBERS),
        "float | None": maybe(SECONDS),
        "Orientation | None": maybe(st.sampled_from(get_args(Orientation))),
        "Hdr | None": maybe(st.sampled_from(get_args(Hdr))),
    }
    others = {each.name: by_annotation[str(each.type)] for each in fields(kind) if each.name not in known}
    return st.builds(kind, **others | known)


STREAMS = of_fields(
    Stream,
    index=st.integers(0, 1000),
    disposition=st.dictionaries(TEXTS, st.integers(0, 1), max_size=3),
    side_data_types=st.lists(TEXTS, max_size=3).map(tuple),
)
MEDIA = of_fields(
    MediaInfo,
    format_name=TEXTS,
    tags=st.dictionaries(TEXTS, TEXTS, max_size=3),
    streams=st.lists(STREAMS, max_size=2).map(tuple),
)
FAILURES = st.builds(
    RecordedFailure,
    stage=st.sampled_from(get_args(Stage)),
    reason=TEXTS,
    message=TEXTS,
    attempts=st.integers(1, 99),
    failed_ms=MOMENTS,
    next_retry_ms=MOMENTS,
    prober=maybe(TEXTS),
)
RECORDS = st.builds(
    Record,
    path=PATHS,
    size=st.integers(0, (1 << 63) - 1),
    mtime_ns=NUMBERS,
    digest=maybe(st.binary(min_size=16, max_size=16).map(bytes.hex)),
    status=st.sampled_from(get_args(Status)),
    first_seen_ms=MOMENTS,
    last_seen_ms=MOMENTS,
    probed_ms=maybe(MOMENTS),
    prober=maybe(TEXTS),
    parser_version=maybe(NUMBERS),
    media=maybe(MEDIA),
    error=maybe(FAILURES),
)

EXAMPLE = Record(
    path=b"/v/a.mp4",
    size=5,
    mtime_ns=1_700_000_000_123_456_789,
    digest="00" * 16,
    status="ok",
    first_seen_ms=1_800_000_000_000,
    last_seen_ms=1_800_000_000_001,
    probed_ms=1_800_000_000_002,
    prober="ffprobe 5.1.9",
    parser_version=1,
    media=MediaInfo(
        format_name="mov,mp4",
        duration_s=1.5,
        width=64,
        tags={"title": "x"},
        streams=(
            Stream(index=0, codec_type="video", codec_name="h264", side_data_types=("Display Matrix",)),
            Stream(index=1),
        ),
    ),
    error=RecordedFailure("probe", "timeout", "took too long", 2, 1_800_000_000_003, 1_800_000_000_004, "libav 8.1"),
)


@given(RECORDS)
def test_a_record_that_was_written_is_read_the_same(record: Record) -> None:
    assert from_dict(to_dict(record)) == record


@given(RECORDS)
def test_a_record_survives_json(record: Record) -> None:
    assert from_dict(json.loads(json.dumps(to_dict(record)))) == record


def test_a_record_has_its_documented_shape() -> None:
    written = to_dict(EXAMPLE)
    media, error = written.pop("media"), written.pop("error")
    assert written == {
        "path": "/v/a.mp4",
        "size": 5,
        "mtime_ns": 1_700_000_000_123_456_789,
        "digest": "00" * 16,
        "status": "ok",
        "first_seen": "2027-01-15T08:00:00.000Z",
        "last_seen": "2027-01-15T08:00:00.001Z",
        "probed_at": "2027-01-15T08:00:00.002Z",
        "prober": "ffprobe 5.1.9",
        "parser_version": 1,
    }
    assert error == {
        "stage": "probe",
        "reason": "timeout",
        "message": "took too long",
        "attempts": 2,
        "failed_at": "2027-01-15T08:00:00.003Z",
        "next_retry": "2027-01-15T08:00:00.004Z",
        "prober": "libav 8.1",
    }
    streams = media.pop("streams")
    assert {name: value for name, value in media.items() if value is not None} == {
        "format_name": "mov,mp4",
        "duration_s": 1.5,
        "width": 64,
        "tags": {"title": "x"},
    }
    assert {"display_width", "display_height", "rotation", "orientation", "hdr", "video_codec", "audio_codec"} < set(
        media
    )
    assert streams == [
        {"index": 0, "codec_type": "video", "codec_name": "h264", "side_data_types": ["Display Matrix"]},
        {"index": 1, "codec_type": None},
    ]


@given(PATHS)
def test_any_path_is_written_and_read(path: bytes) -> None:
    assert path_from_fields(path_fields(path)) == path


def test_only_a_path_that_is_no_utf_8_is_also_written_in_base64() -> None:
    assert path_fields("/v/é\n.mp4".encode()) == {"path": "/v/é\n.mp4"}
    encoded = base64.b64encode(b"/v/caf\xe9").decode()
    assert path_fields(b"/v/caf\xe9") == {"path": "/v/caf\ufffd", "path_b64": encoded}


def test_an_unknown_path_has_the_fields_of_every_record() -> None:
    unknown = unknown_dict(b"/v/caf\xe9")
    known = to_dict(replace(EXAMPLE, path=b"/v/caf\xe9"))
    assert list(unknown) == list(known)
    assert {name for name, value in unknown.items() if value is not None} == {"path", "path_b64", "status"}
    assert unknown["status"] == "unknown"


@pytest.mark.parametrize("name", ["error", "media", "prober", "parser_version", "probed_at", "digest"])
def test_what_may_be_null_may_be_missing(name: str) -> None:
    written = to_dict(EXAMPLE)
    del written[name]
    without = {"probed_at": "probed_ms"}.get(name, name)
    assert from_dict(written) == replace(EXAMPLE, **{without: None})


def test_fields_of_newer_versions_are_passed_over() -> None:
    written: dict[str, Any] = json.loads(json.dumps(to_dict(EXAMPLE)))
    for place in (written, written["media"], written["media"]["streams"][0], written["error"]):
        place["from_the_future"] = {"x": 1}
    assert from_dict(written) == EXAMPLE


def changed(place: str, value: object) -> dict[str, Any]:
    """The example as it is written, but with `value` at `place`, such as `media.streams.0.index`."""
    written: dict[str, Any] = json.loads(json.dumps(to_dict(EXAMPLE)))
    *folders, name = place.split(".")
    target: Any = written
    for folder in folders:
        target = target[int(folder) if folder.isdigit() else folder]
    target[int(name) if name.isdigit() else name] = value
    return written


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *(("path", None), ("path", 5), ("path", b"/v"), ("path", "/v/\ud800"), ("path_b64", "?"), ("path_b64", 5)),
        *(("size", None), ("size", "5"), ("size", 5.0), ("size", True), ("mtime_ns", "now")),
        *(("status", "unheard"), ("status", None), ("digest", 5), ("prober", 5)),
        *(("first_seen", "yesterday"), ("first_seen", 5), ("last_seen", None), ("probed_at", "2027-13-01T00:00:00Z")),
        *(("media", []), ("media", "x"), ("media.format_name", None), ("media.tags", ["title"])),
        *(("media.streams", None), ("media.streams", {"index": 0}), ("media.streams.0", "x")),
        *(("media.streams.0.index", None), ("media.streams.0.disposition", 5), ("media.streams.0.side_data_types", 5)),
        *(("error", "bad"), ("error.stage", "unheard"), ("error.stage", None), ("error.reason", 5)),
        *(("error.message", None), ("error.attempts", "2"), ("error.next_retry", "soon"), ("error.next_retry", None)),
        *(("error.failed_at", None), ("error.prober", 5), ("parser_version", "1")),
    ],
)
def test_what_is_no_record_is_refused_by_the_name_of_the_field(place: str, value: object) -> None:
    with pytest.raises(BadRecord) as refused:
        from_dict(changed(place, value))
    field = place.removesuffix(".0").rpartition(".")[2]
    assert field in str(refused.value)
