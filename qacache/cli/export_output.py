"""Exports as a terminal, a pipe or a file gets them: entries come in, text or a database goes out."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from typing import TYPE_CHECKING

from qacache.cli.tables import size_text
from qacache.errors import UsageError
from qacache.exchange.files import unpacked_name
from qacache.exchange.outputs import form_of, lines, snapshot
from qacache.text import harmless, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.exchange.inputs import Form
    from qacache.record import Entry
    from qacache.store.reader import Reader


class Format(StrEnum):
    """How records are written."""

    NDJSON = "ndjson"
    CSV = "csv"
    SQLITE = "sqlite"


def chosen_form(chosen: Format | None, output: str | None, *, as_json: bool) -> Form:
    """Return the form that was asked for, or shows in the name of the file; raises `UsageError`."""
    if as_json and chosen not in (None, Format.NDJSON):
        raise UsageError(f"--json and --format {chosen} are two forms", hint="choose one of them")
    if chosen is not None:
        return chosen.value
    if as_json or output is None or not os.path.splitext(unpacked_name(output))[1]:
        return "ndjson"
    form = form_of(output)
    if form is None:
        raise UsageError(f"what form {output} is to have does not show in its name", hint="say it with --format")
    return form


class Told:
    """Takes out what is not in the store, and tells of it; counts the rest."""

    def __init__(self) -> None:
        self.count = 0
        self.unknown = 0

    def known(self, found: Iterable[Entry | bytes]) -> Iterator[Entry]:
        """Yield the entries."""
        for each in found:
            if isinstance(each, bytes):
                self.unknown += 1
                sys.stderr.write(f"qacache: not in the store: {printable(each)}\n")
            else:
                self.count += 1
                yield each

    def end(self, output: str | None) -> None:
        """Say what came of it, of a file on stdout; that there was nothing is no error."""
        # no file is what stdout may be, by another name
        if output is not None and os.path.isfile(output):
            records = f"{self.count:,} record{'s' * (self.count != 1)}"
            sys.stdout.write(f"{records}, {size_text(os.path.getsize(output))}: {printable(output)}\n")
        elif not self.count and not self.unknown:
            sys.stderr.write("qacache: no file fits\n")


def print_export(entries: Iterable[Entry], form: Form, reader: Reader) -> None:
    """Write `entries`, which `reader` reads, to standard output."""
    if form == "sqlite":
        _print_snapshot(entries, reader)
        return
    # JSON has escapes for what a terminal would act on; CSV has none, and is shown as far as that goes
    shown = harmless if form == "ndjson" else _printable_line if sys.stdout.isatty() else str
    for text in lines(entries, form):
        sys.stdout.write(shown(text))


def _printable_line(text: str) -> str:
    return printable(text.removesuffix("\r\n")) + "\n"


def _print_snapshot(entries: Iterable[Entry], reader: Reader) -> None:
    if sys.stdout.isatty():
        raise UsageError("a database is nothing to look at", hint="name a file with --output")
    with snapshot(entries, reader) as made:
        sys.stdout.flush()
        shutil.copyfileobj(made, sys.stdout.buffer)
