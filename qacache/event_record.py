"""The shape in which programs are told of events: what `qacache.record` is for files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from qacache.events import (
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
)
from qacache.record import media_to_dict, path_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qacache.events import Event
    from qacache.models import FileStat


def event_dicts(event: Event) -> Iterator[dict[str, Any]]:
    """Yield the event as programs see it, ready for JSON; a run of unchanged files is an event a file."""
    name = {"event": event_name(event)}
    if isinstance(event, Unchanged):
        yield from ({**name, **path_fields(path)} for path in event.paths)
    elif not isinstance(event, Waiting):
        yield {**name, **_details(event)}


def summary_dict(summary: Summary) -> dict[str, Any]:
    """Return the end of a scan as programs see it."""
    head = {"event": "summary", "scan_id": summary.scan_id, "state": summary.state}
    roots = {"refused": summary.refused, "incomplete": summary.incomplete}
    return {**head, **summary.counts(), **roots, "changes": summary.changes}


def _stat_fields(stat: FileStat) -> dict[str, Any]:
    return {**path_fields(stat.path), "size": stat.size, "mtime_ns": stat.mtime_ns}


def _details(event: Probed | Reused | Failed | Vanished | Unstable | Planned) -> dict[str, Any]:
    match event:
        case Probed(stat, digest, probe):
            media = media_to_dict(probe.media)
            return {**_stat_fields(stat), "digest": digest.hex(), "prober": probe.prober, "media": media}
        case Reused(stat, digest, source):
            origin = {f"source{key.removeprefix('path')}": text for key, text in path_fields(source).items()}
            return {**_stat_fields(stat), "digest": digest.hex(), **origin}
        case Failed(path, failure):
            reason = {"stage": failure.stage, "reason": failure.reason, "message": failure.message}
            return {**path_fields(path), **reason}
        case Planned(path, reason):
            return {**path_fields(path), "reason": reason}
        case Vanished(path) | Unstable(path):
            return path_fields(path)
        case _:
            assert_never(event)
