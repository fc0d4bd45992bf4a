"""Selections: what contradicts itself."""

from __future__ import annotations

from typing import Any

import pytest

from qacache.errors import UsageError
from qacache.selection import Selection


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ({"min_width": 2, "max_width": 1}, "min-width and max-width"),
        ({"min_height": 2, "max_height": 1}, "min-height and max-height"),
        ({"longer_than_s": 600.0, "shorter_than_s": 600.0}, "longer-than and shorter-than"),
        ({"bigger_than": 5, "smaller_than": 5}, "bigger-than and smaller-than"),
        ({"modified_since_ns": 2, "modified_before_ns": 2}, "modified-since and modified-before"),
    ],
)
def test_bounds_that_nothing_is_between_are_refused(bounds: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=f"no file fits: {named} leave nothing between them"):
        Selection(**bounds)


def test_bounds_that_one_value_is_between_are_taken() -> None:
    assert Selection(min_width=1, max_width=1, bigger_than=0, smaller_than=1).min_width == 1
