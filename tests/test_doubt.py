"""Doubt: whose error it is, a file's or its mount's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qacache.events import Failed, Unstable
from qacache.models import Failure, FileStat
from qacache.scan.doubt import withhold
from qacache.scan.mounts import Mounts
from qacache.scan.places import Place

IO_ERROR = Failure("digest", "io-error", "input/output error")


@pytest.fixture
def mounts() -> Mounts:
    mounts = Mounts()
    mounts.add([Place(b"/nas", b"/nas", b"/nas", is_network=True)])
    return mounts


def failing(mounts: Mounts, count: int) -> Iterator[Failed]:
    """Files of the mount that cannot be read, each told as soon as that is noted."""
    for number in range(count):
        stat = FileStat(b"/nas/%d.mp4" % number, 1, 2, 3, 4)
        mounts.note(stat.path, IO_ERROR, of_content=True)
        yield Failed(stat.path, IO_ERROR, stat)


def stored(outcomes: list[Failed | Unstable]) -> list[bytes]:
    return [outcome.path for outcome in outcomes if isinstance(outcome, Failed) and outcome.stat]


def test_an_error_is_the_file_s_own_where_the_next_file_can_be_read(mounts: Mounts) -> None:
    def outcomes() -> Iterator[Failed | Unstable]:
        yield from failing(mounts, 2)
        assert told == []
        mounts.note(b"/nas/good.mp4", None, of_content=True)
        yield Unstable(b"/nas/good.mp4")

    told: list[Failed | Unstable] = []
    for outcome in withhold(outcomes(), mounts):
        told.append(outcome)

    assert [outcome.path for outcome in told] == [b"/nas/good.mp4", b"/nas/0.mp4", b"/nas/1.mp4"]
    assert stored(told) == [b"/nas/0.mp4", b"/nas/1.mp4"]


def test_errors_for_which_the_mount_is_given_up_are_told_but_not_stored(mounts: Mounts) -> None:
    told = list(withhold(failing(mounts, 6), mounts))

    assert [outcome.path for outcome in told] == [b"/nas/%d.mp4" % number for number in range(6)]
    assert stored(told) == []


def test_errors_that_nobody_can_judge_any_more_are_the_files_own(mounts: Mounts) -> None:
    assert stored(list(withhold(failing(mounts, 2), mounts))) == [b"/nas/0.mp4", b"/nas/1.mp4"]


def test_other_outcomes_pass_at_once(mounts: Mounts) -> None:
    outcomes = withhold(iter([*failing(mounts, 1), Unstable(b"/nas/x.mp4")]), mounts)

    assert next(outcomes) == Unstable(b"/nas/x.mp4")
