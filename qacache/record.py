"""The record: the one shape in which qacache tells what it knows of a file, to programs and to other stores.

`to_dict` makes it, `from_dict` reads it; `--json`, exports and HTTP all pass through here. Fields that are not known
are left out of streams and are null elsewhere. Times are UTC, ISO 8601 with milliseconds.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from qacache.errors import QacacheError
from qacache.models import MediaInfo, Stage, Status, Stream
from qacache.times import iso_time, iso_time_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class BadRecord(QacacheError):
    """A mapping is not of the record's shape; the message names the field."""


class RecordedFailure(NamedTuple):
    """The last failure of a file. `attempts` counts those at this size and mtime with `prober`, None where none ran."""

    stage: Stage
    reason: str
    message: str
    attempts: int
    failed_ms: int
    next_retry_ms: int
    prober: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that the store knows of one file. Times ending in `_ms` are milliseconds since the epoch.

    `media` of a file that is not `ok` is what was last known of the same content; `parser_version` is that of the
    parser which read the prober's answer. `digest` is in hex.
    """

    path: bytes
    size: int
    mtime_ns: int
    digest: str | None
    status: Status
    first_seen_ms: int
    last_seen_ms: int
    probed_ms: int | None = None
    prober: str | None = None
    parser_version: int | None = None
    media: MediaInfo | None = None
    error: RecordedFailure | None = None


class Entry(NamedTuple):
    """The same as a `Record`, as the store has it: what moves between stores need not be taken apart.

    `media` has the values of `MEDIA_FIELDS`, `tags` and `streams` are the JSON of those fields; the three are None
    together, but that `tags` and `streams` alone are of what came from where these are not told. `raw` is the JSON of
    the prober's whole answer, zlib, where that is known and was asked for.
    """

    path: bytes
    size: int
    mtime_ns: int
    digest: str | None
    status: Status
    first_seen_ms: int
    last_seen_ms: int
    probed_ms: int | None
    prober: str | None
    parser_version: int | None
    media: tuple[Any, ...] | None
    tags: str | None
    streams: str | None
    error: RecordedFailure | None
    raw: bytes | None = None


def path_fields(path: bytes) -> dict[str, str]:
    """Return `path`, and `path_b64` where the name is no UTF-8 and `path` can only resemble it."""
    try:
        return {"path": path.decode()}
    except UnicodeDecodeError:
        return {"path": path.decode(errors="replace"), "path_b64": base64.b64encode(path).decode()}


def path_from_fields(record: Mapping[str, Any]) -> bytes:
    """Return the path that `path_fields` was given; raises `BadRecord`."""
    encoded = record.get("path_b64")
    if encoded is None:
        path: str = _expect(record, "path", str)
        try:
            return path.encode()
        except UnicodeEncodeError as error:
            raise BadRecord(f"path is no text: {path!r}") from error
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise BadRecord(f"path_b64 is no base64: {encoded!r}") from error


def to_dict(record: Record) -> dict[str, Any]:
    """Return the record as it is written, ready for JSON."""
    return {
        **head_to_dict(record),
        "media": media_to_dict(record.media) if record.media else None,
        "error": failure_to_dict(record.error) if record.error else None,
    }


def head_to_dict(record: Record | Entry) -> dict[str, Any]:
    """Return what the record has before `media` and `error`."""
    return {
        **path_fields(record.path),
        "size": record.size,
        "mtime_ns": record.mtime_ns,
        "digest": record.digest,
        "status": record.status,
        "first_seen": iso_time(record.first_seen_ms),
        "last_seen": iso_time(record.last_seen_ms),
        "probed_at": iso_time(record.probed_ms),
        "prober": record.prober,
        "parser_version": record.parser_version,
    }


def unknown_dict(path: bytes) -> dict[str, Any]:
    """Return the record of a path of which nothing is known: every field is there, and null."""
    names = (each.name for each in fields(Record) if each.name != "path")
    empty = dict.fromkeys(_WRITTEN.get(name, name) for name in names)
    return {**path_fields(path), **empty, "status": "unknown"}


def from_dict(record: Mapping[str, Any]) -> Record:
    """Return the record that `to_dict` wrote; raises `BadRecord`."""
    status = _expect(record, "status", str)
    if status not in get_args(Status):
        raise BadRecord(f"status is {status!r}: one of {', '.join(get_args(Status))}")
    return Record(
        path=path_from_fields(record),
        size=_expect(record, "size", int),
        mtime_ns=_expect(record, "mtime_ns", int),
        digest=_optional(record, "digest", str),
        status=cast("Status", status),
        first_seen_ms=_time(record, "first_seen"),
        last_seen_ms=_time(record, "last_seen"),
        probed_ms=None if record.get("probed_at") is None else _time(record, "probed_at"),
        prober=_optional(record, "prober", str),
        parser_version=_optional(record, "parser_version", int),
        media=None if (media := _optional(record, "media", dict)) is None else media_from_dict(media),
        error=None if (error := _optional(record, "error", dict)) is None else _failure_from_dict(error),
    )


def media_to_dict(media: MediaInfo) -> dict[str, Any]:
    """Return `media` as the record has it."""
    result = {name: getattr(media, name) for name in MEDIA_FIELDS}
    result["tags"] = dict(media.tags)
    result["streams"] = [stream_to_dict(stream) for stream in media.streams]
    return result


def media_from_dict(media: Mapping[str, Any]) -> MediaInfo:
    """Return the `MediaInfo` that `media_to_dict` wrote; fields of newer versions are passed over."""
    known: dict[str, Any] = {name: media.get(name) for name in MEDIA_FIELDS}
    if not isinstance(known["format_name"], str):
        raise BadRecord(f"media.format_name is no text: {known['format_name']!r}")
    streams = tuple(stream_from_dict(stream) for stream in _items(media.get("streams")))
    return MediaInfo(**known, tags=dict(_optional(media, "tags", dict) or {}), streams=streams)


def stream_to_dict(stream: Stream) -> dict[str, Any]:
    """Return `stream` as the record has it: its index and type, and else only what is known."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, default in _STREAM_FIELDS
        if (value := getattr(stream, name)) != default or name in {"index", "codec_type"}
    }


