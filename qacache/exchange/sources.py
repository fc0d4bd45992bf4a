"""Sources: the records in a file that is to be imported, whatever the form they are in.

In: the name of a file, or of standard input. Out: an entry for each record, or what is wrong with it, with its place.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from qacache.exchange import ndjson, sheets, stored
from qacache.exchange.check import NewerRecord, entry_from
from qacache.exchange.inputs import Input, Unreadable, reading
from qacache.filesystem import filesystem_type, is_network_type
from qacache.record import BadRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from qacache.record import Entry

STDIN = "-"
"""The name of standard input."""


class Item(NamedTuple):
    """A record: the line on which it begins (of a store: its number), and the entry or what is wrong with it."""

    number: int
    content: Entry | BadRecord


class Source:
    """One file to be imported, by its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._file: BinaryIO | None = None

    def items(self) -> Iterator[Item]:
        """Yield the records in the file, in its order; raises `Unreadable`, perhaps in the midst of them."""
        with _opened(self.name) as file:
            inside = Input(file)
            # a store is read by SQLite, not from its beginning to its end
            self._file = None if inside.form == "sqlite" else file
            for number, record in self._records(inside):
                yield Item(number, _checked(number, record, is_partial=inside.form == "csv"))

    def share_read(self) -> float | None:
        """Return which share of the file was read by now, None where that is not to be known."""
        if self._file is None:
            return None
        try:
            return self._file.tell() / max(os.fstat(self._file.fileno()).st_size, 1)
        except (OSError, ValueError):
            return None  # a pipe, or closed

    def _records(self, inside: Input) -> Iterator[tuple[int, Mapping[str, Any] | BadRecord]]:
        match inside.form:
            case "ndjson":
                yield from ndjson.records(inside.lines())
            case "csv":
                yield from sheets.records(inside.lines())
            case "sqlite":
                with self._store_path(inside) as path:
                    yield from stored.records(path)

    @contextmanager
    def _store_path(self, inside: Input) -> Iterator[str]:
        """Give the path of a store to read: the file itself, or a copy where SQLite cannot read it in its place."""
        is_file = self.name != STDIN and os.path.isfile(self.name)
        is_whole = not os.path.exists(f"{self.name}-wal")
        if is_file and not inside.is_packed and not (is_whole and _is_far(self.name)):
            yield self.name
            return
        with tempfile.TemporaryDirectory(prefix="qacache-") as folder:
            path = os.path.join(folder, "store.db")
            with reading(), open(path, "wb") as copy:
                shutil.copyfileobj(inside.stream, copy)
            yield path


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        if sys.stdin is None:
            raise Unreadable("is closed")
        yield sys.stdin.buffer
        return
    with reading():
        file = open(name, "rb")  # noqa: SIM115  # closed below; what the block does with it is none of `reading`
    with file:
        yield file


def _is_far(path: str) -> bool:
    kind = filesystem_type(path)
    return kind is not None and is_network_type(kind)


def _checked(number: int, record: Mapping[str, Any] | BadRecord, *, is_partial: bool) -> Entry | BadRecord:
    if isinstance(record, BadRecord):
        return record
    try:
        return entry_from(record, is_partial=is_partial)
    except NewerRecord as error:
        raise Unreadable(f"was written by a newer qacache: line {number}: {error}", hint="upgrade qacache") from error
    except RecursionError:
        return BadRecord("it is nested too deep")
    except BadRecord as bad:
        return bad
