"""Settling: files that are being written wait, or are left to the next scan."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qacache.events import Failed, Unstable, Waiting
from qacache.models import FileStat
from qacache.scan import settle as settle_module
from qacache.scan.settle import LONGEST_WAIT_S, is_settled, look_again, settle
from tests.fakes import FakeClock

NOW_S = 1_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW_S)


def make_aged(path: Path, age_s: float) -> FileStat:
    """A file that was last written to `age_s` before the clock's now."""
    path.write_bytes(b"content")
    mtime_ns = NOW_S * 10**9 - int(age_s * 10**9)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return FileStat.of(os.fsencode(path), path.stat())


def settled(items: list[object], settle_s: float, clock: FakeClock) -> list[object]:
    return [item for item in settle(items, settle_s, clock) if not isinstance(item, Waiting)]


@pytest.mark.parametrize(("age_s", "expected"), [(4.999, False), (5, True), (3600, True), (-1, False)])
def test_a_file_is_settled_at_a_certain_age(tmp_path: Path, age_s: float, expected: bool) -> None:
    assert is_settled(make_aged(tmp_path / "x", age_s), NOW_S * 10**9, 5) is expected


def test_old_files_and_other_items_pass_at_once_in_order(tmp_path: Path, clock: FakeClock) -> None:
    items = [make_aged(tmp_path / "a", 5), Unstable(b"other"), make_aged(tmp_path / "b", 3600)]

    assert list(settle(items, 5, clock)) == items
    assert clock.slept == []


def test_young_files_come_last_once_they_are_old_enough(tmp_path: Path, clock: FakeClock) -> None:
    young, old = make_aged(tmp_path / "a", 1), make_aged(tmp_path / "b", 9)

    assert settled([young, old], 3, clock) == [old, young]
    assert sum(clock.slept) == pytest.approx(2, abs=0.1)


def test_the_wait_is_for_the_youngest(tmp_path: Path, clock: FakeClock) -> None:
    ages = (1, 3, 2)
    items: list[object] = [make_aged(tmp_path / f"{age}", age) for age in ages]

    assert settled(items, 4, clock) == items
    assert sum(clock.slept) == pytest.approx(3, abs=0.1)


def test_time_that_passed_during_the_walk_counts(tmp_path: Path, clock: FakeClock) -> None:
    young = make_aged(tmp_path / "x", 1)
    stages = settle(iter([young, Unstable(b"other")]), 3, clock)
    assert next(stages) == Unstable(b"other")
    clock.advance(60)

    assert list(stages) == [young]
    assert clock.slept == []


def test_others_are_told_that_time_passes(tmp_path: Path, clock: FakeClock) -> None:
    waits = [item for item in settle([make_aged(tmp_path / "x", 0)], 2, clock) if isinstance(item, Waiting)]

    assert len(waits) >= 10


def test_where_the_wait_were_too_long_nobody_waits(tmp_path: Path, clock: FakeClock) -> None:
    young = make_aged(tmp_path / "x", 1)

    assert list(settle([young], LONGEST_WAIT_S + 2, clock)) == [Unstable(young.path)]
    assert clock.slept == []


def test_where_nobody_waits_what_came_of_age_meanwhile_is_looked_into(tmp_path: Path, clock: FakeClock) -> None:
    nearly, young = make_aged(tmp_path / "nearly", 29), make_aged(tmp_path / "young", 0)
    stages = settle(iter([nearly, young, Unstable(b"other")]), 30, clock)
    next(stages)
    clock.advance(2)

    assert [*stages] == [nearly, Unstable(young.path)]


def test_a_file_that_was_written_to_between_the_two_looks_is_unstable(tmp_path: Path, clock: FakeClock) -> None:
    young = make_aged(tmp_path / "x", 1)

    def write_more(_: float) -> None:
        (tmp_path / "x").write_bytes(b"more content")

    clock.on_sleep = write_more

    assert settled([young], 2, clock) == [Unstable(young.path)]


def test_a_file_that_went_between_the_two_looks_is_unstable(tmp_path: Path, clock: FakeClock) -> None:
    young = make_aged(tmp_path / "x", 1)
    clock.on_sleep = lambda _: (tmp_path / "x").unlink(missing_ok=True)

    assert settled([young], 2, clock) == [Unstable(young.path)]


def test_a_file_from_the_future_is_looked_at_twice_and_taken(tmp_path: Path, clock: FakeClock) -> None:
    future = make_aged(tmp_path / "x", -86400)

    assert list(settle([future], 5, clock)) == [future]
    assert clock.slept == []


def test_a_file_from_the_future_that_changes_is_unstable(tmp_path: Path, clock: FakeClock) -> None:
    future = make_aged(tmp_path / "x", -86400)
    make_aged(tmp_path / "x", -86500)

    assert list(settle([future], 5, clock)) == [Unstable(future.path)]


def test_without_a_settling_time_all_pass_at_once(tmp_path: Path, clock: FakeClock) -> None:
    young = make_aged(tmp_path / "x", 0)

    assert next(settle([young], 0, clock)) == young


def test_of_very_many_young_files_the_rest_is_left_to_the_next_scan(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle_module, "_MOST_HELD", 2)
    young = [make_aged(tmp_path / name, 1) for name in "abc"]

    assert settled([*young], 2, clock) == [Unstable(young[2].path), *young[:2]]


def test_once_stopped_nobody_waits_for_young_files(tmp_path: Path, clock: FakeClock) -> None:
    young = make_aged(tmp_path / "x", 0)

    assert list(settle([young], 5, clock, is_stopped=lambda: True)) == []
    assert sum(clock.slept) < 1


def test_a_second_look_gives_the_file_as_it_is_now(tmp_path: Path) -> None:
    before = make_aged(tmp_path / "x", 1)
    (tmp_path / "x").rename(tmp_path / "away")
    now = make_aged(tmp_path / "x", 1)

    assert look_again(before) == now
    assert now.inode != before.inode


def test_a_file_that_cannot_be_looked_at_again_is_a_failure(tmp_path: Path) -> None:
    before = make_aged(tmp_path / "x", 1)
    (tmp_path / "x").unlink()
    (tmp_path / "x").symlink_to("x")

    failed = look_again(before)

    assert isinstance(failed, Failed)
    assert failed.failure.reason == "symlink-loop"
