"""How far away a moment is, as people say it."""

from __future__ import annotations

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"))


def relative_time(ms: int, now_ms: int) -> str:
    """Return milliseconds since the epoch as seen from `now_ms`: `3d ago`, `in 2h`, or `now`; rounded down."""
    distance_ms = abs(ms - now_ms)
    for unit_ms, unit in _UNITS:
        if distance_ms >= unit_ms:
            amount = f"{distance_ms // unit_ms}{unit}"
            return f"{amount} ago" if ms < now_ms else f"in {amount}"
    return "now"
