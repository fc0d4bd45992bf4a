"""Rows of the store as records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qacache.record import MEDIA_FIELDS, Record, RecordedFailure, media_from_dict

if TYPE_CHECKING:
    from qacache.store.reader import Found

RECORD_COLUMNS = (
    *("file.digest", "file.first_seen_ms", "media.probed_ms", "media.prober"),
    *("failure.stage", "failure.reason", "failure.message", "failure.attempts", "failure.next_retry_ms"),
    *("media.tags", "media.streams"),
    *(f"media.{name}" for name in MEDIA_FIELDS),
)
"""What a whole record is made of, besides what every answer has."""


def record_of(found: Found) -> Record:
    """Return the record of a row that was looked up with `RECORD_COLUMNS`."""
    digest, first_seen_ms, probed_ms, prober, *rest = found.values
    stage, reason, message, attempts, next_retry_ms, tags, streams, *media = rest
    return Record(
        path=found.path,
        size=found.size,
        mtime_ns=found.mtime_ns,
        digest=digest.hex() if digest else None,
        status=found.status,
        first_seen_ms=first_seen_ms,
        last_seen_ms=found.last_seen_ms,
        probed_ms=probed_ms,
        prober=prober,
        media=None
        if streams is None
        else media_from_dict(
            {
                **dict(zip(MEDIA_FIELDS, media, strict=True)),
                "tags": json.loads(tags),
                "streams": json.loads(streams),
            }
        ),
        error=None if stage is None else RecordedFailure(stage, reason, message, attempts, next_retry_ms),
    )
