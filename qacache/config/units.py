"""Durations and sizes as people write them: text comes in, seconds and bytes go out, and back."""

from __future__ import annotations

import math
import re

MIB = 1 << 20
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

_DAY_MS, _HOUR_MS, _MINUTE_MS, _SECOND_MS = 86_400_000, 3_600_000, 60_000, 1000
_DURATION_UNITS = {"d": _DAY_MS, "h": _HOUR_MS, "m": _MINUTE_MS, "s": _SECOND_MS, "ms": 1}
_DURATION = r"([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?([0-9.]+ms)?"
# beyond this, floats hold no milliseconds
_LARGEST_SPLIT_S = 1e12

_BINARY_UNITS = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
_SIZE_UNITS = {**_BINARY_UNITS, "TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 1000, "KB": 1000, "B": 1, "": 1}
_SIZE = r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)"


def parse_duration(text: str) -> float:
    """Return the seconds of `30s`, `12h`, `500ms`, `1h30m`, `7d` or a bare number of seconds.

    Raises `ValueError` for anything else.
    """
    match = re.fullmatch(_DURATION, text)
    if match is None or not text:
        return _finite(float(text))
    return _finite(sum(_milliseconds(part) for part in match.groups() if part) / _SECOND_MS)


def format_duration(seconds: float) -> str:
    """Return `seconds` as text that `parse_duration` reads as exactly the same number."""
    milliseconds = round(seconds * _SECOND_MS) if 0 <= seconds < _LARGEST_SPLIT_S else -1
    if milliseconds / _SECOND_MS != seconds:
        return repr(seconds)
    parts = []
    for unit, factor in _DURATION_UNITS.items():
        count, milliseconds = divmod(milliseconds, factor)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Return the bytes of `1GiB`, `384 MiB`, `1.5GB` or a bare number of bytes.

    Raises `ValueError` for anything else.
    """
    match = re.fullmatch(_SIZE, text)
    if match is None or match[2] not in _SIZE_UNITS:
        raise ValueError(text)
    number, factor = match[1], _SIZE_UNITS[match[2]]
    return round(_finite(float(number) * factor)) if "." in number else int(number) * factor


def format_size(size: int) -> str:
    """Return `size` bytes in the largest binary unit that needs no fraction: text for `parse_size`."""
    for unit, factor in _BINARY_UNITS.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _milliseconds(part: str) -> float:
    """Return the milliseconds of one number with its unit; whole numbers stay exact."""
    unit = part.lstrip("0123456789.")
    number = part.removesuffix(unit)
    return (float(number) if "." in number else int(number)) * _DURATION_UNITS[unit]


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(number)
    return number
