"""Moments in writing: UTC, ISO 8601, with milliseconds."""

from __future__ import annotations

import time
from functools import lru_cache


# most of what is stored at one time has one time, and else the same second
@lru_cache
def iso_time(ms: int | None) -> str | None:
    """Return milliseconds since the epoch as `2026-11-22T11:28:00.123Z`."""
    if ms is None:
        return None
    seconds, rest = divmod(ms, 1000)
    return f"{_iso_second(seconds)}.{rest:03d}Z"


@lru_cache
def _iso_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def iso_time_ms(text: str) -> int:
    """Return what `iso_time` was given; raises `ValueError` for anything that is no ISO 8601 time."""
    from datetime import UTC, datetime

    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
