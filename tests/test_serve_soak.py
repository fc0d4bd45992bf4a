"""A server under mixed load for a short time: the long one is `python -m benchmarks.soak`."""

from __future__ import annotations

import sys

import pytest

from benchmarks.soak import soak

SECONDS = 25.0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is told by /proc")
def test_under_mixed_load_all_is_answered_and_nothing_grows() -> None:
    told: list[str] = []

    assert soak(SECONDS, told.append) == []
    assert told
