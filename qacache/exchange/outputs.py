"""Exports in one of their forms, as text that flows or as a file.

In: entries. Out: lines of NDJSON or CSV, for whoever sends them on; or a file of any form, whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Literal

from qacache.errors import UsageError
from qacache.exchange import ndjson, sheets
from qacache.exchange.files import is_packed, pack, replacing, text_file, unpacked_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.exchange.inputs import Form
    from qacache.record import Entry
    from qacache.store.reader import Reader

_FORMS: dict[str, Form] = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
}


def form_of(path: str) -> Form | None:
    """Return the form of which a file called so is, None where its name does not say."""
    return _FORMS.get(os.path.splitext(unpacked_name(path))[1].lower())


def lines(entries: Iterable[Entry], form: Literal["ndjson", "csv"]) -> Iterator[str]:
    """Yield the text of an export: for each entry what ends with a line end, for CSV after a line of its own."""
    if form == "csv":
        yield sheets.header()
    yield from map(ndjson.line_of if form == "ndjson" else sheets.line_of, entries)


def write_file(path: str, entries: Iterable[Entry], form: Form, reader: Reader) -> None:
    """Write `entries`, which `reader` reads, to a file; its name says whether it is compressed.

    Raises `OSError`, `StoreError`, and `UsageError` where that would replace the store itself, or one in use.
    """
    _refuse_store(path, reader.path)
    with replacing(path) as temporary:
        if form != "sqlite":
            with text_file(temporary, packed=is_packed(path)) as file:
                file.writelines(lines(entries, form))
        elif os.path.isfile(temporary) and not is_packed(path):
            _write_snapshot(temporary, entries, reader)
        else:
            with snapshot(entries, reader) as made, open(temporary, "wb") as file:
                if is_packed(path):
                    with pack(file) as packing:
                        shutil.copyfileobj(made, packing)
                else:
                    shutil.copyfileobj(made, file)


@contextmanager
def snapshot(entries: Iterable[Entry], reader: Reader) -> Iterator[BinaryIO]:
    """Give the bytes of a snapshot to be read."""
    with tempfile.TemporaryDirectory(prefix="qacache-") as folder:
        path = os.path.join(folder, "snapshot.db")
        _write_snapshot(path, entries, reader)
        with open(path, "rb") as file:
            yield file


def _write_snapshot(path: str, entries: Iterable[Entry], reader: Reader) -> None:
    # loads sqlite_utils
    from qacache.store.snapshot import write_snapshot

    write_snapshot(path, entries, reader.roots())


def _refuse_store(path: str, store: str) -> None:
    target = os.path.realpath(path)
    mine = [os.path.realpath(store) + ending for ending in ("", "-wal", "-shm", ".lock", ".scan.lock")]
    if target in mine:
        raise UsageError(f"the export would take the place of the store: {path}", hint="choose another --output")
    # SQLite would take what is there for changes of the new file
    if any(os.path.exists(target + ending) for ending in ("-wal", "-journal")):
        raise UsageError(
            f"the export would take the place of a database in use: {path}", hint="choose another --output"
        )
