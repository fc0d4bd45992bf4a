"""How long it takes to find files among a million, beyond what the command takes to find none in an empty store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import QACACHE, Row, in_turns, run
from qacache.store import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_S = 0.150
_TIMES = 15
_SEARCHES = {
    "two filters, many fit": ("--orientation", "portrait", "--codec", "hevc"),
    "two filters, few fit": ("--container", "wmv", "--max-height", "288"),
    "two filters, none fits": ("--orientation", "portrait", "--hdr-format", "dolby-vision"),
    "two filters, below a folder": ("--under", "{tree}/part 3", "--longer-than", "2h", "--resolution", "4k"),
    "a rare word": ("dorse", "holiday"),
    "a word in half of all paths": ("episode",),
    "a word in no path": ("of a thing that is not there",),
}


def searches(work: Path, db: Path) -> Iterator[Row]:
    """Find files by several criteria, the largest fifty first."""
    empty = work / "empty.db"
    migrations.create(str(empty), busy_timeout_s=5.0)
    for name, criteria in _SEARCHES.items():
        asked = [each.format(tree=work / "tree") for each in criteria]
        search = partial(_find, asked)
        mine, start = in_turns(partial(search, db), partial(search, empty), _TIMES)
        beyond_s = mine - start
        what = f"find, {name} : 150 ms"
        yield Row(
            what, beyond_s / _MOST_S, 1.0, False, f"{beyond_s * 1e3:.0f} ms beyond start", f"{_MOST_S * 1e3:.0f} ms"
        )


def _find(criteria: list[str], db: Path) -> float:
    # a folder that an empty store does not know makes the status 3
    return run([QACACHE, "find", "--db", str(db), "--sort", "-size", "--limit", "50", *criteria], statuses=(0, 3))
