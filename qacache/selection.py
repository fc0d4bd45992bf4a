"""Selections: which files are meant, and in which order, as plain data.

Options of a command, or parameters of a request, come in; `qacache.store.search` finds what is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from qacache.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from qacache.models import Hdr, Orientation, Status
    from qacache.resolution import Resolution

BRIGHT: Final[tuple[Hdr, ...]] = ("hdr10", "hlg", "dolby-vision")
"""The formats that are HDR: all but `sdr`."""

CODEC_ALIASES = {
    "h265": "hevc",
    "x265": "hevc",
    "h.265": "hevc",
    "avc": "h264",
    "x264": "h264",
    "h.264": "h264",
    "xvid": "mpeg4",
    "divx": "mpeg4",
    "mpeg2": "mpeg2video",
    "mpeg1": "mpeg1video",
}
"""ffprobe's names of codecs, by what else people call them."""

CONTAINER_ALIASES = {
    "mkv": "matroska",
    "m4v": "mp4",
    "ts": "mpegts",
    "m2ts": "mpegts",
    "mts": "mpegts",
    "mpg": "mpeg",
    "vob": "mpeg",
    "wmv": "asf",
    "ogv": "ogg",
}
"""One of ffprobe's names of a format, by what else people call it."""


class NothingFits(UsageError):
    """A selection contradicts itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Criteria that all have to hold for a file to be meant; one that is empty or None is none.

    Of several values one has to fit, but for `texts`: each of them occurs in the path, in any case. `names` are
    patterns of `fnmatch` for the last part of the path, in any case; `under` are folders, or files, as the store has
    them. Sizes of pictures are as displayed, in pixels, their bounds included; so is `modified_since_ns`, and no
    other bound is. `changed_since` is the number of a scan: what later ones found changed fits, and what was looked
    into since. `where` is an expression in SQL over the view `videos`. Raises `NothingFits` where no file could.
    """

    texts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    under: tuple[bytes, ...] = ()
    statuses: tuple[Status, ...] = ()
    orientations: tuple[Orientation, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    min_width: int | None = None
    max_width: int | None = None
    min_height: int | None = None
    max_height: int | None = None
    codecs: tuple[str, ...] = ()
    audio_codecs: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    hdr: tuple[Hdr, ...] = ()
    longer_than_s: float | None = None
    shorter_than_s: float | None = None
    bigger_than: int | None = None
    smaller_than: int | None = None
    modified_since_ns: int | None = None
    modified_before_ns: int | None = None
    changed_since: int | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        for least, most, may_be_equal in _BOUNDS:
            lower, upper = getattr(self, least), getattr(self, most)
            if lower is not None and upper is not None and not (lower < upper or (may_be_equal and lower == upper)):
                raise NothingFits(f"no file fits: {_words(least)} and {_words(most)} leave nothing between them")


_BOUNDS = (
    ("min_width", "max_width", True),
    ("min_height", "max_height", True),
    ("longer_than_s", "shorter_than_s", False),
    ("bigger_than", "smaller_than", False),
    ("modified_since_ns", "modified_before_ns", False),
)


class SortKey(NamedTuple):
    """A column to sort by: ascending, unless `is_descending`. What has no value comes last in either direction."""

    column: str
    is_descending: bool = False


RANDOM = SortKey("random")
"""The key of an order that is another one each time."""


def named(names: Iterable[str], aliases: Mapping[str, str]) -> list[str]:
    """Return the names that ffprobe has for what people call `names`."""
    return [aliases.get(name.lower(), name.lower()) for name in names]


def _words(field: str) -> str:
    return field.removesuffix("_s").removesuffix("_ns").replace("_", "-")
