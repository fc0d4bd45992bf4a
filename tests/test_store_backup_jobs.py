"""Jobs in threads: what they return, how they end, and a job that hangs."""

from __future__ import annotations

import threading

import pytest

from qacache.os_failures import NoAnswer
from qacache.store.backup import jobs
from qacache.store.backup.jobs import Effort, Stopped, run
from tests.fakes import FakeClock

DEADLINE_S = 30


def until_stopped(effort: Effort) -> None:
    while True:
        effort.tell("busy")


def test_results_come_in_the_order_of_the_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    first = threading.Event()

    def slow(_: Effort) -> str:
        first.wait(DEADLINE_S)
        return "slow"

    def quick(_: Effort) -> str:
        first.set()
        return "quick"

    monkeypatch.setattr(jobs, "processors", lambda: 2)
    assert run([slow, quick]) == ["slow", "quick"]


def test_there_may_be_more_jobs_than_cpus() -> None:
    assert run([lambda _, number=number: number for number in range(50)]) == list(range(50))


def test_the_first_failure_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "processors", lambda: 2)
    ended = threading.Event()

    def endless(effort: Effort) -> None:
        try:
            until_stopped(effort)
        except Stopped:
            ended.set()
            raise

    def fail(_: Effort) -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        run([endless, fail])
    assert ended.is_set()


def test_whoever_waits_can_be_interrupted_and_the_jobs_end() -> None:
    ended = threading.Event()

    def endless(effort: Effort) -> None:
        try:
            until_stopped(effort)
        finally:
            ended.set()

    def interrupt(step: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([endless], interrupt)
    assert ended.wait(DEADLINE_S)


def test_it_is_told_how_far_the_first_job_is_that_is_not_done() -> None:
    go_on = threading.Event()
    told: list[tuple[str, int, int]] = []

    def work(effort: Effort) -> None:
        effort.tell("copying", 5, 10)
        go_on.wait(DEADLINE_S)

    def look(*latest: object) -> None:
        told.append(latest)  # type: ignore[arg-type]
        go_on.set()

    run([lambda _: None, work], look)
    assert ("copying", 5, 10) in told


def test_a_job_that_hangs_is_given_up() -> None:
    answer = threading.Event()
    clock = FakeClock(step_s=10)
    try:
        with pytest.raises(NoAnswer, match="no answer in 30 s"):
            run([lambda _: answer.wait(DEADLINE_S)], hang_s=30, now=clock.monotonic)
    finally:
        answer.set()


def test_a_job_that_gets_on_is_not_given_up() -> None:
    clock = FakeClock(step_s=20)

    def slow(effort: Effort) -> str:
        for number in range(200_000):
            effort.tell("copying", number)
        return "done"

    assert run([slow], hang_s=30, now=clock.monotonic) == ["done"]


def test_what_waits_for_a_cpu_is_not_begun_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "processors", lambda: 1)
    begun = []

    def fail(_: Effort) -> None:
        raise ValueError("a mistake")

    def hold(effort: Effort) -> None:
        begun.append("second")
        until_stopped(effort)

    with pytest.raises(ValueError, match="a mistake"):
        run([fail, hold, lambda _: begun.append("third")])
    assert "third" not in begun
