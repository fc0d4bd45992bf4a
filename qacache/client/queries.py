"""Selections as parameters of a request: the inverse of `qacache.selection_text`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from qacache.config.units import format_duration
from qacache.errors import UsageError
from qacache.selection import RANDOM
from qacache.selection_text import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.selection import Selection, SortKey

_LISTS = (
    ("text", "texts"),
    ("name", "names"),
    ("under", "under"),
    ("orientation", "orientations"),
    ("resolution", "resolutions"),
    ("codec", "codecs"),
    ("audio-codec", "audio_codecs"),
    ("container", "containers"),
    ("hdr-format", "hdr"),
)
_LONG_S = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(moment_ns: int) -> str:
    # with its zone: the server may be in another one
    return (_EPOCH + timedelta(microseconds=moment_ns // 1000)).isoformat()


def _length(seconds: float) -> str:
    # to the millisecond, or to the second where hours make no difference of less
    return f"{seconds:.3f}" if seconds < _LONG_S else format_duration(round(seconds))


_BOUNDS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    *((f"{bound}-{side}", f"{bound}_{side}", str) for bound in ("min", "max") for side in ("width", "height")),
    ("bigger-than", "bigger_than", str),
    ("smaller-than", "smaller_than", str),
    ("longer-than", "longer_than_s", _length),
    ("shorter-than", "shorter_than_s", _length),
    ("modified-since", "modified_since_ns", _moment),
    ("modified-before", "modified_before_ns", _moment),
)


def parameters(selection: Selection) -> Iterator[tuple[str, str | bytes]]:
    """Yield the names and values that mean `selection`; raises `UsageError` for SQL, which no server takes."""
    if selection.where is not None:
        raise UsageError(
            "a server takes no --where: SQL is for those who have the store",
            hint="use the other criteria, or run it where the store is, with --db",
        )
    for name, field in _LISTS:
        yield from ((name, value) for value in getattr(selection, field))
    # a request that names no status means ok
    yield from (("status", status) for status in selection.statuses or (ANY,))
    for name, field, text_of in _BOUNDS:
        if (value := getattr(selection, field)) is not None:
            yield name, text_of(value)


def sort_parameters(order: Sequence[SortKey]) -> Iterator[tuple[str, str]]:
    """Yield the names and values that mean `order`; raises `UsageError` for a random one, which has no pages."""
    if RANDOM in order:
        raise UsageError("a server gives no random order", hint="list paths, and shuffle them: ... --print0 | shuf -z")
    yield from (("sort", f"{'-' if key.is_descending else ''}{key.column}") for key in order)
