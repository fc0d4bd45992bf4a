"""Selections as people write them: the options of a command, or the parameters of a request.

In: texts by the names of the criteria, such as `longer-than` with `10m`. Out: a `Selection`, less `under` and `where`:
which folder is meant is for the store to say, and SQL is for those to write who may.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from qacache.config import kinds
from qacache.config.keys import Key
from qacache.config.kinds import Kind, choice
from qacache.errors import UsageError
from qacache.models import Hdr, Orientation
from qacache.resolution import RESOLUTION_ALIASES, RESOLUTION_SIDES
from qacache.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANY = "any"
"""What stands for every status."""

STATUSES = ("ok", "failed", "vanished", ANY)
ORIENTATIONS: tuple[str, ...] = get_args(Orientation)
RESOLUTIONS = (*RESOLUTION_ALIASES, *RESOLUTION_SIDES)
HDR_FORMATS: tuple[str, ...] = get_args(Hdr)

_MOST = (1 << 63) - 1
_MOST_S = 1e9


class BadText(UsageError):
    """A text is no value of its criterion. The message has the text in it; `key` says what it should have been."""

    def __init__(self, message: str, key: Key) -> None:
        super().__init__(message)
        self.key = key


class _Criterion(NamedTuple):
    """A criterion: its field of `Selection`, and what its texts are; `is_list` says that there may be several."""

    field: str
    key: Key
    is_list: bool


def parse_selection(given: Mapping[str, Iterable[str]], *, now_s: float, label: str = "flag --") -> Selection:
    """Return what the texts mean; of a criterion that has one value, the last text counts.

    `now_s` is the time of what is said to be so long ago. Raises `UsageError`, which names the criterion after `label`.
    """
    criteria = _criteria(now_s)
    fields: dict[str, Any] = {}
    for name, texts in given.items():
        field, key, is_list = criteria[name]
        # texts are given as they are, without an option
        values = tuple(parse_text(text, key, "" if name == "text" else label) for text in texts)
        if values:
            fields[field] = values if is_list else values[-1]
    if ANY in fields.get("statuses", ()):
        del fields["statuses"]
    if "resolutions" in fields:
        fields["resolutions"] = tuple(
            name for given_name in fields["resolutions"] for name in RESOLUTION_ALIASES.get(given_name, (given_name,))
        )
    return Selection(**fields)


def parse_text(text: str, key: Key, label: str = "flag --") -> Any:
    """Return what the text of one option means; raises `BadText`, which names the option after `label`."""
    try:
        return key.parse(key.kind.from_text(text), "")
    except ValueError as error:
        raise BadText(f"{label}{key.name}: {error}", key) from error


def _criteria(now_s: float) -> Mapping[str, _Criterion]:
    moment = Kind("date, and no time ago", "30d, 2026-01-31 or 2026-01-31T20:15", partial(_moment_ns, now_s), str)
    all_criteria = (
        _several("texts", _TEXT, "text"),
        _several("names", _TEXT, "name"),
        _several("statuses", choice("status", *STATUSES), "status"),
        _several("orientations", choice("orientation", *ORIENTATIONS), "orientation"),
        _several("resolutions", choice("resolution", *RESOLUTIONS), "resolution"),
        _several("codecs", _WORD, "codec"),
        _several("audio_codecs", _WORD, "audio-codec"),
        _several("containers", _WORD, "container"),
        _several("hdr", choice("format", *HDR_FORMATS), "hdr-format"),
        *(_one(name, kinds.WHOLE, name, 1, _MOST) for name in ("min_width", "max_width", "min_height", "max_height")),
        *(_one(f"{name}_s", kinds.DURATION, name, 0, _MOST_S) for name in ("longer_than", "shorter_than")),
        *(_one(name, SIZE, name, 0, _MOST) for name in ("bigger_than", "smaller_than")),
        *(_one(f"{name}_ns", moment, name) for name in ("modified_since", "modified_before")),
    )
    return {criterion.key.name: criterion for criterion in all_criteria}


def _several(field: str, kind: Kind[Any], name: str) -> _Criterion:
    return _Criterion(field, Key(name, kind, ""), is_list=True)


def _one(field: str, kind: Kind[Any], name: str, least: float | None = None, most: float | None = None) -> _Criterion:
    return _Criterion(field, Key(name.replace("_", "-"), kind, "", minimum=least, maximum=most), is_list=False)


def _text(value: object, _folder: str) -> str | None:
    # a script's variable that is not set must not mean every file
    return value if isinstance(value, str) and value and "\0" not in value else None


def _word(value: object, folder: str) -> str | None:
    # what is no UTF-8 may be part of a path, but is compared with text here
    text = _text(value, folder)
    return text if text and not re.search("[\ud800-\udfff]", text) else None


def _size_text(text: str) -> str:
    """Return a size as `kinds.SIZE` reads it: `2G` and `2 gb` are 2 GB."""
    match = re.fullmatch(r"([0-9.]+) ?([kmgt])(i?)b?", text, re.IGNORECASE)
    return f"{match[1]}{match[2].upper()}{match[3].lower()}B" if match else text


def _moment_ns(now_s: float, value: object, folder: str) -> int | None:
    """Return nanoseconds since the epoch of `30d` (ago), or of a date or time: here, where it names no zone."""
    text = str(value)
    if re.fullmatch(r"\d{4}(-\d\d)?", text):
        text += "-01-01"[len(text) - len("2026-01-31") :]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # a bare number is no time ago: it would be one of seconds
        ago_s = kinds.DURATION.take(value, folder) if re.search("[a-z]", text) else None
        return None if ago_s is None or ago_s < 0 else _bounded_ns(now_s - ago_s)
    try:
        return _bounded_ns(moment.timestamp())
    except (ValueError, OverflowError):  # at the ends of the calendar, other zones have no time
        return -_MOST if moment.year == 1 else _MOST


def _bounded_ns(moment_s: float) -> int:
    # SQLite holds no more, and no file is as old, or as new
    return max(-_MOST, min(int(moment_s * 10**9), _MOST))


_TEXT = Kind("text", "a part of a name, at least a letter", _text, str)
_WORD = Kind("name", "one such as ffprobe has", _word, str)

SIZE = kinds.SIZE._replace(forms="700M, 2GB or 4GiB", from_text=_size_text)
"""A size as people write it on a command line."""
