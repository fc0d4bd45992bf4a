"""The check of what others wrote: a record that could not be is refused, by the name of the field.

In: a mapping, as JSON has it. Out: the `Entry` that a store can hold, in the one form in which it would hold it; or
the `BadRecord` that says what is wrong.
"""

from __future__ import annotations

from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any

from qacache.exchange.json_text import any_text, texts_text
from qacache.exchange.shape import ERROR, HEAD, MEDIA, RECORD, STREAM, VERSION, VERSION_FIELD
from qacache.record import MEDIA_FIELDS, BadRecord, Entry, RecordedFailure, path_fields, path_from_fields
from qacache.store import raw_answers
from qacache.times import iso_time_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from qacache.exchange.shape import Kind

_OF_PROBES = ("probed_at", "prober", "parser_version")
# what is left out of a stream where it says nothing
_SAYS_NOTHING: tuple[Any, ...] = (None, {}, [])
_MOST_SHOWN = 80
_MOST_SORTS = 4096
_LAST_MS = 253_402_300_799_999  # of the year 9999, which is as far as ISO 8601 goes


class _Fields:
    """The fields that an object may have, and those that it must."""

    def __init__(self, kinds: Mapping[str, Kind], *always: str) -> None:
        self._kinds = kinds
        self._always = always
        # types are looked at once for all objects that have the same: there are millions, of a few hundred sorts
        self._tests = lru_cache(_MOST_SORTS)(self._find_tests)

    def check(self, values: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], tuple[type, ...]]:
        """Return the names and types that `values` have; raises `BadRecord` by the name of what cannot be."""
        names, types = tuple(values), tuple(map(type, values.values()))
        tests = self._tests(names, types)
        if tests is None:
            raise self._refusal(values, where)
        for name, holds in tests:
            if not holds(values[name]):
                raise self._refusal(values, where)
        return names, types

    def _find_tests(
        self, names: Sequence[str], types: Sequence[type]
    ) -> Sequence[tuple[str, Callable[[Any], bool]]] | None:
        """Return what is to be tested of the values, None where their types are wrong already."""
        tests = []
        told = {name: kind for name, kind in zip(names, types, strict=True) if kind is not NoneType}
        for name, found in told.items():
            kind = self._kinds.get(name)
            if kind is None or not (found is kind.type or (kind.type, found) == (float, int)):
                return None
            if kind.holds is not None:
                tests.append((name, kind.holds))
        return tests if told.keys() >= set(self._always) and self._kinds.keys() >= set(names) else None

    def _refusal(self, values: Mapping[str, Any], where: str) -> BadRecord:
        for name, value in values.items():
            if name not in self._kinds:
                return BadRecord(f"no such field: {where}{name}")
            kind = self._kinds[name]
            is_right = type(value) is kind.type or (kind.type, type(value)) == (float, int)
            if value is not None and not (is_right and (kind.holds is None or kind.holds(value))):
                return BadRecord(f"{where}{name} is {kind.fault}: {_shown(value)}")
        missing = next(name for name in self._always if values.get(name) is None)
        return BadRecord(f"{where}{missing} is missing")


_RECORD = _Fields(RECORD, "size", "mtime_ns", "status", "first_seen", "last_seen")
_MEDIA = _Fields(MEDIA, "format_name", "streams")
_PART_OF_MEDIA = _Fields(MEDIA, "format_name")
_STREAM = _Fields(STREAM, "index")
_ERROR = _Fields(ERROR, "stage", "reason", "message", "attempts", "failed_at", "next_retry")


class NewerRecord(BadRecord):
    """A record says that it is of a version which this qacache does not know."""


