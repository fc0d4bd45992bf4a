"""Concurrency: a bounded number of items at a time, results as they finish."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.events import Waiting
from qacache.os_failures import NoAnswer
from qacache.scan import workers as workers_module
from qacache.scan.workers import Errand, InFlight, Workers, within
from tests.fakes import FakeClock, HeldExecutor, InlineExecutor


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for results that only the test itself lets finish."""
    monkeypatch.setattr(workers_module, "_TICK_S", 0.0)


def double(number: int) -> str:
    return str(2 * number)


@given(items=st.lists(st.integers() | st.text(max_size=3)), room=st.integers(1, 4))
def test_every_item_of_the_kind_is_worked_on_and_all_others_pass(items: list[int | str], room: int) -> None:
    workers = Workers(double, make_executor=lambda: InlineExecutor(), room=room)

    results = list(workers.work_off(items, int))

    assert results == [double(item) if isinstance(item, int) else item for item in items]


def test_no_more_is_handed_over_than_there_is_room_for() -> None:
    executor = HeldExecutor()
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    finished, most_taken = [], 0
    for item in Workers(double, make_executor=lambda: executor, room=3).work_off(numbers(), int):
        if item == Waiting():
            most_taken = max(most_taken, len(taken) - len(finished))
            executor.run()
        else:
            finished.append(item)

    assert finished == [double(number) for number in range(10)]
    assert executor.most_pending == 3
    assert most_taken == 3 + 1


def test_results_come_in_the_order_they_finish() -> None:
    executor = HeldExecutor()
    results = Workers(double, make_executor=lambda: executor, room=3).work_off([1, 2, 3], int)
    assert next(results) == Waiting()

    executor.run(2)
    executor.run(0)

    assert [next(results), next(results)] == ["6", "2"]
    executor.run()
    assert list(results) == ["4"]


def test_other_items_do_not_wait_for_work() -> None:
    executor = HeldExecutor()

    results = Workers(double, make_executor=lambda: executor, room=3).work_off([1, "other"], int)

    assert next(results) == "other"
    executor.run()
    assert list(results) == ["2"]


def test_a_slow_reader_slows_the_source() -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with Workers(double, make_executor=lambda: ThreadPoolExecutor(2), room=4) as workers:
        results = (item for item in workers.work_off(numbers(), int) if item != Waiting())
        seen = {next(results) for _ in range(3)}

        assert len(taken) <= 3 + 4 + 1
        assert seen | set(results) == {double(number) for number in range(100)}


def test_what_a_job_raises_is_raised_where_the_results_are_read() -> None:
    def fail(number: int) -> str:
        raise RuntimeError(f"no {number}")

    with pytest.raises(RuntimeError, match="no 1"):
        list(Workers(fail, make_executor=lambda: InlineExecutor(), room=2).work_off([1, 2], int))


def test_stopping_drops_what_waits_and_finishes_what_runs() -> None:
    running, may_end = threading.Event(), threading.Event()

    def work(number: int) -> str:
        running.set()
        assert may_end.wait(30)
        return double(number)

    with Workers(work, make_executor=lambda: ThreadPoolExecutor(1), room=3) as workers:
        results = workers.work_off([1, 2, 3], int)
        assert next(results) == Waiting()
        assert running.wait(30)

        workers.stop()
        may_end.set()

        assert [item for item in results if item != Waiting()] == ["2"]


def test_once_stopped_no_work_is_begun_and_other_items_still_pass() -> None:
    executor = HeldExecutor()
    workers = Workers(double, make_executor=lambda: executor, room=3)
    workers.stop()

    assert list(workers.work_off([1, "other", 2], int)) == ["other"]
    assert executor.most_pending == 0


def test_closing_early_cancels_what_waits() -> None:
    executor = HeldExecutor()
    results = Workers(double, make_executor=lambda: executor, room=3).work_off([1, 2, "other"], int)
    assert next(results) == "other"

    results.close()

    assert all(future.cancelled() for future, _ in executor.pending)


def test_a_source_that_fails_cancels_what_waits() -> None:
    executor = HeldExecutor()

    def failing() -> Iterator[int]:
        yield 1
        raise RuntimeError("source")

    with pytest.raises(RuntimeError, match="source"):
        list(Workers(double, make_executor=lambda: executor, room=3).work_off(failing(), int))
    assert [future.cancelled() for future, _ in executor.pending] == [True]


