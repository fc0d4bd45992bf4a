"""The shape of a record, field by field: what each may hold.

`qacache.record` writes the fields; here is what may stand in them, for whoever reads records that anybody may have
written. A field may be null wherever that is not said otherwise (see `qacache.exchange.check`).
"""

from __future__ import annotations

import re
from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from qacache.models import Hdr, MediaInfo, Orientation, Stage, Stream
from qacache.probe.values import LARGEST, LONGEST_S, rational
from qacache.record import MEDIA_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

VERSION = 1
"""The version of the shape: raised when an older qacache would misread a newer record."""

VERSION_FIELD = "qacache"
"""The field in which each record of an export names its version; JSON elsewhere does without."""

STATUSES = ("ok", "failed", "vanished")
"""What a stored file may be."""

_FULL_TURN = 360
_WHOLE_TEXT = re.compile("-?[0-9]{1,19}")
_NUMBER_TEXT = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
_DIGEST = re.compile("[0-9a-f]{32}")


class Kind(NamedTuple):
    """What a field may hold, by type and, where it is not None, by a further test; and what anything else is.

    Where the type is `float`, whole numbers will do. `from_text` reads what a cell of a table has; raises `ValueError`.
    """

    fault: str
    type: type
    holds: Callable[[Any], bool] | None = None
    from_text: Callable[[str], Any] = str


def _whole_from(text: str) -> int:
    # `int` takes spaces, underscores and the digits of all scripts, too, which no program writes
    if not _WHOLE_TEXT.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number_from(text: str) -> float:
    if not _NUMBER_TEXT.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _one_of(names: Collection[str]) -> Kind:
    return Kind(f"none of {', '.join(names)}", str, frozenset(names).__contains__)


# these run dozens of times for each of millions of records: a range looks at a number in half the time of a function
_TEXT = Kind("no text", str)
_COUNT = Kind("no whole number from 0", int, range(LARGEST + 1).__contains__, _whole_from)
_WHOLE = Kind("no whole number of 64 bits", int, range(-LARGEST - 1, LARGEST + 1).__contains__, _whole_from)
_SECONDS = Kind("no number of seconds", float, lambda value: 0 <= value < LONGEST_S, _number_from)
_ANGLE = Kind("no angle in degrees", int, range(-_FULL_TURN, _FULL_TURN + 1).__contains__, _whole_from)
# there are few of them, of which most files have the same
_RATIO = Kind("no ratio such as 30000/1001 or 16:9", str, lru_cache(lambda value: rational(value) is not None))
_TIME = Kind("no time such as 2026-11-22T11:28:00.123Z", str)
_OBJECT = Kind("no object", dict)
_LIST = Kind("no list", list)

_BY_ANNOTATION = {
    "int": _COUNT,
    "int | None": _COUNT,
    "str": _TEXT,
    "str | None": _TEXT,
    "float | None": _SECONDS,
    "Orientation | None": _one_of(get_args(Orientation)),
    "Hdr | None": _one_of(get_args(Hdr)),
    "Mapping[str, str]": Kind(
        "no object of texts", dict, lambda value: all(type(each) is str for each in value.values())
    ),
    "Mapping[str, int]": Kind(
        "no object of numbers",
        dict,
        lambda value: all(type(each) is int and 0 <= each <= LARGEST for each in value.values()),
    ),
    "tuple[str, ...]": Kind("no list of texts", list, lambda value: all(type(each) is str for each in value)),
    "tuple[Stream, ...]": _LIST,
}
_BY_NAME = {
    "rotation": _ANGLE,
    "avg_frame_rate": _RATIO,
    "r_frame_rate": _RATIO,
    "sample_aspect_ratio": _RATIO,
    "display_aspect_ratio": _RATIO,
}


def _kinds(model: type) -> Mapping[str, Kind]:
    return {each.name: _BY_NAME.get(each.name) or _BY_ANNOTATION[str(each.type)] for each in fields(model)}


HEAD: Mapping[str, Kind] = {
    "path": _TEXT,
    "path_b64": _TEXT,
    "size": _COUNT,
    "mtime_ns": _WHOLE,
    "digest": Kind("no digest of 32 hex digits", str, lambda value: _DIGEST.fullmatch(value) is not None),
    "status": _one_of(STATUSES),
    "first_seen": _TIME,
    "last_seen": _TIME,
    "probed_at": _TIME,
    "prober": _TEXT,
    "parser_version": _COUNT,
}
"""The fields before `media` and `error`."""

MEDIA: Mapping[str, Kind] = _kinds(MediaInfo)
"""The fields of `media`."""

MEDIA_VALUES: Mapping[str, Kind] = {name: MEDIA[name] for name in MEDIA_FIELDS}
"""The fields of `media` that hold one value each."""

STREAM: Mapping[str, Kind] = _kinds(Stream)
"""The fields of a stream, which are left out where they are not known."""

ERROR: Mapping[str, Kind] = {
    "stage": _one_of(get_args(Stage)),
    "reason": _TEXT,
    "message": _TEXT,
    "attempts": _COUNT,
    "failed_at": _TIME,
    "next_retry": _TIME,
    "prober": _TEXT,
}
"""The fields of `error`."""

RECORD: Mapping[str, Kind] = {VERSION_FIELD: _COUNT, **HEAD, "media": _OBJECT, "error": _OBJECT, "raw": _OBJECT}
"""All of a record; `raw`, the prober's whole answer, is only in exports that were to have it."""
