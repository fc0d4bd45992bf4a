"""Records of a server as rows: what a store gives to whoever asks for columns, made of what a server sends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qacache.errors import ServerError
from qacache.record import MEDIA_FIELDS, BadRecord, RecordedFailure, from_dict, media_to_dict
from qacache.store import layouts
from qacache.store.reader import COLUMNS, Found
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qacache.record import Record


def found_of(record: Mapping[str, Any], columns: tuple[str, ...]) -> Found:
    """Return the row of a record, with `columns` (SQL expressions of the store); raises `ServerError`."""
    try:
        known = from_dict(record)
        values = tuple(VALUES[column](known) for column in columns)
    except (BadRecord, TypeError, ValueError) as error:
        raise ServerError(f"a record of the server cannot be read: {error}", hint=_OTHER_VERSION) from error
    return Found(known.path, known.status, known.last_seen_ms, known.size, known.mtime_ns, values)


_OTHER_VERSION = "is it of another version? compare: qacache --version"


def _of_media(name: str) -> Callable[[Record], Any]:
    return lambda record: getattr(record.media, name, None)


def _of_failure(name: str) -> Callable[[Record], Any]:
    return lambda record: getattr(record.error, name, None)


def _json_of_media(name: str) -> Callable[[Record], Any]:
    return lambda record: json.dumps(media_to_dict(record.media)[name]) if record.media else None


# each by the SQL that reads it: to whoever shows rows, it makes no difference where they are from
_SHOWN: Mapping[str, Callable[[Record], Any]] = {
    **{COLUMNS[name]: _of_media(name) for name in MEDIA_FIELDS},
    COLUMNS["size"]: lambda record: record.size,
    COLUMNS["mtime_ns"]: lambda record: record.mtime_ns,
    COLUMNS["digest"]: lambda record: record.digest,
    COLUMNS["first_seen"]: lambda record: iso_time(record.first_seen_ms),
    COLUMNS["probed_at"]: lambda record: iso_time(record.probed_ms),
    COLUMNS["prober"]: lambda record: record.prober,
    COLUMNS["error"]: _of_failure("reason"),
    COLUMNS["error_message"]: _of_failure("message"),
}
_WHOLE: Mapping[str, Callable[[Record], Any]] = {
    "file.digest": lambda record: record.digest and bytes.fromhex(record.digest),
    "file.first_seen_ms": lambda record: record.first_seen_ms,
    "media.probed_ms": lambda record: record.probed_ms,
    "media.prober": lambda record: record.prober,
    "media.parser_version": lambda record: record.parser_version,
    **{f"failure.{name}": _of_failure(name) for name in RecordedFailure._fields},
    "media.tags": _json_of_media("tags"),
    layouts.COLUMN: _json_of_media("streams"),
}

VALUES = {**_SHOWN, **_WHOLE}
"""What reads each column of the store from a record."""
