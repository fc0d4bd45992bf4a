"""Storing: the end of the stream, where outcomes become rows and then events.

In: outcomes, as the stages before finish them. Out: the same, each after the batch that holds it is committed: an
event means "it is stored". A batch is full at 500 outcomes or after a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qacache.errors import StoreError
from qacache.events import is_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from qacache.clock import Clock
    from qacache.events import Event

_FULL = 500
_OLDEST_S = 1.0


class Sink(Protocol):
    """Where batches go."""

    def write(self, events: Sequence[Event]) -> None:
        """Store the outcomes, all or none; raises `StoreError`."""


def write_batches(
    outcomes: Iterator[Event],
    sink: Sink,
    clock: Clock,
    *,
    count: Callable[[Event], object] = lambda event: None,
    stop: Callable[[], object] = lambda: None,
) -> Generator[Event, None, None]:
    """Yield the outcomes, each once it is stored; `count` is called for each a moment before, or when nobody listens.

    When the generator is closed it calls `stop`, and stores what the stages before have finished by then.
    """
    batch = _Batch(sink, clock, count)
    try:
        for outcome in outcomes:
            if is_stored(outcome):
                batch.add(outcome)
            else:
                count(outcome)
                yield outcome
            if batch.is_due:
                yield from batch.store()
        yield from batch.store()
    except GeneratorExit:
        stop()
        try:
            for outcome in filter(is_stored, outcomes):
                batch.add(outcome)
        finally:
            batch.store()
        raise
    except BaseException:
        batch.store()
        raise


class _Batch:
    """Outcomes that are to be stored together."""

    def __init__(self, sink: Sink, clock: Clock, count: Callable[[Event], object]) -> None:
        self._sink = sink
        self._clock = clock
        self._count = count
        self._events: list[Event] = []
        self._due = 0.0

    @property
    def is_due(self) -> bool:
        return bool(self._events) and (len(self._events) >= _FULL or self._clock.monotonic() >= self._due)

    def add(self, event: Event) -> None:
        if not self._events:
            self._due = self._clock.monotonic() + _OLDEST_S
        self._events.append(event)

    def store(self) -> list[Event]:
        # empty before anything can go wrong: what the sink refused is not offered again
        events, self._events = self._events, []
        try:
            self._sink.write(events)
        except StoreError as error:
            error.args = (f"{error}; results that are not stored: {len(events)}",)
            raise
        for event in events:
            self._count(event)
        return events
