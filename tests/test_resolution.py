"""Resolutions as people name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.resolution import RESOLUTION_SIDES, resolution_of

SIDES = st.integers(1, 20_000)


@pytest.mark.parametrize(
    ("width", "height", "name"),
    [
        (7680, 4320, "4320p"),
        (4096, 2160, "2160p"),
        (3840, 2160, "2160p"),
        (3840, 1600, "2160p"),
        (2880, 2160, "2160p"),
        (2560, 1440, "1440p"),
        (2048, 1080, "1080p"),
        (1920, 1080, "1080p"),
        (1920, 800, "1080p"),
        (1440, 1080, "1080p"),
        (1080, 1920, "1080p"),
        (1280, 720, "720p"),
        (1280, 534, "720p"),
        (960, 720, "720p"),
        (720, 1280, "720p"),
        (1024, 576, "576p"),
        (768, 576, "576p"),
        (853, 480, "480p"),
        (640, 480, "480p"),
        (640, 360, "360p"),
        (426, 240, "240p"),
        (320, 240, "240p"),
        (176, 144, "smaller"),
        (1, 1, "smaller"),
    ],
)
def test_pictures_are_named_as_people_do(width: int, height: int, name: str) -> None:
    assert resolution_of(width, height) == name


@pytest.mark.parametrize(("width", "height"), [(None, None), (0, 1080), (1920, None)])
def test_what_is_no_picture_has_no_resolution(width: int | None, height: int | None) -> None:
    assert resolution_of(width, height) is None


@given(width=SIDES, height=SIDES)
def test_portrait_and_landscape_make_no_difference(width: int, height: int) -> None:
    assert resolution_of(width, height) == resolution_of(height, width)


@given(width=SIDES, height=SIDES, more=st.integers(0, 20_000))
def test_a_larger_picture_is_of_no_smaller_class(width: int, height: int, more: int) -> None:
    order = list(RESOLUTION_SIDES)
    smaller, larger = resolution_of(width, height), resolution_of(width + more, height)
    assert smaller is not None
    assert larger is not None
    assert order.index(larger) <= order.index(smaller)
