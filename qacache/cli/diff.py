"""`qacache diff`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.cli.scans import NO_SCANS, known_scan, local_time
from qacache.config import load
from qacache.diff import diff as difference
from qacache.errors import UsageError
from qacache.paths import absolute
from qacache.store.history import History
from qacache.store.reader import Reader
from qacache.text import json_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qacache.diff import Diff, FolderSum, NetChange
    from qacache.store.history import JournaledScan

app = command_app()

_MOST_SHOWN = 20


class Span(NamedTuple):
    """The scans whose changes count: after < id <= through, until now without `through`; `words` say the same."""

    after: int
    through: int | None
    words: str


@app.command(epilog=exit_statuses(0, 1, 2, 10, 12, 130))
def diff(
    scans: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="[SCAN [SCAN]]", help="Changes since this scan, or between two; by default, of the last."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="List so many folders and files; 0: all.  [default: 20; JSON: all]"),
    ] = None,
    under: Annotated[str | None, typer.Option(metavar="PATH", help="Only what is in this folder counts.")] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    json: JsonOption = False,
) -> None:
    """Say what changed in the library, in which folders and files.

    `qacache scans` lists the scans. Folders and files come by weight, the largest difference first.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    with History(settings.db.path) as history:
        span = _span(history, scans or [])
        if span is None:
            sys.stderr.write(NO_SCANS)
            return
        folders = _spellings(settings.db.path, under) if under is not None else ()
        found = difference(history.changes(span.after, span.through), folders)
    if json:
        _write_json(found, span, limit)
    else:
        _write_text(found, span, _MOST_SHOWN if limit is None else limit)


def _span(history: History, scan_ids: Sequence[int]) -> Span | None:
    """Return the scans that were asked for, None where there was no scan yet; raises `UsageError`."""
    newest = next(history.scans(), None)
    if newest is None:
        return None
    if not scan_ids:
        # the changes of a scan that runs are not settled yet
        last = next((scan for scan in history.scans() if scan.state != "running"), newest)
        return Span(last.scan_id - 1, last.scan_id, f"in {_name(last)}")
    if len(scan_ids) > 2:  # noqa: PLR2004
        raise UsageError(f"{len(scan_ids)} scans to compare", hint="name two at most")
    first, *other = (known_scan(history, scan_id) for scan_id in sorted(scan_ids))
    if not other:
        return Span(first.scan_id, None, f"since {_name(first)}")
    return Span(first.scan_id, other[0].scan_id, f"since {_name(first)}, up to {_name(other[0])}")


def _name(scan: JournaledScan) -> str:
    return f"scan {scan.scan_id} ({local_time(scan.started_ms)})"


def _spellings(db_path: str, path: str) -> list[bytes]:
    with Reader(db_path) as reader:
        return list(reader.spellings(absolute(os.fsencode(path))))


def _write_json(found: Diff, span: Span, limit: int | None) -> None:
    for file in found.files[: limit or None]:
        sys.stdout.write(json_line(file.to_dict()))
    for folder in found.folders[: limit or None]:
        sys.stdout.write(json_line(folder.to_dict()))
    scans = {"after_scan": span.after, "through_scan": span.through}
    sys.stdout.write(json_line({"event": "summary", **scans, **found.totals()}))


def _write_text(found: Diff, span: Span, limit: int) -> None:
    if not found.files:
        sys.stdout.write(f"nothing changed {span.words}\n")
        return
    counts = ", ".join(f"{kind.count:,} {name}" for name, kind in found.kinds.items())
    lines = [f"{_delta_text(found.size_delta)}: {counts} {span.words}"]
    lines += _section("folders", [_folder_line(each) for each in found.folders[: limit or None]], len(found.folders))
    lines += _section("files", [_file_line(each) for each in found.files[: limit or None]], len(found.files))
    sys.stdout.write("\n".join(lines) + "\n")


def _section(title: str, lines: Sequence[str], count: int) -> Iterator[str]:
    yield f"{title}:"
    yield from lines
    if count > len(lines):
        yield f"  ... and {count - len(lines):,} more: --limit 0 lists all"


def _folder_line(folder: FolderSum) -> str:
    changes = "1 change" if folder.changes == 1 else f"{folder.changes:,} changes"
    return f"  {_delta_text(folder.size_delta):>9}  {printable(folder.path)} ({changes})"


def _file_line(file: NetChange) -> str:
    notes = []
    if file.from_path is not None:
        notes.append(f"was {printable(_short(file.from_path, file.path))}")
    if file.codec_before and file.codec_after and file.codec_before != file.codec_after:
        notes.append(printable(f"{file.codec_before} to {file.codec_after}"))
    note = f" ({', '.join(notes)})" if notes else ""
    return f"  {_delta_text(file.size_delta):>9}  {file.kind:10}  {printable(file.path)}{note}"


def _short(old_path: bytes, path: bytes) -> bytes:
    """Return the name alone where the folder is still the same."""
    folder, name = os.path.split(old_path)
    return name if folder == os.path.dirname(path) else old_path


def _delta_text(size_delta: int) -> str:
    # loads rich, which JSON does without
    from qacache.cli.tables import size_text

    sign = "+" if size_delta > 0 else "-" if size_delta else "±"
    return f"{sign}{size_text(abs(size_delta))}"
