"""The shape in which programs are told of events: what `qacache.record` is for files.

`event_dicts` and `summary_dict` make it, `event_of` and `summary_of` read it.
"""

from __future__ import annotations

from dataclasses import fields
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
from qacache.models import Failure, FileStat, Probe
from qacache.record import BadRecord, media_from_dict, media_to_dict, path_fields, path_from_fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qacache.events import Event

_STORED = ("probed", "reused")


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


def event_of(told: Mapping[str, Any]) -> Event | None:
    """Return the event that `event_dicts` told of, None for one that is none of a file's; raises `BadRecord`.

    What is not told is missing: inode and device, and the prober's raw answer.
    """
    try:
        return _event_of(told)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadRecord(f"no event of qacache's: {type(error).__name__} {error}") from error


def summary_of(told: Mapping[str, Any]) -> Summary:
    """Return the summary that `summary_dict` told of, or one with as much of it as there is."""
    known = {each.name for each in fields(Summary)}
    return Summary(**{name: value for name, value in told.items() if name in known and value is not None})


def _stat_fields(stat: FileStat) -> dict[str, Any]:
    return {**path_fields(stat.path), "size": stat.size, "mtime_ns": stat.mtime_ns}


def _event_of(told: Mapping[str, Any]) -> Event | None:
    name = told["event"]
    if name in _STORED:
        path = path_from_fields(told)
        stat = FileStat(path, int(told["size"]), int(told["mtime_ns"]), 0, 0)
        digest = bytes.fromhex(told["digest"])
        if name == "probed":
            return Probed(stat, digest, Probe(media_from_dict(told["media"]), {}, str(told["prober"]), 0))
        source = {"path": told["source"], "path_b64": told.get("source_b64")}
        return Reused(stat, digest, path_from_fields(source))
    if name == "failed":
        return Failed(path_from_fields(told), Failure(told["stage"], told["reason"], str(told["message"])))
    if name == "unchanged":
        return Unchanged([path_from_fields(told)])
    kinds: Mapping[str, type[Vanished | Unstable]] = {"vanished": Vanished, "unstable": Unstable}
    return kinds[name](path_from_fields(told)) if name in kinds else None


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
