"""Showing a run: the events of a scan, or of a refresh, as people and programs want to see them.

In: the run and its events. Out: a display of the progress on stderr while it lasts (terminals only), the summary with
the failures on stdout, or the events as JSON; and the exit status.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from qacache.cli.text import json_line, printable
from qacache.errors import RootRefused
from qacache.event_record import event_dicts, summary_dict
from qacache.events import Failed, Planned, Summary, Unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.events import Event

_MOST_SHOWN = 20

SOME_FAILED = 3
INTERRUPTED = 130


class Run(Protocol):
    """A scan, or a refresh."""

    summary: Summary

    def stop(self) -> None:
        """End early, with all that is finished stored."""

    def slowest(self) -> tuple[bytes, float] | None:
        """Return the path in flight for the longest time, and its seconds."""


def show_run(
    run: Run, events: Iterable[Event], *, as_json: bool = False, quiet: bool = False, expected: int | None = None
) -> int:
    """Follow the events to their end; return the exit status. `expected` is the number of files, where known."""
    report = _JsonReport() if as_json else _TextReport()
    refused: RootRefused | None = None
    with _stopped_by_signals(run), _progress(run, expected):
        try:
            for event in events:
                report.add(event)
        except RootRefused as error:
            refused = error
    if not quiet and run.summary.duration_s:
        report.end(run.summary)
    if refused is not None:
        raise refused
    if run.summary.state == "interrupted":
        return INTERRUPTED
    return SOME_FAILED if run.summary.failed else 0


class _JsonReport:
    """An event a line, as it happens."""

    def add(self, event: Event) -> None:
        for each in event_dicts(event):
            sys.stdout.write(json_line(each))
        if not isinstance(event, Unchanged):
            sys.stdout.flush()

    def end(self, summary: Summary) -> None:
        sys.stdout.write(json_line(summary_dict(summary)))
        sys.stdout.flush()


class _TextReport:
    """A summary at the end, with what failed, and what a dry run would do."""

    def __init__(self) -> None:
        self._notes: list[str] = []
        self._left_out = 0

    def add(self, event: Event) -> None:
        if not isinstance(event, Failed | Planned):
            return
        if len(self._notes) == _MOST_SHOWN:
            self._left_out += 1
            return
        path = printable(event.path)
        if isinstance(event, Planned):
            self._notes.append(f"  {event.reason}: {path}")
        else:
            self._notes.append(f"  {path}\n    {event.failure.reason}: {printable(event.failure.message)}")

    def end(self, summary: Summary) -> None:
        lines = [_headline(summary)]
        if self._notes:
            lines += ["would look into:" if summary.planned else "failed:", *self._notes]
        if self._left_out:
            lines.append(f"  ... and {self._left_out:,} more: --json tells all")
        if summary.known_failures:
            lines.append(f"{summary.known_failures:,} that failed before were not tried again yet")
        if summary.unstable:
            lines.append(f"{summary.unstable:,} still being written: the next scan looks again")
        if summary.abandoned:
            lines.append(f"{summary.abandoned:,} probes hang and could not even be killed")
        sys.stdout.write("\n".join(lines) + "\n")


def _headline(summary: Summary) -> str:
    seconds = summary.duration_s
    counts = [
        f"{getattr(summary, name):,} {name}"
        for name in ("unchanged", "reused", "probed", "failed", "vanished", "unstable", "planned")
        if getattr(summary, name)
    ]
    state = "" if summary.state == "complete" else f" ({summary.state})"
    rate = f", {summary.done / seconds:,.0f} files/s" if seconds and summary.done else ""
    return f"{summary.found:,} files in {seconds:,.1f} s{rate}{state}: {' · '.join(counts) or 'nothing to do'}"


@contextmanager
def _stopped_by_signals(run: Run) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run in order; the second one ends it at once."""

    def on_signal(number: int, frame: object) -> None:
        signal.signal(number, signal.default_int_handler)
        os.write(2, b"stopping: storing what is finished\n")
        run.stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(run: Run, expected: int | None) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from qacache.cli.progress import progress_display

    with progress_display(run, expected):
        yield
