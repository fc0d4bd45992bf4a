"""Looking ahead: steps of a walk taken in threads before it is their turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from qacache.models import Failure
from qacache.os_failures import NoAnswer
from qacache.scan import lookahead as lookahead_module
from qacache.scan.discovery import Filters, Listing, Step, discover
from qacache.scan.lookahead import LookAhead
from qacache.scan.mounts import Limits, Mounts
from qacache.scan.places import Place
from tests.fakes import HeldExecutor
from tests.media import make_file

MP4 = Filters(["mp4"])
FOREVER_S = 30.0


class FakeStep(Step):
    """A step that `take` takes; what comes of it is a listing."""

    def __init__(self, take: Callable[[], list[str]]) -> None:
        super().__init__(b"/folder", MP4)
        self._take = take

    def take(self) -> Listing:
        return listing(*self._take())


def listing(*names: str) -> Listing:
    return Listing([name.encode() for name in names], frozenset())


def quick(name: str) -> FakeStep:
    return FakeStep(lambda: [name])


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookahead_module, "_TICK_S", 0.01)


@contextmanager
def hanging() -> Iterator[tuple[FakeStep, threading.Event]]:
    """A step that hangs while the block runs, and what is set once it does."""
    hangs, over = threading.Event(), threading.Event()

    def hang() -> list[str]:
        hangs.set()
        assert over.wait(FOREVER_S)
        return ["late"]

    try:
        yield FakeStep(hang), hangs
    finally:
        over.set()


def looker(threads: int, mounts: Mounts | None = None, *, ahead: int = 8, hang_s: float = FOREVER_S) -> LookAhead:
    return LookAhead(mounts or Mounts(hang_s=hang_s), lambda: ThreadPoolExecutor(threads), ahead=ahead)


def test_what_came_of_a_step_is_told_at_its_turn_whichever_ended_first() -> None:
    second_ended = threading.Event()

    def wait_for_the_second() -> list[str]:
        assert second_ended.wait(FOREVER_S)
        return ["first"]

    def end() -> list[str]:
        second_ended.set()
        return ["second"]

    steps = [FakeStep(wait_for_the_second), FakeStep(end)]
    with looker(2) as ahead:
        ahead.begin(steps)

        assert [ahead.finish(step) for step in steps] == [listing("first"), listing("second")]


def test_a_walk_that_looks_ahead_finds_the_same_in_the_same_order(library: Path) -> None:
    for name in ("a/1.mp4", "a/b/2.mp4", "a.mp4", "c/3.mp4", "c/4.mp4", "c/d/e/5.mp4", "z.mp4"):
        make_file(library / name)

    with looker(3, ahead=4) as ahead:
        runs = list(discover(bytes(library), MP4, looker=ahead))

    assert runs == list(discover(bytes(library), MP4))


def test_no_more_than_the_first_few_steps_are_begun() -> None:
    executor = HeldExecutor()
    steps = [quick(str(number)) for number in range(10)]
    ahead = LookAhead(Mounts(), lambda: executor, ahead=3)

    ahead.begin(steps)
    ahead.begin(steps)

    assert len(executor.pending) == 3
    assert [step.work is not None for step in steps] == [True] * 3 + [False] * 7


def test_a_step_that_was_not_begun_is_taken_at_its_turn() -> None:
    with looker(1) as ahead:
        assert ahead.finish(quick("x")) == listing("x")


def test_what_a_step_raises_is_raised_at_its_turn() -> None:
    def fail() -> list[str]:
        raise PermissionError("not for you")

    steps = [FakeStep(fail), quick("next")]
    with looker(1) as ahead:
        ahead.begin(steps)

        with pytest.raises(PermissionError, match="not for you"):
            ahead.finish(steps[0])
        assert ahead.finish(steps[1]) == listing("next")


def test_a_step_that_hangs_is_given_up_and_the_others_go_on() -> None:
    with looker(2, hang_s=0.05) as ahead, hanging() as (step, _):
        steps = [step, quick("next")]
        ahead.begin(steps)

        with pytest.raises(NoAnswer, match=r"no answer in 0\.05 s"):
            ahead.finish(steps[0])
        assert ahead.finish(steps[1]) == listing("next")


def test_a_step_that_hangs_has_its_time_from_its_own_beginning() -> None:
    with looker(2, hang_s=0.05) as ahead, hanging() as (step, hangs):
        ahead.begin([step])
        assert hangs.wait(FOREVER_S)
        assert step.began is not None
        # as if it had begun long ago: nothing is left of its time when it is asked for
        step.began -= FOREVER_S

        with pytest.raises(NoAnswer):
            ahead.finish(step)


def test_steps_behind_as_many_that_hang_as_there_are_threads_go_on() -> None:
    with looker(1, hang_s=0.05) as ahead, hanging() as (step, _):
        steps = [step, quick("next")]
        ahead.begin(steps)
        with pytest.raises(NoAnswer):
            ahead.finish(steps[0])

        assert ahead.finish(steps[1]) == listing("next")


def test_a_stop_ends_the_wait_for_a_step() -> None:
    mounts = Mounts()
    with looker(1, mounts) as ahead, hanging() as (step, hangs):
        ahead.begin([step])
        assert hangs.wait(FOREVER_S)
        threading.Timer(0.02, mounts.stop).start()

        assert ahead.finish(step) == listing()


def test_a_step_whose_thread_is_taken_by_later_ones_that_hang_is_taken_all_the_same() -> None:
    with looker(1, hang_s=0.05) as ahead, hanging() as (later, hangs):
        ahead.begin([later])
        assert hangs.wait(FOREVER_S)
        sooner = quick("sooner")
        ahead.begin([sooner, later])

        assert ahead.finish(sooner) == listing("sooner")
        with pytest.raises(NoAnswer):
            ahead.finish(later)


def test_steps_wait_for_their_turn_on_the_mount() -> None:
    mounts = Mounts({b"/folder": Limits(concurrency=1)})
    mounts.add([Place(b"/folder", b"/folder", b"/", is_network=False)])
    with looker(2, mounts) as ahead, mounts.turn(b"/folder/of another step"):
        step = quick("x")
        ahead.begin([step])

        assert step.work is not None
        assert not step.work.done()
    assert ahead.finish(step) == listing("x")


def test_nothing_is_looked_up_on_a_mount_that_is_given_up() -> None:
    mounts = Mounts()
    mounts.add([Place(b"/folder", b"/folder", b"/", is_network=True)])
    for _ in range(5):
        mounts.note(b"/folder", Failure("list", "mount-gone", "stale file handle"))

    with looker(1, mounts) as ahead:
        assert ahead.finish(quick("x")) == listing()


def test_leaving_waits_for_nobody_and_begins_nothing_more() -> None:
    with hanging() as (step, hangs):
        behind = quick("behind")
        with looker(1) as ahead:
            ahead.begin([step, behind])
            assert hangs.wait(FOREVER_S)

        assert behind.work is not None
        assert behind.work.cancelled()
        assert step.work is not None
        assert not step.work.done()
