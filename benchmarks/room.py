"""How much room the store takes, with all that probers said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.measure import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 1500


def room(db: Path, files: int) -> Iterator[Row]:
    """Say how many bytes the database takes for each of its `files`."""
    each = db.stat().st_size / files
    what = "database, bytes a file : 1,500"
    yield Row(what, each / _MOST_BYTES, 1.0, False, f"{each:,.0f} bytes", f"{_MOST_BYTES:,} bytes")
