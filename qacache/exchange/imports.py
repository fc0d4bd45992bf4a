"""An import: what is in files comes into a store, in batches that are stored whole or not at all.

In: sources, and what takes entries in: a store's writer, or a preview of it. Out: what could not be taken, as it is
found, and a `Stored` for each batch once it is committed. Nothing goes for another's fault: a bad record is left out, a
file that cannot be read on ends there, and what came before it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from qacache.exchange.inputs import Unreadable
from qacache.exchange.merging import merged, replaced
from qacache.record import BadRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qacache.exchange.sources import Source
    from qacache.record import Entry
    from qacache.store.intake import Taken

# each batch writes most pages of the indexes by digest and by size anew: of a million records, in batches of 2000, that
# takes the disk twice as much
_BATCH = 10_000


class Intake(Protocol):
    """What takes entries in: a `Writer`, or a `Preview`."""

    def take_in(self, entries: Sequence[Entry], merge: Callable[[Entry, Entry], Entry]) -> Taken:
        """Store `entries`, all or none; return what came of them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A record was left out; `number` is its line, or its number in a store."""

    source: str
    number: int
    problem: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A file could not be read, or not to its end."""

    source: str
    problem: str
    hint: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch of so many records is stored, or would be."""

    count: int


ImportEvent = Refused | GivenUp | Stored


@dataclass(slots=True)
class ImportSummary:
    """What an import came to: records that were new, changed what was stored, told nothing new, and were refused.

    `given_up` counts files that were not read to their end.
    """

    added: int = 0
    updated: int = 0
    kept: int = 0
    refused: int = 0
    given_up: int = 0

    @property
    def records(self) -> int:
        """How many records there were."""
        return self.added + self.updated + self.kept + self.refused


class Import:
    """One import: `events()` is the run, `summary` what it came to by now.

    `mapped` gives the path that a file has here; with `replace`, what is imported counts whatever is stored.
    """

    def __init__(self, intake: Intake, *, mapped: Callable[[bytes], bytes], replace: bool = False) -> None:
        self.summary = ImportSummary()
        self._intake = intake
        self._mapped = mapped
        self._merge = replaced if replace else merged

    def events(self, source: Source) -> Iterator[ImportEvent]:
        """Take in the records of `source`, one of the files; yield what becomes of them. Raises `StoreError`."""
        batch: list[Entry] = []
        try:
            for number, content in source.items():
                if isinstance(content, BadRecord):
                    self.summary.refused += 1
                    yield Refused(source.name, number, str(content))
                    continue
                batch.append(self._here(content))
                if len(batch) == _BATCH:
                    yield self._store(batch)
                    batch = []
        except Unreadable as error:
            if batch:
                yield self._store(batch)
            self.summary.given_up += 1
            yield GivenUp(source.name, str(error), error.hint)
        else:
            if batch:
                yield self._store(batch)

    def _here(self, entry: Entry) -> Entry:
        path = self._mapped(entry.path)
        return entry if path is entry.path else entry._replace(path=path)

    def _store(self, batch: Sequence[Entry]) -> Stored:
        taken = self._intake.take_in(batch, self._merge)
        self.summary.added += taken.added
        self.summary.updated += taken.updated
        self.summary.kept += taken.kept
        return Stored(len(batch))
