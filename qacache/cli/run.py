"""Showing a run: the events of a scan, or of a refresh, as people and programs want to see them.

In: the run and its events. Out: a display of the progress on stderr while it lasts (terminals only), the summary with
the failures on stdout, or the events as JSON; and the exit status.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from qacache.cli.signals import stop_signals
from qacache.errors import RootRefused
from qacache.event_record import event_dicts, summary_dict
from qacache.events import Failed, Planned, Summary, Unchanged
from qacache.text import json_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

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
    run: Run,
    events: Generator[Event, None, None],
    *,
    as_json: bool = False,
    quiet: bool = False,
    expected: int | None = None,
) -> int:
    """Follow the events to their end; return the exit status. `expected` is the number of files, where known."""
    report = _JsonReport() if as_json else _TextReport()
    refused: RootRefused | None = None
    # closed whatever happens, while the store is still open: that stores what is finished
    with stopped_by_signals(run.stop) as is_stopping, closing(events), _progress(run, expected, is_stopping):
        try:
            for event in events:
                report.add(event)
        except RootRefused as error:
            refused = error
        except BrokenPipeError as error:
            raise KeyboardInterrupt from error  # nobody listens any more
    if not quiet and (as_json or run.summary.duration_s):
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
            lines += ["would look into:" if summary.planned else "failed:", *sorted(self._notes)]
        if self._left_out:
            lines.append(f"  ... and {self._left_out:,} more: --json tells all")
        if summary.changes.keys() - {"added"}:
            lines.append(
                "changes: " + " · ".join(f"{summary.changes[kind]:,} {kind}" for kind in sorted(summary.changes))
            )
        if summary.known_failures:
            lines.append(f"not tried again yet: {summary.known_failures:,} that failed before")
        if summary.unstable:
            lines.append(f"{summary.unstable:,} still being written: the next scan looks again")
        again = "not complete, the next scan goes through it again"
        lines += [f"{again}: {printable(root)}" for root in summary.incomplete]
        if summary.abandoned:
            lines.append(f"{summary.abandoned:,} files hang, and nothing could end that")
        sys.stdout.write("\n".join(lines) + "\n")


def _headline(summary: Summary) -> str:
    seconds = summary.duration_s
    counts = [
        f"{getattr(summary, name):,} {name}"
        for name in ("unchanged", "reused", "probed", "failed", "vanished", "unstable", "planned")
        if getattr(summary, name)
    ]
    state = "" if summary.state == "complete" else f" ({summary.state})"
    rate = f", {rate_text(summary.done / seconds)}" if seconds and summary.done else ""
    files = "file" if summary.found == 1 else "files"
    return f"{summary.found:,} {files} in {seconds:,.1f} s{rate}{state}: {' · '.join(counts) or 'nothing to do'}"


def rate_text(files_per_s: float) -> str:
    """Return a speed as people say it, such as `1,200 files/s` or `0.4 files/s`."""
    return f"{files_per_s:,.{0 if files_per_s >= 9.95 else 1}f} files/s"  # noqa: PLR2004  # what would be shown as 10


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C, SIGTERM and the end of the terminal end a run in order, by `stop`; the second one ends it at once.

    What the block gets says whether that has happened.
    """
    is_stopping = False

    def end() -> None:
        nonlocal is_stopping
        is_stopping = True
        with suppress(OSError):  # the terminal may be gone
            if not os.isatty(2):  # the progress display says so itself
                os.write(2, b"stopping: storing what is finished\n")
        stop()

    with stop_signals(end):
        yield lambda: is_stopping


@contextmanager
def _progress(run: Run, expected: int | None, is_stopping: Callable[[], bool]) -> Iterator[None]:
    if not sys.stderr.isatty():
        yield
        return
    from qacache.cli.progress import progress_display

    with progress_display(run, expected, is_stopping):
        yield
