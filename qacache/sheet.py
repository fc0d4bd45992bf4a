"""Lines of CSV (RFC 4180) that are safe in spreadsheets: values come in, a line goes out.

A text that a spreadsheet might take for a formula has an apostrophe before it, and so has every text that is empty or
begins with one: whoever takes one away from each has the text again. Numbers are as they are, nothing is an empty cell.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_GUARD = "'"
# what begins a formula, also in the wide forms of East Asia; white space that is skipped before one
_GUARDED = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20" + _GUARD)


class _Line:
    """Stands for a file of which each write is asked for back."""

    def write(self, text: str) -> str:
        return text


_writer = csv.writer(_Line())  # it only calls `write`


def sheet_line(values: Iterable[object]) -> str:
    """Return one line, which may hold line breaks in quotes; bytes are text with replacement characters."""
    line: str = _writer.writerow([_cell(value) for value in values])  # what `write` returns
    return line


def unguarded(cell: str) -> str:
    """Return the text that a cell of such a line holds, which is not nothing."""
    return cell.removeprefix(_GUARD)


def _cell(value: object) -> object:
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(text, str) and (not text or text[0] in _GUARDED):
        return _GUARD + text
    return text
