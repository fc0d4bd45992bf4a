"""Mounts: what may be asked of which."""

from __future__ import annotations

import threading

import pytest

from qacache.models import Failure
from qacache.os_failures import NoAnswer
from qacache.scan.mounts import Limits, Mounts
from qacache.scan.places import Place

NO_ANSWER = Failure("stat", "no-answer", "no answer in 60 s")

DISK = Place(b"/home", b"/home", b"/", is_network=False)
NAS = Place(b"/nas", b"/nas", b"/nas", is_network=True)
BY_LINK = Place(b"/home/nas", b"/nas/films", b"/nas", is_network=True)


def mounts_with(limits: dict[bytes, Limits] | None = None, *, hang_s: float = 60.0) -> Mounts:
    mounts = Mounts(limits, network_concurrency=3, hang_s=hang_s)
    mounts.add([DISK, NAS, BY_LINK])
    return mounts


def concurrency(mounts: Mounts, path: bytes) -> int | None:
    budget = mounts.budget_of(path)
    return budget and budget.concurrency


def test_a_path_is_in_the_innermost_place_around_it() -> None:
    mounts = mounts_with()

    assert mounts.place_of(b"/home/x.mp4") == DISK
    assert mounts.place_of(b"/home/nas/x.mp4") == BY_LINK
    assert mounts.place_of(b"/elsewhere") is None


def test_a_network_mount_has_a_gentle_budget_and_a_disk_has_none() -> None:
    mounts = mounts_with()

    assert concurrency(mounts, b"/nas/x.mp4") == 3
    assert mounts.budget_of(b"/home/x.mp4") is None
    assert mounts.budget_of(b"/elsewhere") is None


def test_all_places_on_one_mount_share_its_budget() -> None:
    mounts = mounts_with()

    assert mounts.budget_of(b"/nas/x.mp4") is mounts.budget_of(b"/home/nas/y.mp4")


@pytest.mark.parametrize("limited", [b"/nas", b"/nas/films", b"/nas/films/4k", b"/home/nas"])
def test_limits_hold_for_a_folder_by_whichever_name(limited: bytes) -> None:
    mounts = mounts_with({limited: Limits(concurrency=7, rate=2)})

    assert concurrency(mounts, b"/home/nas/4k/x.mp4") == 7


def test_limits_hold_for_nothing_else() -> None:
    mounts = mounts_with({b"/nas/films": Limits(concurrency=7), b"/home/ann": Limits(concurrency=5)})

    assert concurrency(mounts, b"/nas/music/x.mp4") == 3
    assert concurrency(mounts, b"/home/ann/x.mp4") == 5
    assert mounts.budget_of(b"/home/bob/x.mp4") is None


def test_the_nearest_limits_hold() -> None:
    mounts = mounts_with({b"/nas": Limits(concurrency=7), b"/nas/films": Limits(concurrency=2)})

    assert concurrency(mounts, b"/nas/x.mp4") == 7
    assert concurrency(mounts, b"/nas/films/x.mp4") == 2


def test_limits_above_several_mounts_give_each_a_budget_of_its_own() -> None:
    mounts = mounts_with({b"/": Limits(concurrency=1)})

    assert concurrency(mounts, b"/nas/x.mp4") == concurrency(mounts, b"/home/x.mp4") == 1
    assert mounts.budget_of(b"/nas/x.mp4") is not mounts.budget_of(b"/home/x.mp4")


def test_a_rate_alone_leaves_the_concurrency_as_it_is() -> None:
    mounts = mounts_with({b"/nas": Limits(rate=5), b"/home": Limits(rate=5)})

    assert concurrency(mounts, b"/nas/music/x.mp4") == 3
    assert mounts.concurrency_below(b"/home/ann") == 0


def test_below_a_folder_the_most_that_any_mount_there_allows_is_asked() -> None:
    mounts = mounts_with({b"/home/nas": Limits(concurrency=7)})

    assert mounts.concurrency_below(b"/home") == 7
    assert mounts.concurrency_below(b"/nas/films") == 3
    assert mounts.concurrency_below(b"/elsewhere") == 0


def test_a_look_at_a_network_mount_that_hangs_is_given_up() -> None:
    mounts, over = mounts_with(hang_s=0.05), threading.Event()

    try:
        with pytest.raises(NoAnswer, match=r"no answer in 0\.05 s"):
            mounts.look(b"/nas/x.mp4", over.wait, 30)
    finally:
        over.set()


def test_what_a_look_returns_or_raises_is_passed_on() -> None:
    mounts = mounts_with()

    for path in (b"/nas/x.mp4", b"/home/x.mp4"):
        assert mounts.look(path, int, "4") == 4
        with pytest.raises(ValueError, match="invalid literal"):
            mounts.look(path, int, "x")


def test_looks_that_hang_end_with_giving_the_mount_up_under_all_its_names() -> None:
    mounts = mounts_with()
    for _ in range(3):
        mounts.note(b"/nas/x.mp4", NO_ANSWER)

    assert mounts.is_over(b"/nas/y.mp4")
    assert mounts.is_over(b"/home/nas/y.mp4")
    assert not mounts.is_over(b"/home/y.mp4")
    assert [folder for folder, _ in mounts.given_up_below(b"/home")] == [b"/home/nas"]
    with pytest.raises(NoAnswer):
        mounts.look(b"/nas/y.mp4", int, "4")


def test_a_place_inside_one_that_is_given_up_for_its_errors_goes_on() -> None:
    mounts = mounts_with({b"/nas/films": Limits(concurrency=1)})
    for _ in range(5):
        mounts.note(b"/nas/x.mp4", Failure("list", "io-error", "input/output error"))

    assert mounts.is_over(b"/nas/x.mp4")
    assert not mounts.is_over(b"/nas/films/x.mp4")


def test_once_all_is_stopped_nobody_waits_for_a_turn() -> None:
    mounts = mounts_with({b"/nas": Limits(concurrency=1)})
    mounts.stop()

    with mounts.turn(b"/nas/x.mp4"), mounts.turn(b"/nas/y.mp4"):
        assert mounts.is_over(b"/home/x.mp4")
