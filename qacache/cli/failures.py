"""`qacache failures`."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated

import typer

from qacache.cli.again import PROBED_THERE, probe_again, probe_again_there
from qacache.cli.asking import refuse, server_for
from qacache.cli.options import (
    ConfigOption,
    DbOption,
    EngineOption,
    JobsOption,
    JsonOption,
    RateOption,
    ServerOption,
    command_app,
    exit_statuses,
)
from qacache.config import load
from qacache.config.keys import Key
from qacache.config.kinds import DURATION
from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.record import path_fields
from qacache.store.ledger import failed_files, failure_dict
from qacache.text import json_line, printable, tsv_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from qacache.client.server import Server
    from qacache.store.ledger import FailedFile

FIELDS = ("stage", "reason", "message", "attempts", "failed_at", "next_retry", "prober")
"""What `failure_dict` tells of each failure, in its order."""

_SINCE = Key("failures.since", DURATION, "", minimum=0.001, maximum=100 * 365 * 86400.0)

app = command_app()


@app.command(epilog=exit_statuses(0, 1, 2, 3, 10, 11, 12, 13, 15, 130))
def failures(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; by default, all.")
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what failed in the last TIME, such as 7d or 12h.")
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option("--reason", metavar="REASON", help="Only this reason, such as timeout; may be repeated."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Probe them again, at once.")] = False,
    engine: EngineOption = None,
    jobs: JobsOption = None,
    rate: RateOption = None,
    json: JsonOption = False,
) -> None:
    """List the files that failed, and why.

    Prints a table on a terminal, and tab-separated lines elsewhere, with how often each failed and when it is tried
    again. --engine, --jobs and --rate go with --retry.
    """
    probing = {"ffprobe.engine": engine, "ffprobe.concurrency": jobs, "scan.rate": rate}
    if not retry and any(value is not None for value in probing.values()):
        raise UsageError("nothing is probed", hint="--engine, --jobs and --rate go with --retry")
    settings = load(config_path=config, flags={"db.path": db, "client.server_url": server, **probing}).config
    names = [absolute(os.fsencode(path)) for path in paths or ()]
    since_ms = None if since is None else _since_ms(since)
    if there := server_for(settings, db=db, server=server):
        refuse({"--engine": engine, "--jobs": jobs, "--rate": rate}, hint=PROBED_THERE)
        if retry:
            raise typer.Exit(_retry_there(there, names, since, reason or (), as_json=json))
    failed = partial(_source(settings.db.path, there), names, since_ms=since_ms)
    listed = _Noted(failed(reasons=reason or ()))
    status = 0
    if retry:
        status = probe_again(settings, (each.path for each in listed), create=False, as_json=json)
    elif json:
        _write_json(listed)
    else:
        _write_lines(listed)
    if reason and not listed.is_any:
        _say_reasons(reason, failed())
    raise typer.Exit(status)


def _source(db_path: str, server: Server | None) -> Callable[..., Iterator[FailedFile]]:
    """Return what does as `failed_files`, of the store or of a server."""
    if server is None:
        return partial(failed_files, db_path)
    from qacache.client.listings import failures as failures_there

    return partial(failures_there, server)


def _retry_there(
    server: Server, paths: Iterable[bytes], since: str | None, reasons: Sequence[str], *, as_json: bool
) -> int:
    """Have a server probe failures again, and show it; return the exit status."""
    members = {"under": list(map(os.fsdecode, paths)), "reason": list(reasons), "since": since}
    asked = {name: value for name, value in members.items() if value}
    return probe_again_there(server, "/failures/retry", asked, as_json=as_json)


class _Noted:
    """Passes failures on, and notes whether there were any."""

    def __init__(self, failures: Iterable[FailedFile]) -> None:
        self.is_any = False
        self._failures = failures

    def __iter__(self) -> Iterator[FailedFile]:
        for each in self._failures:
            self.is_any = True
            yield each


def _since_ms(since: str) -> int:
    try:
        return int((time.time() - _SINCE.parse(since, "")) * 1000)
    except ValueError as error:
        raise UsageError(f"flag --since: {error}") from error


def _write_json(listed: Iterable[FailedFile]) -> None:
    for each in listed:
        sys.stdout.write(json_line({**path_fields(each.path), **failure_dict(each)}))


def _write_lines(listed: Iterable[FailedFile]) -> None:
    if sys.stdout.isatty():
        from qacache.cli.failure_table import write_failures

        write_failures(listed, int(time.time() * 1000))
        return
    rows = iter(listed)
    # this opens the store: where there is none, no header is printed
    first = list(islice(rows, 1))
    sys.stdout.write(tsv_line(("path", *FIELDS)))
    for each in chain(first, rows):
        sys.stdout.write(tsv_line((each.path, *failure_dict(each).values())))


def _say_reasons(wanted: Collection[str], all_failures: Iterable[FailedFile]) -> None:
    known = sorted({each.reason for each in all_failures})
    there_are = f"there are: {', '.join(known)}" if known else "nothing failed at all"
    sys.stderr.write(printable(f"qacache: no failure is {' or '.join(wanted)}; {there_are}") + "\n")
