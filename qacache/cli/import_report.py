"""What became of an import, as people and programs are told: its events come in, lines go out."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from qacache.exchange.imports import GivenUp, Refused, Stored
from qacache.text import json_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qacache.exchange.imports import ImportEvent, ImportSummary

_WORDS = {"added": "new", "updated": "changed", "kept": "known already", "refused": "refused"}


class TextReport:
    """Each record that was refused and each file that was given up on stderr, a summary on stdout."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run

    def add(self, event: ImportEvent) -> None:
        """Tell of `event`, unless all is well."""
        match event:
            case Refused(source, number, problem):
                sys.stderr.write(f"qacache: {printable(f'{source}:{number}: {problem}')}\n")
            case GivenUp(source, problem, hint):
                lines = [f"qacache: {source} {problem}", *([f"hint: {hint}"] if hint else [])]
                sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
            case Stored():
                pass

    def end(self, summary: ImportSummary, *, is_over: bool) -> None:
        """Tell what it came to; of one that came to nothing before its end, nothing."""
        if not (is_over or summary.records):
            return
        counts = [f"{count:,} {word}" for name, word in _WORDS.items() if (count := getattr(summary, name))]
        records = f"{summary.records:,} record{'s' * (summary.records != 1)}"
        head = f"{records}{' (interrupted)' * (not is_over)}{', as it would be' * self._dry_run}"
        sys.stdout.write(f"{head}: {' · '.join(counts) or 'nothing to import'}\n")


def tell_unused(folders: Iterable[bytes]) -> None:
    """Tell on stderr that --map named these folders, and no record is below them: they may be misspelt."""
    for folder in sorted(folders):
        sys.stderr.write(f"qacache: --map changed nothing: no file is below {printable(folder)}\n")


class JsonReport:
    """An object for each record that was refused and each file that was given up, and one at the end."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run

    def add(self, event: ImportEvent) -> None:
        """Tell of `event`, unless all is well."""
        match event:
            case Refused(source, number, problem):
                line = {"event": "refused", "file": source, "number": number, "problem": problem}
                sys.stdout.write(json_line(line))
            case GivenUp(source, problem, hint):
                sys.stdout.write(json_line({"event": "given-up", "file": source, "problem": problem, "hint": hint}))
            case Stored():
                pass

    def end(self, summary: ImportSummary, *, is_over: bool) -> None:
        """Tell what it came to."""
        head = {"event": "summary", "dry_run": self._dry_run, "complete": is_over, "records": summary.records}
        sys.stdout.write(json_line({**head, **asdict(summary)}))
