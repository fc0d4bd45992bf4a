"""Budgets: whose turn it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import pytest

from qacache.scan import budget as budget_module
from qacache.scan.budget import Budget, Pace
from tests.fakes import FakeClock

FOREVER_S = 30.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "_NAP_S", 0.01)


class TestPace:
    def test_starts_are_a_constant_time_apart(self) -> None:
        clock = FakeClock(0)
        pace = Pace(4, now=clock.monotonic, sleep=clock.sleep)

        starts = []
        for _ in range(4):
            pace.wait()
            starts.append(clock.now)

        assert starts == [0, 0.25, 0.5, 0.75]

    def test_a_pause_is_not_made_up_for(self) -> None:
        clock = FakeClock(0)
        pace = Pace(1, now=clock.monotonic, sleep=clock.sleep)
        pace.wait()
        clock.advance(100)

        pace.wait()
        pace.wait()

        assert clock.now == 101

    def test_without_a_limit_nobody_waits(self) -> None:
        clock = FakeClock(0)
        pace = Pace(0, now=clock.monotonic, sleep=clock.sleep)

        for _ in range(3):
            pace.wait()

        assert clock.slept == []

    def test_who_stops_does_not_wait_for_the_next_start(self) -> None:
        clock = FakeClock(0)
        pace = Pace(1 / 3600, now=clock.monotonic, sleep=clock.sleep)
        pace.wait()

        pace.wait(lambda: clock.now > 1)

        assert clock.now < 2


class TestBudget:
    def test_no_more_turns_are_taken_at_a_time_than_there_are(self, threads: ThreadPoolExecutor) -> None:
        budget = Budget(2)
        lock, full, at_a_time, most = threading.Lock(), threading.Barrier(2), 0, 0

        def take() -> None:
            nonlocal at_a_time, most
            with budget.turn(FOREVER_S):
                with lock:
                    at_a_time += 1
                    most = max(most, at_a_time)
                full.wait(FOREVER_S)
                with lock:
                    at_a_time -= 1

        for future in [threads.submit(take) for _ in range(8)]:
            future.result()

        assert most == 2

    def test_turns_come_in_the_order_they_were_asked_for(self, threads: ThreadPoolExecutor) -> None:
        budget, order, asked = Budget(1), [], []

        def is_asked(number: int) -> bool:
            asked.append(number)
            return False

        def take(number: int) -> None:
            with budget.turn(FOREVER_S, lambda: is_asked(number)):
                order.append(number)

        with budget.turn(FOREVER_S):
            futures = []
            for number in range(5):
                futures.append(threads.submit(take, number))
                while number not in asked:
                    pass
        for future in futures:
            future.result()

        assert order == [0, 1, 2, 3, 4]

    def test_a_turn_that_outlasts_its_time_is_anybody_s(self, threads: ThreadPoolExecutor) -> None:
        clock = FakeClock(0)
        budget = Budget(1, now=clock.monotonic)

        def take() -> str:
            with budget.turn(60):
                return "taken"

        with budget.turn(60):
            waiting = threads.submit(take)
            assert not waiting.done()
            clock.advance(60)

            assert waiting.result(FOREVER_S) == "taken"

    def test_once_it_is_over_nobody_waits(self) -> None:
        budget = Budget(1)

        with budget.turn(FOREVER_S), budget.turn(FOREVER_S, lambda: True):
            pass

    def test_an_error_in_a_turn_ends_it(self) -> None:
        budget = Budget(1)

        with pytest.raises(ValueError, match="bad"), budget.turn(FOREVER_S):
            raise ValueError("bad")
        with budget.turn(FOREVER_S):
            pass

    def test_who_gives_up_waiting_lets_the_next_one_pass(self, threads: ThreadPoolExecutor) -> None:
        budget = Budget(2)

        def give_up() -> bool:
            raise KeyboardInterrupt

        with ExitStack() as turns:
            for _ in range(2):
                turns.enter_context(budget.turn(FOREVER_S))
            with pytest.raises(KeyboardInterrupt), budget.turn(FOREVER_S, give_up):
                pass

        with budget.turn(FOREVER_S):
            pass

    def test_its_starts_are_a_constant_time_apart(self) -> None:
        clock = FakeClock(0)
        budget = Budget(1, rate=2)
        budget.pace = Pace(2, now=clock.monotonic, sleep=clock.sleep)

        starts = []
        for _ in range(3):
            budget.pace.wait()
            starts.append(clock.now)

        assert [after - before for before, after in pairwise(starts)] == [0.5, 0.5]
