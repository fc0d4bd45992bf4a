"""`qacache scans`."""

from __future__ import annotations

import sys
import time
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from qacache.cli.asking import server_for
from qacache.cli.options import ConfigOption, DbOption, JsonOption, ServerOption, command_app, exit_statuses
from qacache.config import load
from qacache.errors import UsageError
from qacache.store.history import OUTCOMES, ChangeKind, History, scan_dict
from qacache.text import EMPTY, json_line, printable, tsv_line
from qacache.times import iso_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qacache.store.history import JournaledScan

app = command_app()

NO_SCANS = "no scans yet; the first is made with: qacache scan FOLDER\n"

_KINDS: tuple[str, ...] = get_args(ChangeKind)

_MOST_SHOWN = 20
_MOST_ROOTS = 5
# what is left out of the table where it would leave no room for the rest
_WIDE = 110
_MINUTE_S = 60
_STATE_STYLES = {"complete": "green", "interrupted": "yellow", "failed": "red", "running": "cyan"}


@app.command(epilog=exit_statuses(0, 1, 2, 10, 12, 15, 130))
def scans(
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="List the last N scans; 0: all.  [default: 20 on a terminal, else all]"),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    server: ServerOption = None,
    json: JsonOption = False,
) -> None:
    """List the scans there were, the newest first.

    Prints a table on a terminal, and tab-separated lines elsewhere.
    """
    settings = load(config_path=config, flags={"db.path": db, "client.server_url": server}).config
    if there := server_for(settings, db=db, server=server):
        from qacache.client.listings import scans as scans_there

        _write(scans_there(there), limit, as_json=json)
    else:
        with History(settings.db.path) as history:
            _write(history.scans(), limit, as_json=json)


def _write(scans: Iterator[JournaledScan], limit: int | None, *, as_json: bool) -> None:
    """Print scans in the form that is wanted."""
    first = list(islice(scans, 1))
    if not first:
        sys.stderr.write(NO_SCANS)
    scans = chain(first, scans)
    if as_json:
        sys.stdout.writelines(json_line(scan_dict(scan)) for scan in islice(scans, limit or None))
    elif sys.stdout.isatty():
        _write_table(scans, _MOST_SHOWN if limit is None else limit)
    else:
        _write_tsv(islice(scans, limit or None))


def known_scan(history: History, scan_id: int) -> JournaledScan:
    """Return that scan; raises `UsageError` where there is none, with those that there are."""
    scan = history.scan(scan_id)
    if scan is None:
        known = ", ".join(_ranges(sorted(each.scan_id for each in history.scans())))
        hint = f"there are scans {known}; qacache scans lists them" if known else NO_SCANS.rstrip()
        raise UsageError(f"no such scan: {scan_id}", hint=hint)
    return scan


def _ranges(numbers: Iterable[int]) -> Iterator[str]:
    """Yield ascending numbers as `1-7`, `9`, `12-14`."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        first, *_, last = [number for _, number in run] * 2
        yield str(first) if first == last else f"{first}-{last}"


def local_time(ms: int) -> str:
    """Return milliseconds since the epoch as people here write them, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(ms / 1000))


def _write_tsv(scans: Iterator[JournaledScan]) -> None:
    head = ("scan", "started", "state", "duration_s", "found", "files_per_s", "bytes")
    sys.stdout.write(tsv_line((*head, *OUTCOMES, *_KINDS, "roots")))
    for scan in scans:
        duration_s, rate, summary = scan.duration_s, scan.files_per_s, scan.summary
        changes = summary.get("changes")
        row = (
            *(scan.scan_id, iso_time(scan.started_ms), scan.state),
            None if duration_s is None else f"{duration_s:.3f}",
            summary.get("found"),
            None if rate is None else f"{rate:.1f}",
            *(summary.get(name) for name in ("bytes", *OUTCOMES)),
            # an end without changes counts none of any kind
            *(None if changes is None else changes.get(kind, 0) for kind in _KINDS),
            # as the view `scans` has it: a name may hold whatever could stand between two
            json_line(scan.roots).removesuffix("\n"),
        )
        sys.stdout.write(tsv_line(row))


def _write_table(scans: Iterator[JournaledScan], limit: int) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    is_wide = console.width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("scan", "started", "state", "took", "files", *(("speed", "size") if is_wide else ())):
        table.add_column(name, justify="left" if name in {"started", "state"} else "right", no_wrap=True)
    table.add_column("outcome, changes, roots", overflow="fold", min_width=16)
    for scan in islice(scans, limit or None):
        scan_id, started, state, *numbers = _cells(scan)
        shown = numbers if is_wide else numbers[:2]
        table.add_row(scan_id, started, Text(state, _STATE_STYLES[state]), *shown, Text(_story(scan)))
    left_out = sum(1 for _ in scans)
    if table.row_count:
        console.print(table)
    if left_out:
        console.print(f"... and {left_out:,} older: --limit 0 lists all", highlight=False)


def _cells(scan: JournaledScan) -> Iterator[str]:
    from qacache.cli.run import rate_text
    from qacache.cli.tables import length_text, size_text

    duration_s, rate = scan.duration_s, scan.files_per_s
    found, size = scan.summary.get("found"), scan.summary.get("bytes")
    yield str(scan.scan_id)
    yield local_time(scan.started_ms)
    yield scan.state
    yield EMPTY if duration_s is None else f"{duration_s:.1f} s" if duration_s < _MINUTE_S else length_text(duration_s)
    yield EMPTY if found is None else f"{found:,}"
    yield EMPTY if rate is None else rate_text(rate)
    yield EMPTY if size is None else size_text(size)


def _story(scan: JournaledScan) -> str:
    """Return what the scan came to, and where, in lines."""
    outcomes = [f"{scan.summary[name]:,} {name}" for name in OUTCOMES if scan.summary.get(name)]
    changes = [f"{count:,} {kind}" for kind, count in scan.summary.get("changes", {}).items()]
    refused = [f"refused: {printable(sentence)}" for sentence in scan.summary.get("refused", [])]
    incomplete = [f"not complete: {printable(root)}" for root in scan.summary.get("incomplete", [])]
    lines = [*refused, *incomplete, " · ".join(outcomes), "changes: " + " · ".join(changes) if changes else ""]
    lines += map(printable, scan.roots[:_MOST_ROOTS])
    if len(scan.roots) > _MOST_ROOTS:
        lines.append(f"... and {len(scan.roots) - _MOST_ROOTS:,} more")
    return "\n".join(filter(None, lines))