class TestInFlight:
    def test_idle_there_is_no_slowest(self) -> None:
        assert InFlight().slowest() is None

    def test_the_slowest_is_the_one_that_began_first(self) -> None:
        clock = FakeClock(0)
        in_flight = InFlight(clock.monotonic)
        with elsewhere(in_flight, b"/first"):
            clock.advance(2)
            with in_flight.of(b"/second"):
                clock.advance(1)

                assert in_flight.slowest() == (b"/first", 3)

    def test_what_ended_is_no_longer_in_flight(self) -> None:
        in_flight = InFlight()
        with suppress(OSError), in_flight.of(b"/x"):
            raise OSError

        assert in_flight.slowest() is None


@contextmanager
def elsewhere(in_flight: InFlight, path: bytes) -> Iterator[None]:
    """Have another thread work on `path` while the block runs."""
    began, over = threading.Event(), threading.Event()

    def work() -> None:
        with in_flight.of(path):
            began.set()
            over.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    began.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_job_that_hangs_is_left_behind_after_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "_GRACE_S", 0.05)
    hangs, over = threading.Event(), threading.Event()

    def hang(_: int) -> int:
        hangs.set()
        over.wait(30)
        return 0

    with Workers(hang, make_executor=lambda: ThreadPoolExecutor(1), room=2) as workers:
        results = workers.work_off([1, 2], int)
        next(results)
        hangs.wait(30)
        workers.stop()
        rest = [result for result in results if not isinstance(result, Waiting)]
    over.set()

    assert rest == []
    assert workers.abandoned == 1


