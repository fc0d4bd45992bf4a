"""A store of today's schema with a few rows, as SQL: what tests of migrations start from when that schema is old.

`python -m tests.schema_dump > tests/data/schema/vN.sql`, once for each schema that is released.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from qacache.events import Vanished
from qacache.models import RootIdentity
from qacache.store import migrations
from qacache.store.proofs import Proof, Proofs, Stamp
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.fakes import FakeClock
from tests.rows import digest_of, failed, probed

SCAN_MS = 1_800_000_000_000


def fill(path: str) -> None:
    """Store a scan's worth of everything."""
    clock = FakeClock(SCAN_MS / 1000)
    retries = RetrySchedule(60, 3600, jitter=lambda: 0.5)
    with Writer(path, busy_timeout_s=0.2, retries=retries, clock=clock.time) as writer:
        scan = writer.begin_scan([b"/v"])
        writer.write(
            [
                probed(b"/v/a.mp4", "a"),
                failed(b"/v/broken.mp4", "b"),
                probed("/v/cafe\u0301.mkv".encode(), "a", inode=(1 << 64) - 1),
                probed(b"/v/caf\xe9.mp4", "c"),
                probed(b"/v/gone.mp4", "d"),
            ]
        )
        writer.end_root(
            b"/v", RootIdentity(b"/real/v", "nfs4", "nas:/v", 2), file_count=5, scanned_ms=SCAN_MS, unlisted=[]
        )
        writer.end_scan(scan, "complete", {"found": 5})
        stamp = Stamp(size=1001, mtime_ns=1_700_000_000_123_456_789, ctime_ns=1_700_000_001_000_000_000, inode=7)
        with Proofs(path, busy_timeout_s=0.2) as proofs:
            proofs.remember([Proof(1, stamp, {1001: digest_of("all of a")})])
        clock.advance(100)
        writer.write([Vanished(b"/v/gone.mp4")])


def dump() -> Iterator[str]:
    """Yield the lines of the SQL that makes such a store again."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "qacache.db")
        migrations.create(path, busy_timeout_s=0.2)
        fill(path)
        with closing(sqlite3.connect(path)) as connection:
            for pragma in ("application_id", "user_version"):
                yield f"PRAGMA {pragma} = {connection.execute(f'PRAGMA {pragma}').fetchone()[0]};"
            # Python dumps no virtual table; that of the paths of so few files is empty
            ((virtual_table,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'path_trigram'")
            connection.execute("DROP TABLE path_trigram")
            yield from connection.iterdump()
            yield f"{virtual_table};"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in dump())
