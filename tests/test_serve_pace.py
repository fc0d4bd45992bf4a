"""The pace: a thread gets its share while others need the processors, and all it wants while they do not."""

from __future__ import annotations

from qacache.serve.pace import Pace


class Thread:
    """A thread that uses a processor when it works, but for the time that others take meanwhile."""

    def __init__(self, *, share: float = 0.4) -> None:
        self.now_s = 1000.0
        self.used_s = 5.0
        self.is_needed = True
        self.rests: list[float] = []
        self.pace = Pace(
            lambda: self.is_needed,
            share=share,
            monotonic=lambda: self.now_s,
            used=lambda: self.used_s,
            sleep=self._sleep,
        )

    def work(self, seconds: float, *, others_s: float = 0.0) -> None:
        self.now_s += seconds + others_s
        self.used_s += seconds
        self.pace.rest()

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.pace.rest()

    def _sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now_s += seconds


def share_of(thread: Thread, work_s: float, **more: float) -> float:
    """What part of the time the thread uses in the long run: for ten seconds of work."""
    began_s, had_s = thread.now_s, thread.used_s
    for _ in range(round(10 / work_s)):
        thread.work(work_s, **more)
    return (thread.used_s - had_s) / (thread.now_s - began_s)


def test_who_works_all_the_time_gets_the_share() -> None:
    for work_s in (0.0001, 0.001, 0.005):
        assert abs(share_of(Thread(share=0.4), work_s) - 0.4) < 0.02


def test_who_uses_less_than_the_share_never_rests() -> None:
    thread = Thread(share=0.4)

    assert share_of(thread, 0.001, others_s=0.002) < 0.4
    assert thread.rests == []


def test_after_a_while_of_nothing_there_is_something_to_spend_and_not_without_end() -> None:
    thread = Thread(share=0.4)
    share_of(thread, 0.001)
    thread.rests.clear()

    thread.wait(3600.0)
    thread.work(0.02)
    assert thread.rests == []
    for _ in range(100):
        thread.work(0.001)
    assert thread.rests


def test_no_rest_is_long() -> None:
    thread = Thread(share=0.1)

    thread.work(60.0)
    thread.work(60.0)

    assert max(thread.rests) <= 0.01


def test_who_is_alone_does_not_rest() -> None:
    thread = Thread(share=0.1)
    thread.is_needed = False
    assert share_of(thread, 0.001) > 0.999

    thread.is_needed = True
    assert share_of(thread, 0.001) < 0.12


def test_who_has_processors_to_spare_does_not_rest() -> None:
    assert share_of(Thread(share=1.6), 0.001) > 0.999
