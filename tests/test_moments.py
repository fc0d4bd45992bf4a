"""Moments as people say them: how long ago, or how soon."""

from __future__ import annotations

import pytest

from qacache.moments import relative_time

NOW_MS = 1_800_000_000_000
DAY_S = 86400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (-0.999, "now"),
        (0.999, "now"),
        (-1, "1s ago"),
        (1, "in 1s"),
        (-59, "59s ago"),
        (-60, "1m ago"),
        (3599, "in 59m"),
        (-3600, "1h ago"),
        (-DAY_S + 1, "23h ago"),
        (7.5 * DAY_S, "in 7d"),
        (-400 * DAY_S, "400d ago"),
    ],
)
def test_a_moment_is_told_in_its_largest_unit_rounded_down(seconds: float, text: str) -> None:
    assert relative_time(NOW_MS + int(seconds * 1000), NOW_MS) == text