def entry_from(record: Mapping[str, Any], *, is_partial: bool = False) -> Entry:
    """Return the entry that `record` tells of; raises `BadRecord`.

    With `is_partial`, the record comes from where neither tags nor streams are told.
    """
    _check_version(record)
    _RECORD.check(record, "")
    media, error, raw = record.get("media"), record.get("error"), record.get("raw")
    if media is not None:
        (_PART_OF_MEDIA if is_partial else _MEDIA).check(media, "media.")
    if error is not None:
        _ERROR.check(error, "error.")
    _check_sense(record)
    return Entry(
        _path(record),
        record["size"],
        record["mtime_ns"],
        record.get("digest"),
        record["status"],
        _time_ms(record, "first_seen"),
        _time_ms(record, "last_seen"),
        None if media is None else _time_ms(record, "probed_at"),
        record.get("prober"),
        record.get("parser_version"),
        None if media is None else tuple([media.get(name) for name in MEDIA_FIELDS]),
        None if media is None or is_partial else texts_text(media.get("tags") or {}),
        None if media is None or is_partial else any_text(list(_plain_streams(media["streams"]))),
        None if error is None else _failure(error),
        None if raw is None else raw_answers.pack(any_text(raw)),
    )


def _check_version(record: Mapping[str, Any]) -> None:
    version = record.get(VERSION_FIELD, VERSION)
    if version != VERSION:
        raise NewerRecord(f"the record is of version {_shown(version)}, this qacache knows {VERSION}")


def _check_sense(record: Mapping[str, Any]) -> None:
    """Refuse what each field allows, but not together."""
    status = record["status"]
    has_media = record.get("media") is not None
    for name in _OF_PROBES:
        if (record.get(name) is not None) != has_media:
            raise BadRecord(f"{name} is missing" if has_media else f"{name} is there, but no media")
    if status == "ok" and not has_media:
        raise BadRecord("status is ok, but there is no media")
    if (record.get("error") is not None, status) in ((True, "ok"), (False, "failed")):
        raise BadRecord(f"status is {status}, but there is {'an' if status == 'ok' else 'no'} error")


def _path(record: Mapping[str, Any]) -> bytes:
    path = path_from_fields(record)
    if record.get("path_b64") is not None and record.get("path") not in (None, path_fields(path)["path"]):
        raise BadRecord(f"path and path_b64 are two names: {_shown(record.get('path'))} and {_shown(path)}")
    is_plain = path[:1] == b"/" and path[-1:] != b"/" and b"//" not in path and b"\0" not in path
    if not is_plain or (b"/." in path and not {b".", b".."}.isdisjoint(path.split(b"/"))):
        raise BadRecord(f"path is no absolute path of a file: {_shown(record.get('path', path))}")
    return path


def _plain_streams(streams: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield each stream as `stream_to_dict` does: in its order, without what says nothing."""
    for position, stream in enumerate(streams):
        where = f"media.streams[{position}]"
        if type(stream) is not dict:
            raise BadRecord(f"{where} is no object: {_shown(stream)}")
        names, types = _STREAM.check(stream, f"{where}.")
        is_plain = _is_plain(names, types) and stream.get("disposition") != {} and stream.get("side_data_types") != []
        yield stream if is_plain else _plain(stream)


@lru_cache(_MOST_SORTS)
def _is_plain(names: tuple[str, ...], types: tuple[type, ...]) -> bool:
    in_order = tuple(name for name in STREAM if name in names or name == "codec_type")
    return names == in_order and NoneType not in types


def _plain(stream: Mapping[str, Any]) -> Mapping[str, Any]:
    told = {name: stream[name] for name in STREAM if name in stream and stream[name] not in _SAYS_NOTHING}
    return {"index": told.pop("index"), "codec_type": told.pop("codec_type", None), **told}


def _failure(error: Mapping[str, Any]) -> RecordedFailure:
    return RecordedFailure(
        error["stage"],
        error["reason"],
        error["message"],
        error["attempts"],
        _time_ms(error, "failed_at", "error."),
        _time_ms(error, "next_retry", "error."),
        error.get("prober"),
    )


def _time_ms(values: Mapping[str, Any], name: str, where: str = "") -> int:
    try:
        return _ms(values[name])
    except (ValueError, OverflowError):
        pass
    raise BadRecord(f"{where}{name} is {HEAD['first_seen'].fault}: {_shown(values[name])}")


# what was stored together was seen together
@lru_cache
def _ms(text: str) -> int:
    ms = iso_time_ms(text)
    if not 0 <= ms <= _LAST_MS:
        raise ValueError(text)
    return ms


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
