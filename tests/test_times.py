"""Moments in writing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.times import iso_time, iso_time_ms

YEAR_1000_MS, YEAR_10000_MS = -30_610_224_000_000, 253_402_300_800_000


@given(st.integers(YEAR_1000_MS, YEAR_10000_MS - 1))
def test_a_written_time_reads_as_the_same_moment(ms: int) -> None:
    text = iso_time(ms)
    assert text is not None
    assert iso_time_ms(text) == ms


@given(st.integers(YEAR_1000_MS, YEAR_10000_MS - 1))
def test_times_are_written_as_the_standard_says(ms: int) -> None:
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    assert iso_time(ms) == moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_no_time_is_written_as_none() -> None:
    assert iso_time(None) is None


@pytest.mark.parametrize(
    "text",
    ["2026-11-22T11:28:00.123Z", "2026-11-22T12:28:00.123+01:00", "20261122T112800.123", "2026-11-22 11:28:00.123"],
)
def test_times_of_other_programs_are_read_and_mean_utc_unless_they_say(text: str) -> None:
    assert iso_time_ms(text) == 1_795_346_880_123


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "1795346880123456789"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        iso_time_ms(text)
