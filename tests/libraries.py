"""Scans of small libraries, for the tests of what scans leave in the store."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qacache.clock import Clock
from qacache.events import Event, Reused, Unchanged, Waiting, event_name
from qacache.exchange.exports import export
from qacache.record import Record
from qacache.scan.crew import Crew
from qacache.scan.discovery import Filters
from qacache.scan.mounts import Mounts
from qacache.scan.pipeline import Scan, ScanOptions
from qacache.store.session import Store
from tests.fakes import FakeProber

MP4 = Filters(["mp4"], ["._*", "@eaDir"])


def prepare_scan(store: Store, prober: FakeProber | None = None, *, clock: Clock | None = None, **options: Any) -> Scan:
    """A scan with `options` of `Crew`, `Mounts` and `ScanOptions`."""
    mounts = Mounts(**_taken(options, "hang_s", "network_concurrency", "limits"))
    crew = Crew(prober or FakeProber(), mounts, **_taken(options, "jobs", "rate"))
    return Scan(store, crew, ScanOptions(filters=MP4, **options), clock)


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def scan(
    store: Store, *roots: Path, prober: FakeProber | None = None, clock: Clock | None = None, **options: Any
) -> list[Event]:
    """Scan `roots` to the end; return what was told."""
    events = prepare_scan(store, prober, clock=clock, **options).events([os.fsencode(root) for root in roots])
    return [event for event in events if not isinstance(event, Waiting)]


def told(events: Iterable[Event]) -> dict[str, str]:
    """What became of each file, by file name."""
    outcomes = {}
    for event in events:
        for path in paths_of(event):
            outcomes[os.fsdecode(os.path.basename(path))] = event_name(event)
    return outcomes


def paths_of(event: Event) -> Sequence[bytes]:
    if isinstance(event, Unchanged):
        return event.paths
    stat = getattr(event, "stat", None)
    return [stat.path if stat else event.path]


def sources(events: Iterable[Event]) -> dict[str, str]:
    """Where the media of each reused file came from, by file names."""
    return {
        os.fsdecode(os.path.basename(event.stat.path)): os.fsdecode(os.path.basename(event.source))
        for event in events
        if isinstance(event, Reused)
    }


def stored(store: Store) -> list[Record]:
    """All that the store knows."""
    return [record for record in export(store.reader) if isinstance(record, Record)]


def timeless(records: Iterable[Record]) -> list[Record]:
    """The records without what depends on when they were written."""
    return [
        dataclasses.replace(
            record,
            first_seen_ms=0,
            last_seen_ms=0,
            probed_ms=None,
            error=record.error and record.error._replace(failed_ms=0, next_retry_ms=0),
        )
        for record in records
    ]


def contents(store: Store) -> dict[str, tuple[str, str | None]]:
    """Status and what the media tells of the content of each file, by file name."""
    return {
        os.fsdecode(os.path.basename(record.path)): (record.status, record.media and record.media.tags["content"])
        for record in stored(store)
    }
