"""Selections as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from qacache.errors import UsageError
from qacache.selection import NothingFits, Selection
from qacache.selection_text import parse_selection

NOW_S = 1_800_000_000.0
DAY_NS = 86_400 * 10**9


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A computer nine hours east of Greenwich."""
    monkeypatch.setenv("TZ", "XYZ-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def parsed(**given: str) -> Selection:
    return parse_selection({name.replace("_", "-"): [text] for name, text in given.items()}, now_s=NOW_S)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1234", 1234),
        ("2G", 2 * 10**9),
        ("2g", 2 * 10**9),
        ("2GB", 2 * 10**9),
        ("2 gb", 2 * 10**9),
        ("2GiB", 2 << 30),
        ("2gib", 2 << 30),
        ("2Gi", 2 << 30),
        ("1.5M", 1_500_000),
        ("700k", 700_000),
        ("1T", 10**12),
        ("512 MiB", 512 << 20),
    ],
)
def test_sizes_have_units_as_people_write_them(text: str, size: int) -> None:
    assert parsed(bigger_than=text).bigger_than == size


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9


@pytest.mark.usefixtures("far_east")
@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("30d", int(NOW_S) * 10**9 - 30 * DAY_NS),
        ("1d12h", int(NOW_S) * 10**9 - 3 * DAY_NS // 2),
        ("0s", int(NOW_S) * 10**9),
        ("2026-01-31", ns(datetime(2026, 1, 30, 15, tzinfo=UTC))),
        ("2026-01-31T20:15", ns(datetime(2026, 1, 31, 11, 15, tzinfo=UTC))),
        ("2026-01-31 20:15:30", ns(datetime(2026, 1, 31, 11, 15, 30, tzinfo=UTC))),
        ("2026-01-31T20:15Z", ns(datetime(2026, 1, 31, 20, 15, tzinfo=UTC))),
        ("2026-01", ns(datetime(2025, 12, 31, 15, tzinfo=UTC))),
        ("2026", ns(datetime(2025, 12, 31, 15, tzinfo=UTC))),
    ],
)
def test_moments_are_dates_here_or_so_long_ago(text: str, expected_ns: int) -> None:
    assert parsed(modified_since=text).modified_since_ns == expected_ns
    assert parsed(modified_before=text).modified_before_ns == expected_ns


@pytest.mark.parametrize("text", ["30", "-30d", "inf", "nan", "20260", "2026-13", "2026-02-30", "yesterday", "d", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no date, and no time ago: write 30d, 2026-01-31"):
        parsed(modified_since=text)


def test_of_a_criterion_with_one_value_the_last_text_counts() -> None:
    assert parse_selection({"longer-than": ["1m", "2m"]}, now_s=NOW_S) == Selection(longer_than_s=120.0)


def test_of_others_all_texts_count() -> None:
    given = {"orientation": ["Portrait", "square"], "text": ["a", "b"], "codec": [], "container": ["mkv"]}
    assert parse_selection(given, now_s=NOW_S) == Selection(
        orientations=("portrait", "square"), texts=("a", "b"), containers=("mkv",)
    )


def test_any_status_is_no_criterion() -> None:
    assert parse_selection({"status": ["failed", "any"]}, now_s=NOW_S) == Selection()
    assert parse_selection({"status": ["failed", "OK"]}, now_s=NOW_S) == Selection(statuses=("failed", "ok"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_width": "1.5"}, "parameter min-width: 1.5 is no whole number"),
        ({"name": "a\0b"}, "parameter name: .* is no text"),
        ({"text": ""}, 'text: "" is no text'),
        ({"bigger_than": "1e400"}, "parameter bigger-than: "),
        ({"longer_than": "1e30"}, "parameter longer-than: .* is more than"),
    ],
)
def test_an_error_names_the_criterion(given: dict[str, Any], message: str) -> None:
    texts = {name.replace("_", "-"): [text] for name, text in given.items()}
    with pytest.raises(UsageError, match=f"^{message}"):
        parse_selection(texts, now_s=NOW_S, label="parameter ")


@pytest.mark.parametrize("zone", ["XYZ-9", "XYZ+9"])
@pytest.mark.parametrize(("text", "is_past"), [("0001-01-01", True), ("9999-12-31T23:59", False), ("36500d", True)])
def test_moments_beyond_all_files_are_as_far_as_the_store_can_tell(
    monkeypatch: pytest.MonkeyPatch, zone: str, text: str, is_past: bool
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    moment_ns = parsed(modified_since=text).modified_since_ns
    monkeypatch.undo()
    time.tzset()
    assert moment_ns is not None
    assert (moment_ns < NOW_S * 10**9) is is_past
    assert abs(moment_ns) < 1 << 63


@pytest.mark.parametrize("name", ["codec", "audio_codec", "container"])
def test_a_name_of_ffprobe_is_text(name: str) -> None:
    with pytest.raises(UsageError, match="is no name: write one such as ffprobe has"):
        parsed(**{name: "\udcff"})


def test_what_contradicts_itself_fits_nothing() -> None:
    with pytest.raises(NothingFits, match="longer-than and shorter-than leave nothing between them"):
        parsed(longer_than="2h", shorter_than="1h")
