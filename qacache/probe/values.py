"""Values that can be stored, out of JSON that cannot be trusted.

In comes anything that JSON can hold where ffprobe should have put a number or a text. Out comes a value that
SQLite and JSON can store (integers within 64 bits, finite floats, texts that encode as UTF-8), or None where
nothing usable was said. Nothing here raises.

ffprobe's ways of saying nothing: a field left out, `N/A`, `unknown`, `0/0`, `0:1`, and the smallest 64-bit
number (AV_NOPTS_VALUE in FFmpeg's libavutil/avutil.h), as it is or in seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

LARGEST = 2**63 - 1
LONGEST_S = LARGEST / 1_000_000

_UNSAID = frozenset({"", "N/A", "unknown", "unspecified"})
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_RATIONAL = re.compile(r"[1-9][0-9]{0,18}[:/][1-9][0-9]{0,18}", re.ASCII)
_CLOCK = re.compile(r"([0-9]{1,9}):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{1,18})?)", re.ASCII)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a JSON array; nothing where `value` is no array."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """Return `value` if it is a text, what UTF-8 cannot encode (lone surrogates) replaced by `?`."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def said(value: Any) -> str | None:
    """Return `value` as `text` does, but None for the words with which ffprobe says nothing."""
    answer = text(value)
    return None if answer in _UNSAID else answer


def whole(value: Any, least: int = 0) -> int | None:
    """Return the integer that `value` is or spells, if it is at least `least` and fits in 64 bits."""
    number = _integer(value)
    return number if number is not None and least <= number <= LARGEST else None


def finite(value: Any) -> float | None:
    """Return the finite number that `value` is or spells."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def seconds(value: Any) -> float | None:
    """Return the duration that `value` is or spells, in seconds: from 0 to what FFmpeg's clock holds."""
    number = finite(value)
    return number if number is not None and 0 <= number < LONGEST_S else None


def clock_seconds(value: Any) -> float | None:
    """Return the seconds in a `HH:MM:SS.fraction`, the form of Matroska's DURATION tags."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    # To the microsecond, as ffprobe prints durations: 27.04 + 60 is not 87.04 in binary.
    return round(int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]), 6) if found else None


def rational(value: Any) -> str | None:
    """Return `value` if it spells a ratio above zero (`30000/1001`, `16:9`), as it is spelt."""
    return value if isinstance(value, str) and _RATIONAL.fullmatch(value) else None


def fraction(spelt: str | None) -> Fraction | None:
    """Return the exact number that a text from `rational` spells."""
    return Fraction(spelt.replace(":", "/")) if spelt else None


def _integer(value: Any) -> int | None:
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if _WHOLE.fullmatch(value):
            return int(value)
    return None
