"""`qacache doctor`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import typer

from qacache.cli import ERROR
from qacache.cli.options import ConfigOption, DbOption, JsonOption, command_app, exit_statuses
from qacache.config import load
from qacache.readiness.rounds import Readiness
from qacache.readiness.verdicts import finding_dict, summary_dict
from qacache.text import json_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from qacache.readiness.verdicts import Finding, State

app = command_app()

_STATE_STYLES: dict[State, str] = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


@app.command(epilog=exit_statuses(0, 1, 2, 130))
def doctor(config: ConfigOption = None, db: DbOption = None, json: JsonOption = False) -> None:
    """Check all that qacache needs, and say what to do about it.

    Looks at the store, the clock, SQLite, the probers, and each root: of the configuration, and of the store. A disk
    or mount that does not answer is given up after doctor.deadline. Exits with 1 where a check failed; warnings do not
    count. Checks that are named in doctor.skip are left out.
    """
    settings = load(config_path=config, flags={"db.path": db}).config
    write = _json_writer() if json else _terminal_writer() if sys.stdout.isatty() else _write_line
    counts: Counter[State] = Counter()
    for finding in Readiness(settings).findings():
        counts[finding.state] += 1
        write(finding)
        sys.stdout.flush()
    if json:
        sys.stdout.write(json_line(summary_dict(counts)))
    else:
        told = " · ".join(_counted(count, state) for state in _STATE_STYLES if (count := counts[state]))
        sys.stdout.write(f"{counts.total():,} checks: {told}\n")
    raise typer.Exit(ERROR if counts["failed"] else 0)


def _counted(count: int, state: State) -> str:
    return f"{count:,} {state}{'s' if state == 'warning' and count > 1 else ''}"


def _json_writer() -> Callable[[Finding], object]:
    return lambda finding: sys.stdout.write(json_line(finding_dict(finding)))


def _write_line(finding: Finding) -> None:
    head = f"{finding.state:8} {finding.check:20}"
    lines = [f"{head} {printable(finding.says)}"]
    if finding.hint and finding.state != "ok":
        lines.append(f"{'':{len(head)}} hint: {printable(finding.hint)}")
    sys.stdout.write("\n".join(lines) + "\n")


def _terminal_writer() -> Callable[[Finding], None]:
    """Return what writes a finding in colours, its sentences in a column of their own."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()

    def write(finding: Finding) -> None:
        style = _STATE_STYLES[finding.state]
        says = Text(printable(finding.says), "dim" if finding.state == "skipped" else "")
        if finding.hint:
            says.append(f"\nhint: {printable(finding.hint)}", "dim")
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_column(width=7)
        line.add_column(width=19)
        line.add_column(overflow="fold")
        line.add_row(Text(finding.state, style), Text(finding.check), says)
        console.print(line)

    return write
