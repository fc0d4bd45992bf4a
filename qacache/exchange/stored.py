"""Records out of a store: a snapshot, or the whole store of another qacache, which may be writing to it."""

from __future__ import annotations

import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qacache.errors import SchemaForeign, SchemaOutdated, SchemaTooNew, StoreCorrupt, StoreError
from qacache.exchange.inputs import Unreadable
from qacache.exchange.json_text import refuse_halves
from qacache.record import MEDIA_FIELDS, BadRecord, failure_to_dict, head_to_dict
from qacache.store import raw_answers
from qacache.store.reader import Reader
from qacache.store.records import RAW_COLUMN, RECORD_COLUMNS, entry_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from qacache.store.reader import Found

# of one's own store there is other advice
_HINTS: Mapping[type[StoreError], str] = {
    SchemaForeign: "name an export, a snapshot or a store of qacache",
    SchemaOutdated: "bring it up to date first: qacache migrate --db FILE",
    SchemaTooNew: "upgrade qacache",
    StoreCorrupt: "get it again, whole",
}


def records(path: str) -> Iterator[tuple[int, Mapping[str, Any] | BadRecord]]:
    """Yield the records of the store at `path` in path order, numbered, each as a mapping or why it is none.

    Raises `Unreadable` where it is no store that this qacache can read.
    """
    with _explained(), Reader(path) as reader:
        for number, found in enumerate(reader.below(b"/", (*RECORD_COLUMNS, RAW_COLUMN)), 1):
            try:
                yield number, _record(found)
            # SQLite keeps what is put into a column, whatever the column is for
            except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError, zlib.error) as error:
                yield number, BadRecord(f"it holds what no qacache wrote: {error}")


def _record(found: Found) -> Mapping[str, Any]:
    entry = entry_of(found)
    record = head_to_dict(entry)
    if entry.media is not None:
        record["media"] = dict(zip(MEDIA_FIELDS, entry.media, strict=True))
        record["media"]["tags"] = _value(entry.tags or "null")
        record["media"]["streams"] = _value(entry.streams or "null")
    if entry.error is not None:
        record["error"] = failure_to_dict(entry.error)
    if entry.raw is not None:
        record["raw"] = _value(raw_answers.unpack(entry.raw))
    return record


def _value(text: str) -> Any:
    value = json.loads(text)
    refuse_halves(text, value)
    return value


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        raise Unreadable(f"cannot be read: {error}", hint=_HINTS.get(type(error), error.hint)) from error