class TestHanging:
    """Items on which a thread hangs for good, as on a dead mount."""

    @pytest.fixture
    def over(self) -> Iterator[threading.Event]:
        over = threading.Event()
        yield over
        over.set()

    @staticmethod
    def workers_where(hanging: set[int], over: threading.Event, *, threads: int, room: int) -> Workers[int, str]:
        """Workers that hang on the items `hanging` until it is `over`."""

        def work(number: int) -> str:
            if number in hanging:
                assert over.wait(30)
            return double(number)

        return Workers(
            work,
            make_executor=lambda: ThreadPoolExecutor(threads),
            room=room,
            # long enough for a thread to take an item and do nothing
            most_s=0.2,
            overdue=lambda number: f"{number} hangs",
        )

    def test_an_item_that_hangs_is_what_overdue_makes_of_it(self, over: threading.Event) -> None:
        with self.workers_where({1}, over, threads=1, room=1) as workers:
            results = [item for item in workers.work_off([1], int) if item != Waiting()]

        assert results == ["1 hangs"]
        assert workers.abandoned == 1

    def test_those_that_wait_behind_it_go_on(self, over: threading.Event) -> None:
        with self.workers_where({1}, over, threads=1, room=4) as workers:
            results = [item for item in workers.work_off(range(1, 9), int) if item != Waiting()]

        assert sorted(results) == ["1 hangs", "10", "12", "14", "16", "4", "6", "8"]
        assert workers.abandoned == 1

    def test_each_item_that_hangs_is_given_up_once(self, over: threading.Event) -> None:
        with self.workers_where({1, 2, 5}, over, threads=2, room=4) as workers:
            results = [item for item in workers.work_off(range(1, 7), int) if item != Waiting()]

        assert sorted(results) == ["1 hangs", "12", "2 hangs", "5 hangs", "6", "8"]
        assert workers.abandoned == 3

    def test_a_late_result_is_dropped(self, over: threading.Event) -> None:
        more = threading.Event()

        def items() -> Iterator[int | str]:
            yield 1
            yield 2
            assert more.wait(30)
            yield 3

        with self.workers_where({1}, over, threads=1, room=1) as workers:
            results = workers.work_off(items(), int)
            told = next(item for item in results if item != Waiting())
            over.set()
            more.set()
            rest = [item for item in results if item != Waiting()]

        assert told == "1 hangs"
        assert rest == ["4", "6"]

    def test_without_a_most_nothing_is_given_up(self, over: threading.Event) -> None:
        def work(number: int) -> str:
            assert over.wait(30)
            return double(number)

        workers = Workers(work, make_executor=lambda: ThreadPoolExecutor(1), room=1, overdue=str)
        with workers:
            results = workers.work_off([1], int)
            assert [next(results) for _ in range(5)] == [Waiting()] * 5
            over.set()

            assert [item for item in results if item != Waiting()] == ["2"]
        assert workers.abandoned == 0

    def test_after_a_stop_nothing_is_told_of_what_hangs(
        self, over: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(workers_module, "_GRACE_S", 0.05)
        with self.workers_where({1}, over, threads=1, room=2) as workers:
            results = workers.work_off([1, 2], int)
            next(results)
            workers.stop()
            rest = [item for item in results if item != Waiting()]

        assert rest == []
        assert workers.abandoned == 1


class TestWithin:
    def test_what_a_function_returns_in_time_is_returned(self) -> None:
        assert within(30, double, 2) == "4"

    def test_what_a_function_raises_is_raised(self) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            within(30, int, "x")

    def test_a_function_that_hangs_is_left_to_itself(self) -> None:
        over = threading.Event()

        with pytest.raises(NoAnswer, match=r"no answer in 0\.05 s"):
            within(0.05, over.wait, 30)
        over.set()


@given(numbers=st.lists(st.integers()), room=st.integers(1, 4))
def test_results_come_in_the_order_of_the_items_where_that_is_wanted(numbers: list[int], room: int) -> None:
    workers = Workers(double, make_executor=lambda: InlineExecutor(), room=room)

    assert list(workers.in_order(numbers)) == [double(number) for number in numbers]


def test_what_is_done_before_its_turn_waits_for_it_and_takes_room() -> None:
    executor = HeldExecutor()
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(6):
            taken.append(number)
            yield number

    results = Workers(double, make_executor=lambda: executor, room=3).in_order(numbers())

    assert next(results) == Waiting()
    executor.run(2)
    executor.run(1)
    assert next(results) == Waiting()
    # one more is taken, but there is no room to begin it
    assert taken == [0, 1, 2, 3]
    assert len(executor.pending) == 1
    executor.run()
    assert [next(results) for _ in range(3)] == ["0", "2", "4"]
    assert next(results) == Waiting()
    while executor.pending:
        executor.run()
    assert list(results) == ["6", "8", "10"]


def test_results_in_order_do_not_wait_for_room_to_run_out() -> None:
    workers = Workers(double, make_executor=lambda: InlineExecutor(), room=100)
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    assert next(workers.in_order(numbers())) == "0"
    assert taken == [0]


def test_after_a_stop_what_waits_in_order_is_dropped_and_what_runs_may_end() -> None:
    executor = HeldExecutor()
    workers = Workers(double, make_executor=lambda: executor, room=3)
    results = workers.in_order(range(10))
    assert next(results) == Waiting()
    executor.run()

    workers.stop()

    assert list(results) == ["0"]
    assert all(future.cancelled() for future, _ in executor.pending)


def test_a_job_that_fails_in_order_tells_whoever_iterates() -> None:
    workers = Workers(lambda number: 1 // number, make_executor=lambda: InlineExecutor(), room=2)
    results = workers.in_order([1, 0, 1])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


# errands

# for steps that are taken at once; one that hangs is given up much sooner
AMPLE_S = 30.0
SHORT_S = 0.05


def test_an_errand_tells_what_its_steps_gave_in_order_and_to_each_who_asks() -> None:
    errand = Errand(lambda: iter([1, 2, 3]), AMPLE_S)

    assert [list(errand.results()), list(errand.results())] == [[1, 2, 3]] * 2
    assert errand.is_over


def test_an_errand_raises_what_a_step_raises_after_what_came_before() -> None:
    def steps() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    told: list[int] = []
    with pytest.raises(ZeroDivisionError):
        tell(Errand(steps, AMPLE_S), told)

    assert told == [1]


def tell(errand: Errand[int], told: list[int]) -> None:
    for result in errand.results():
        told.append(result)


def test_nobody_waits_longer_for_an_errand_than_a_step_may_take_and_it_may_end_after_all() -> None:
    gate = threading.Event()

    def steps() -> Iterator[int]:
        yield 1
        gate.wait(AMPLE_S)
        yield 2

    errand = Errand(steps, SHORT_S)
    told: list[int] = []
    for _ in range(2):
        with pytest.raises(NoAnswer, match=r"no answer in 0\.05 s"):
            tell(errand, told)
    assert (told, errand.is_over) == ([1, 1], False)

    gate.set()
    for thread in threading.enumerate():
        if thread.name == "errand":
            thread.join(AMPLE_S)
    assert (list(errand.results()), errand.is_over) == ([1, 2], True)


def test_each_step_of_an_errand_has_the_whole_time() -> None:
    gates = [threading.Event() for _ in range(3)]

    def steps() -> Iterator[int]:
        for number, gate in enumerate(gates):
            assert gate.wait(AMPLE_S)
            yield number

    results = Errand(steps, AMPLE_S).results()
    for number, gate in enumerate(gates):
        gate.set()
        assert next(results) == number


def test_a_process_ends_though_an_errand_hangs() -> None:
    program = (
        "import threading; from qacache.scan.workers import Errand\n"
        "Errand(lambda: iter([threading.Event().wait()]), 0.01)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=AMPLE_S, check=False).returncode == 0
