"""Storing: the end of the stream, where outcomes become rows and then events.

In: outcomes, as the stages before finish them. Out: the same, each after the batch that holds it is committed: an
event means "it is stored". A batch is full at 500 outcomes or after a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from qacache.events import is_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qacache.clock import Clock
    from qacache.events import Event

_FULL = 500
_OLDEST_S = 1.0


class Sink(Protocol):
    """Where batches go."""

    def write(self, events: Sequence[Event]) -> None:
        """Store the outcomes, all or none; raises `StoreError`."""


def write_batches(
    outcomes: Iterator[Event], sink: Sink, clock: Clock, *, stop: Callable[[], object] = lambda: None
) -> Iterator[Event]:
    """Yield the outcomes, each once it is stored.

    When the generator is closed it calls `stop`, and stores what the stages before have finished by then.
    """
    batch: list[Event] = []
    due = 0.0
    try:
        for outcome in outcomes:
            if is_stored(outcome):
                if not batch:
                    due = clock.monotonic() + _OLDEST_S
                batch.append(outcome)
            else:
                yield outcome
            if batch and (len(batch) >= _FULL or clock.monotonic() >= due):
                stored, batch = batch, []
                sink.write(stored)
                yield from stored
        stored, batch = batch, []
        sink.write(stored)
        yield from stored
    except GeneratorExit:
        stop()
        batch.extend(outcomes)
        sink.write(batch)
        raise
    except BaseException:
        # the stages before failed; where the sink did, the batch is empty by now
        sink.write(batch)
        raise