def stream_from_dict(stream: Mapping[str, Any]) -> Stream:
    """Return the `Stream` that `stream_to_dict` wrote; fields of newer versions are passed over."""
    known = {name: stream[name] for name, _ in _STREAM_FIELDS if name in stream}
    if not isinstance(known.get("index"), int):
        raise BadRecord(f"streams have an index each: {dict(stream)!r}")
    known["disposition"] = _optional(stream, "disposition", dict) or {}
    known["side_data_types"] = tuple(_optional(stream, "side_data_types", list) or ())
    return Stream(**known)


def failure_to_dict(failure: RecordedFailure) -> dict[str, Any]:
    """Return `failure` as the record has it."""
    return {
        "stage": failure.stage,
        "reason": failure.reason,
        "message": failure.message,
        "attempts": failure.attempts,
        "failed_at": iso_time(failure.failed_ms),
        "next_retry": iso_time(failure.next_retry_ms),
        "prober": failure.prober,
    }


def _defaults(kind: type) -> list[tuple[str, object]]:
    return [
        (each.name, each.default_factory() if each.default_factory is not MISSING else each.default)
        for each in fields(kind)
    ]


_STREAM_FIELDS = _defaults(Stream)

# the fields that are written by another name than `Record`'s
_WRITTEN = {"first_seen_ms": "first_seen", "last_seen_ms": "last_seen", "probed_ms": "probed_at"}

MEDIA_FIELDS = tuple(each.name for each in fields(MediaInfo) if each.name not in {"tags", "streams"})
"""The names of the fields of `MediaInfo` that hold one value each, in order."""


def _failure_from_dict(error: Mapping[str, Any]) -> RecordedFailure:
    stage = _expect(error, "stage", str)
    if stage not in get_args(Stage):
        raise BadRecord(f"error.stage is {stage!r}: one of {', '.join(get_args(Stage))}")
    return RecordedFailure(
        stage=cast("Stage", stage),
        reason=_expect(error, "reason", str),
        message=_expect(error, "message", str),
        attempts=_expect(error, "attempts", int),
        failed_ms=_time(error, "failed_at"),
        next_retry_ms=_time(error, "next_retry"),
        prober=_optional(error, "prober", str),
    )


def _expect(record: Mapping[str, Any], name: str, kind: type) -> Any:
    value = record.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise BadRecord(f"{name} is no {kind.__name__}: {value!r}")
    return value


def _optional(record: Mapping[str, Any], name: str, kind: type) -> Any:
    return None if record.get(name) is None else _expect(record, name, kind)


def _items(streams: object) -> Iterable[Mapping[str, Any]]:
    if not isinstance(streams, list) or not all(isinstance(stream, dict) for stream in streams):
        raise BadRecord(f"media.streams is no list of objects: {streams!r}")
    return streams


def _time(record: Mapping[str, Any], name: str) -> int:
    text = _expect(record, name, str)
    try:
        return iso_time_ms(text)
    except ValueError as error:
        raise BadRecord(f"{name} is no ISO 8601 time: {text!r}") from error
