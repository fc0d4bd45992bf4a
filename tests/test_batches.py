"""Storing: batches of a certain size and age, told of once they are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from qacache.errors import StoreFull
from qacache.events import Event, Unchanged, Vanished, Waiting
from qacache.scan.batches import write_batches
from tests.fakes import FakeClock


class FakeSink:
    """Keeps the batches that it gets; from the `fails_at`th on it raises."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.batches: list[list[Event]] = []
        self.attempts = 0
        self._fails_at = fails_at

    def write(self, events: Sequence[Event]) -> None:
        if not events:
            return
        self.attempts += 1
        if self._fails_at is not None and self.attempts >= self._fails_at:
            raise StoreFull("disk full")
        self.batches.append(list(events))

    @property
    def stored(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]


def outcomes(count: int) -> list[Event]:
    return [Vanished(b"/%d" % number) for number in range(count)]


def test_an_outcome_is_told_only_after_it_is_stored() -> None:
    sink = FakeSink()

    for told in write_batches(iter(outcomes(1200)), sink, FakeClock()):
        assert told in sink.stored

    assert sink.stored == outcomes(1200)


def test_a_batch_is_stored_when_it_is_full() -> None:
    sink = FakeSink()

    assert list(write_batches(iter(outcomes(1200)), sink, FakeClock())) == outcomes(1200)
    assert [len(batch) for batch in sink.batches] == [500, 500, 200]


def test_a_batch_is_stored_after_a_second_at_the_latest() -> None:
    clock, sink = FakeClock(0), FakeSink()
    first, second, third = outcomes(3)

    def slowly() -> Iterator[Event]:
        yield first
        clock.advance(0.9)
        yield second
        clock.advance(0.2)
        yield Waiting()
        yield third

    told = list(write_batches(slowly(), sink, clock))

    assert sink.batches == [[first, second], [third]]
    assert told == [Waiting(), first, second, third]


def test_the_second_counts_from_the_first_outcome_of_each_batch() -> None:
    clock, sink = FakeClock(0), FakeSink()

    def slowly() -> Iterator[Event]:
        for outcome in outcomes(4):
            clock.advance(0.6)
            yield outcome

    list(write_batches(slowly(), sink, clock))

    assert [len(batch) for batch in sink.batches] == [3, 1]


def test_what_changes_nothing_in_the_store_is_told_at_once() -> None:
    sink = FakeSink()
    stages = write_batches(iter([Vanished(b"/x"), Unchanged([b"/y"])]), sink, FakeClock(0))

    assert next(stages) == Unchanged([b"/y"])
    assert sink.stored == []
    assert list(stages) == [Vanished(b"/x")]


def test_closing_stops_the_work_and_stores_what_is_finished() -> None:
    sink, calls = FakeSink(), []
    first, second, third = outcomes(3)

    def until_stopped() -> Iterator[Event]:
        yield first
        yield Waiting()
        yield from [second, third] if calls else outcomes(100)

    stages = write_batches(until_stopped(), sink, FakeClock(0), stop=lambda: calls.append("stop"))
    assert next(stages) == Waiting()

    stages.close()

    assert calls == ["stop"]
    assert sink.batches == [[first, second, third]]


def test_closing_amid_a_batch_does_not_store_it_twice() -> None:
    sink = FakeSink()
    stages = write_batches(iter(outcomes(3)), sink, FakeClock())
    next(stages)

    stages.close()

    assert sink.batches == [outcomes(3)]


def test_an_error_of_the_store_is_raised_and_nothing_is_stored_twice() -> None:
    sink = FakeSink(fails_at=2)
    told = []

    with pytest.raises(StoreFull):
        told.extend(write_batches(iter(outcomes(1200)), sink, FakeClock()))

    assert sink.batches == [outcomes(500)]
    assert sink.attempts == 2


def test_an_error_of_the_store_while_closing_is_raised() -> None:
    stages = write_batches(iter([Vanished(b"/x"), Waiting()]), FakeSink(fails_at=1), FakeClock(0))
    next(stages)

    with pytest.raises(StoreFull):
        stages.close()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_what_was_finished_before_an_error_upstream_is_stored(kind: type[BaseException]) -> None:
    sink = FakeSink()

    def failing() -> Iterator[Event]:
        yield from outcomes(3)
        raise kind

    with pytest.raises(kind):
        list(write_batches(failing(), sink, FakeClock(0)))

    assert sink.batches == [outcomes(3)]
