"""Rows of the store as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qacache.record import MEDIA_FIELDS, Entry, Record, RecordedFailure, media_from_dict
from qacache.store import layouts

if TYPE_CHECKING:
    from qacache.store.reader import Found

MEDIA_COLUMNS = ("file_id", "prober", "parser_version", "probed_ms", *MEDIA_FIELDS, "tags", "layouts")
"""The columns of the table `media`."""

RECORD_COLUMNS = (
    *("file.digest", "file.first_seen_ms", "media.probed_ms", "media.prober", "media.parser_version"),
    *(f"failure.{name}" for name in RecordedFailure._fields),
    *("media.tags", layouts.COLUMN),
    *(f"media.{name}" for name in MEDIA_FIELDS),
)
"""What a whole record is made of, besides what every answer has."""

RAW_COLUMN = "(SELECT json FROM raw_probe WHERE raw_probe.file_id = file.id)"
"""The column to add to those of a record for entries that hold the prober's whole answer."""

_FAILURE = slice(5, 5 + len(RecordedFailure._fields))
_MEDIA = slice(_FAILURE.stop + 2, _FAILURE.stop + 2 + len(MEDIA_FIELDS))


def entry_of(found: Found) -> Entry:
    """Return the entry of a row that was looked up with `RECORD_COLUMNS`, and perhaps `RAW_COLUMN`."""
    values = found.values
    digest, first_seen_ms, probed_ms, prober, parser_version = values[:5]
    tags, streams = values[_FAILURE.stop : _MEDIA.start]
    return Entry(
        found.path,
        found.size,
        found.mtime_ns,
        digest.hex() if digest else None,
        found.status,
        first_seen_ms,
        found.last_seen_ms,
        probed_ms,
        prober,
        parser_version,
        None if streams is None else tuple(values[_MEDIA]),
        tags,
        streams,
        None if values[_FAILURE.start] is None else RecordedFailure(*values[_FAILURE]),
        values[_MEDIA.stop] if len(values) > _MEDIA.stop else None,
    )


def record_of(found: Found) -> Record:
    """Return the record of a row that was looked up with `RECORD_COLUMNS`."""
    entry = entry_of(found)
    media = None
    if entry.media is not None:
        known = dict(zip(MEDIA_FIELDS, entry.media, strict=True))
        tags, streams = json.loads(entry.tags or "{}"), json.loads(entry.streams or "[]")
        media = media_from_dict({**known, "tags": tags, "streams": streams})
    return Record(
        path=entry.path,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        digest=entry.digest,
        status=entry.status,
        first_seen_ms=entry.first_seen_ms,
        last_seen_ms=entry.last_seen_ms,
        probed_ms=entry.probed_ms,
        prober=entry.prober,
        parser_version=entry.parser_version,
        media=media,
        error=entry.error,
    )
