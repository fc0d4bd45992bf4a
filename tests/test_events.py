"""Events: what is counted of them, and what programs are told."""

from __future__ import annotations

import base64
import json
import typing
from pathlib import Path
from typing import Any

import pytest

from qacache.event_record import event_dicts, summary_dict
from qacache.events import (
    Event,
    Failed,
    Planned,
    Probed,
    Reused,
    Summary,
    Unchanged,
    Unstable,
    Vanished,
    Waiting,
    event_name,
    is_stored,
)
from qacache.models import Failure, FileStat, MediaInfo, Probe, Stream
from qacache.record import media_to_dict, path_from_fields
from qacache.store.session import Store
from tests.libraries import prepare_scan
from tests.media import make_file

STAT = FileStat(b"/v/x.mp4", 7, 123, 1, 2)
MEDIA = MediaInfo(format_name="mov", duration_s=1.5, streams=(Stream(index=0, codec_type="video"),))
FAILURE = Failure("probe", "invalid-data", "no video")
EVENTS: dict[str, Event] = {
    "unchanged": Unchanged([b"/v/a.mp4", b"/v/b.mp4"], known_failures=1),
    "probed": Probed(STAT, b"\x01\xff", Probe(MEDIA, {"raw": 1}, "fake 1", 1)),
    "reused": Reused(STAT, b"\x01\xff", b"/v/old.mp4"),
    "failed": Failed(STAT.path, FAILURE, STAT, b"\x01\xff", "fake 1"),
    "vanished": Vanished(STAT.path),
    "unstable": Unstable(STAT.path),
    "planned": Planned(STAT.path, "new"),
    "waiting": Waiting(),
}


def told(event: Event) -> list[dict[str, Any]]:
    """The event as programs read it, out of JSON."""
    return [json.loads(json.dumps(each)) for each in event_dicts(event)]


def test_there_is_an_example_of_every_event() -> None:
    assert {type(event) for event in EVENTS.values()} == set(typing.get_args(Event))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_called_by_its_name_in_lower_case(name: str) -> None:
    assert event_name(EVENTS[name]) == name


def test_only_what_changes_the_store_is_stored() -> None:
    assert {name for name, event in EVENTS.items() if is_stored(event)} == {"probed", "reused", "failed", "vanished"}


def test_a_summary_counts_files_not_events() -> None:
    summary = Summary()
    for event in EVENTS.values():
        summary.add(event)

    assert summary.counts() == {
        **dict.fromkeys(("probed", "reused", "failed", "vanished", "unstable", "planned", "known_failures"), 1),
        "unchanged": 2,
        **dict.fromkeys(("found", "bytes", "abandoned", "duration_s"), 0),
    }
    assert summary.done == 7


def test_a_run_of_unchanged_files_is_told_file_by_file() -> None:
    assert told(EVENTS["unchanged"]) == [
        {"event": "unchanged", "path": "/v/a.mp4"},
        {"event": "unchanged", "path": "/v/b.mp4"},
    ]


def test_a_probe_is_told_with_its_media() -> None:
    assert told(EVENTS["probed"]) == [
        {
            "event": "probed",
            "path": "/v/x.mp4",
            "size": 7,
            "mtime_ns": 123,
            "digest": "01ff",
            "prober": "fake 1",
            "media": media_to_dict(MEDIA),
        }
    ]


def test_reused_content_is_told_with_its_source() -> None:
    assert told(EVENTS["reused"]) == [
        {
            "event": "reused",
            "path": "/v/x.mp4",
            "size": 7,
            "mtime_ns": 123,
            "digest": "01ff",
            "source": "/v/old.mp4",
        }
    ]


def test_a_failure_is_told_with_its_stage_reason_and_message() -> None:
    assert told(EVENTS["failed"]) == [
        {"event": "failed", "path": "/v/x.mp4", "stage": "probe", "reason": "invalid-data", "message": "no video"}
    ]


def test_a_plan_is_told_with_its_reason() -> None:
    assert told(EVENTS["planned"]) == [{"event": "planned", "path": "/v/x.mp4", "reason": "new"}]


@pytest.mark.parametrize("name", ["vanished", "unstable"])
def test_what_has_only_a_path_is_told_with_it(name: str) -> None:
    assert told(EVENTS[name]) == [{"event": name, "path": "/v/x.mp4"}]


def test_waiting_is_not_told() -> None:
    assert told(Waiting()) == []


def test_names_that_are_no_text_are_told_so_that_they_can_be_read_back() -> None:
    path, source = b"/v/caf\xe9.mp4", b"/v/\xff.mp4"

    (event,) = told(Reused(STAT._replace(path=path), b"", source))

    assert path_from_fields(event) == path
    assert base64.b64decode(event["source_b64"]) == source
    assert event["source"] == "/v/\ufffd.mp4"


def test_the_summary_of_a_scan_is_told_last(store: Store, library: Path) -> None:
    make_file(library / "x.mp4", b"content")
    run = prepare_scan(store)
    list(run.events([str(library).encode()]))

    assert summary_dict(run.summary) | {"duration_s": 0} == {
        "event": "summary",
        "scan_id": 1,
        "state": "complete",
        "found": 1,
        "bytes": 7,
        "probed": 1,
        **dict.fromkeys(("unchanged", "known_failures", "reused", "failed", "vanished", "unstable"), 0),
        **dict.fromkeys(("planned", "abandoned", "duration_s"), 0),
        "refused": [],
        "incomplete": [],
        "changes": {"added": 1},
    }
