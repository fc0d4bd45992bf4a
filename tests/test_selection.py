"""Selections: what contradicts itself, and how large pictures are called."""

from __future__ import annotations

from typing import Any

import pytest

from qacache.errors import UsageError
from qacache.selection import Selection, resolution_of


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


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (7680, 4320, "8k"),
        (3840, 2160, "4k"),
        (2160, 3840, "4k"),
        (3840, 1600, "4k"),
        (4096, 1716, "4k"),
        (2560, 1440, "1440p"),
        (2704, 1520, "1440p"),
        (1920, 1080, "1080p"),
        (1920, 804, "1080p"),
        (1916, 1036, "1080p"),
        (1440, 1080, "1080p"),
        (1280, 720, "720p"),
        (1280, 534, "720p"),
        (1024, 576, "sd"),
        (1, 1, "sd"),
    ],
)
def test_a_picture_is_of_the_class_that_people_would_say(width: int, height: int, name: str) -> None:
    assert resolution_of(width, height) == name


@pytest.mark.parametrize(("width", "height"), [(None, None), (0, 0), (None, 1080), (1920, None)])
def test_no_picture_is_of_no_class(width: int | None, height: int | None) -> None:
    assert resolution_of(width, height) is None
