"""How programs are told of events: one object for each file, ready for JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

import pytest

from qacache.event_record import event_dicts, event_of, summary_dict
from qacache.events import Event, Failed, Planned, Reused, Summary, Unchanged, Unstable, Vanished, Waiting
from qacache.models import Failure
from qacache.record import BadRecord, Record, to_dict
from tests.rows import digest_of, failed, probed, reused, stat_of

A, RAW = b"/v/a.mp4", b"/v/caf\xe9.mp4"
RAW_FIELDS = {"path": "/v/caf\ufffd.mp4", "path_b64": base64.b64encode(RAW).decode()}
STAT = {"size": 1001, "mtime_ns": 1_700_000_000_123_456_789}
NO = {"stage": "probe", "reason": "invalid-data", "message": "no"}

EXAMPLES: list[tuple[Event, list[Mapping[str, Any]]]] = [
    (Unchanged([A, RAW]), [{"event": "unchanged", "path": "/v/a.mp4"}, {"event": "unchanged", **RAW_FIELDS}]),
    (
        reused(A, "x", RAW),
        [
            {
                "event": "reused",
                "path": "/v/a.mp4",
                **STAT,
                "digest": digest_of("x").hex(),
                "source": RAW_FIELDS["path"],
                "source_b64": RAW_FIELDS["path_b64"],
            }
        ],
    ),
    (
        Reused(stat_of(RAW), digest_of("x"), A),
        [{"event": "reused", **RAW_FIELDS, **STAT, "digest": digest_of("x").hex(), "source": "/v/a.mp4"}],
    ),
    (failed(A), [{"event": "failed", "path": "/v/a.mp4", **NO}]),
    (Failed(RAW, Failure("probe", "invalid-data", "no")), [{"event": "failed", **RAW_FIELDS, **NO}]),
    (Vanished(RAW), [{"event": "vanished", **RAW_FIELDS}]),
    (Unstable(A), [{"event": "unstable", "path": "/v/a.mp4"}]),
    (Planned(A, "changed"), [{"event": "planned", "path": "/v/a.mp4", "reason": "changed"}]),
    (Waiting(), []),
]


@pytest.mark.parametrize(("event", "told"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_an_event_is_told_with_all_that_it_knows(event: Event, told: list[Mapping[str, Any]]) -> None:
    assert list(event_dicts(event)) == told


def test_a_probed_file_is_told_with_its_media_as_the_record_has_it() -> None:
    event = probed(RAW, "x")
    [told] = event_dicts(event)
    record = Record(
        path=RAW,
        size=event.stat.size,
        mtime_ns=event.stat.mtime_ns,
        digest=event.digest.hex(),
        status="ok",
        first_seen_ms=0,
        last_seen_ms=0,
        prober=event.probe.prober,
        media=event.probe.media,
    )
    names = ("path", "path_b64", "size", "mtime_ns", "digest", "prober", "media")
    written = to_dict(record)
    assert told == {"event": "probed", **{name: written[name] for name in names}}


@pytest.mark.parametrize(
    "event", [*(event for event, _ in EXAMPLES), probed(RAW, "x")], ids=lambda event: type(event).__name__
)
def test_what_was_told_is_read_again(event: Event) -> None:
    told = list(event_dicts(event))
    read = [each for each in map(event_of, told) if each is not None]

    assert [again for each in read for again in event_dicts(each)] == (told if not isinstance(event, Planned) else [])


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"event": "vanished"},
        {"event": "failed", "path": "/a"},
        {"event": "probed", "path": "/a", "size": 1, "mtime_ns": 1, "digest": "zz"},
        {"event": "probed", "path": "/a", "size": 1, "mtime_ns": 1, "digest": "00", "prober": "x", "media": None},
        {"event": "reused", "path": "/a", "size": 1, "mtime_ns": 1, "digest": "00"},
    ],
)
def test_what_is_no_event_is_told(told: Mapping[str, Any]) -> None:
    with pytest.raises(BadRecord):
        event_of(told)


def test_every_kind_of_event_has_its_example_here() -> None:
    shown = {type(event) for event, _ in EXAMPLES} | {type(probed(A))}
    assert shown == set(get_args(Event))


def test_every_event_is_ready_for_json() -> None:
    for event in (*(event for event, _ in EXAMPLES), probed(A)):
        for told in event_dicts(event):
            assert json.loads(json.dumps(told)) == told


def test_a_summary_tells_all_its_counts_and_how_it_ended() -> None:
    summary = Summary(
        scan_id=7, state="interrupted", duration_s=1.5, refused=["root is missing: /x"], incomplete=["/nas"]
    )
    for event, _ in EXAMPLES:
        summary.add(event)
    summary.add(probed(A))
    assert summary_dict(replace(summary, found=11, abandoned=1)) == {
        "event": "summary",
        "scan_id": 7,
        "state": "interrupted",
        "found": 11,
        "bytes": 0,
        "unchanged": 2,
        "known_failures": 0,
        "probed": 1,
        "reused": 2,
        "failed": 2,
        "vanished": 1,
        "unstable": 1,
        "planned": 1,
        "abandoned": 1,
        "duration_s": 1.5,
        "refused": ["root is missing: /x"],
        "incomplete": ["/nas"],
        "changes": {},
    }
