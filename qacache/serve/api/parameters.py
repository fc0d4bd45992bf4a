"""Parameters of queries: texts come in, values go out; what is none of its kind is told by its name."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.selection import NothingFits
from qacache.selection_text import HDR_FORMATS, ORIENTATIONS, RESOLUTIONS, STATUSES, BadText, parse_selection
from qacache.serve.routes import Parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from qacache.selection import Selection
    from qacache.serve.services import Services

# what is written here is said in the OpenAPI document, and holds
PATH_PATTERN = r"/[^\x00]*"
DURATION_PATTERN = (
    r"[0-9]{1,4}(\.[0-9]{1,3})?(d|h|m|s|ms)?"
    r"|[0-9]{1,4}d([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,4}s)?|[0-9]{1,4}h([0-9]{1,4}m)?([0-9]{1,4}s)?"
    r"|[0-9]{1,4}m[0-9]{1,4}s"
)
SIZE_PATTERN = r"[0-9]{1,18}B?|[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGTkmgt]i?[Bb]?"
_WORDS = r"[^\x00]+"
_MOMENTS: Sequence[Mapping[str, Any]] = (
    {"pattern": r"^[0-9]{1,4}(d|h|m|s)$"},
    {"pattern": "^[1-9][0-9]{3}(-(0[1-9]|1[0-2]))?$"},
    {"format": "date"},
    {"format": "date-time"},
)

UNDER = Parameter(
    "under",
    "Only what is at or below this file or folder. Lists name files as this does, and without it as the store does.",
    is_list=True,
    example="/mnt/media/films",
    pattern=PATH_PATTERN,
)

CRITERIA = (
    Parameter(
        "text", "Only paths that have this in them, in any case.", is_list=True, example="holiday", pattern=_WORDS
    ),
    Parameter("name", "Only such names, in any case, with * and ?.", is_list=True, example="*.mov", pattern=_WORDS),
    UNDER,
    Parameter("status", "Only what was so at the last scan; by default ok.", values=STATUSES, is_list=True),
    Parameter("orientation", "Only what is displayed so.", values=ORIENTATIONS, is_list=True),
    Parameter("resolution", "Only about this size.", values=RESOLUTIONS, is_list=True),
    *(
        Parameter(f"{bound}-{side}", f"Only what is displayed {words} pixels {how}.", "integer", minimum=1)
        for bound, words in (("min", "at least so many"), ("max", "at most so many"))
        for side, how in (("width", "wide"), ("height", "high"))
    ),
    Parameter("codec", "Only video in this codec.", is_list=True, example="hevc", pattern=_WORDS),
    Parameter("audio-codec", "Only with sound in this codec.", is_list=True, example="aac", pattern=_WORDS),
    Parameter("container", "Only files in this format.", is_list=True, example="mkv", pattern=_WORDS),
    Parameter("hdr-format", "Only this dynamic range.", values=HDR_FORMATS, is_list=True),
    Parameter("longer-than", "Only what is longer, such as 10m or 1h30m.", example="10m", pattern=DURATION_PATTERN),
    Parameter("shorter-than", "Only what is shorter, such as 2h.", example="2h", pattern=DURATION_PATTERN),
    Parameter("bigger-than", "Only bigger files, such as 700M, 2GB or 4GiB.", example="700M", pattern=SIZE_PATTERN),
    Parameter("smaller-than", "Only smaller files.", example="4GiB", pattern=SIZE_PATTERN),
    Parameter(
        "modified-since",
        "Only what was modified in the last 30d, or since 2026-01-31.",
        example="2026-01-31",
        schemas=_MOMENTS,
    ),
    Parameter(
        "modified-before",
        "Only what was modified more than 30d ago, or before a date.",
        example="30d",
        schemas=_MOMENTS,
    ),
)
"""The criteria of `find`, but for SQL: that is for those to write who have the store."""


def selection_of(
    services: Services, query: Mapping[str, Sequence[str]], *, statuses: Sequence[str] = ()
) -> Selection | None:
    """Return what is meant, None where no file can fit, or none is known in `under`. Raises `UsageError`."""
    given = {each.name: query.get(each.name, ()) for each in CRITERIA if each is not UNDER}
    given["status"] = given["status"] or statuses
    try:
        with told_without_text():
            selection = parse_selection(given, now_s=time.time())
    except NothingFits:
        return None
    named = query.get(UNDER.name, ())
    if not named:
        return selection
    reader = services.readers.reader()
    places = [reader.name_of(path) for path in paths_of(services, named)]
    known = tuple(place for place in places if place is not None)
    # of nothing else than these places, and so of nothing
    return replace(selection, under=known) if known else None


@contextmanager
def told_without_text() -> Iterator[None]:
    """Let what is wrong in the block be told in other words: no answer repeats what was sent."""
    try:
        yield
    except BadText as error:
        key = error.key
        limits = f" ({key.limits()})" if key.limits() else ""
        raise UsageError(f"{key.name} is no {key.kind.noun}{limits}", hint=f"write {key.kind.forms}") from error


def paths_of(services: Services, texts: Sequence[str]) -> list[bytes]:
    """Return the paths that a client names, as the store has them; raises `UsageError`."""
    return [services.paths.there_and_back(absolute_path(text))[0] for text in texts]


def asked_names(services: Services, texts: Sequence[str]) -> Callable[[bytes], bytes]:
    """Return what makes of paths in the store what the client calls them, who named these files and folders."""
    back = [services.paths.there_and_back(absolute_path(text))[1] for text in texts]

    def name(path: bytes) -> bytes:
        return next((theirs for theirs in (each(path) for each in back) if theirs != path), path)

    return name


def absolute_path(text: str) -> bytes:
    """Return a path of a client's in its plain form; raises `UsageError` for one that is not absolute."""
    try:
        return absolute_bytes(os.fsencode(text))
    except UnicodeEncodeError as error:
        raise UsageError("a path is no Unicode") from error


def absolute_bytes(path: bytes) -> bytes:
    """Return the same of a path in bytes."""
    if not path.startswith(b"/"):
        raise UsageError("a path is not absolute", hint="send it from its first slash on")
    return absolute(path)


def number_of(query: Mapping[str, Sequence[str]], parameter: Parameter, default: int) -> int:
    """Return the number that a parameter is given, or `default`."""
    texts = query.get(parameter.name)
    return int(texts[-1]) if texts else default
