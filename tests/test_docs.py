"""The documentation, held against what it describes."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from qacache.config.upkeep import CHECKS
from qacache.store.session import Store

PROJECT = Path(__file__).parent.parent

HEADING = re.compile(r"^## (\w+)$", re.MULTILINE)
ROW = re.compile(r"^\| (\w+) \| ([A-Z]+) \|", re.MULTILINE)


def documented_views() -> dict[str, list[str]]:
    """The columns of each view, as the documentation has them."""
    _, *parts = HEADING.split((PROJECT / "docs" / "schema.md").read_text(encoding="utf-8"))
    return {
        name: [column for column, _ in ROW.findall(text)] for name, text in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_column_of_every_view_is_documented_in_its_order(store: Store) -> None:
    with closing(sqlite3.connect(store.path)) as connection:
        views = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
        columns = {view: [name for _, name, *_ in connection.execute(f"PRAGMA table_info({view})")] for view in views}

    assert documented_views() == columns


def test_every_check_of_the_doctor_is_explained() -> None:
    rows = [line for line in (PROJECT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    explained = [check for row in rows for check in re.findall(r"`([a-z]+-[a-z]+|clock)`", row.split(" | ")[0])]
    assert sorted(explained) == sorted(CHECKS)
