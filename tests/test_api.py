"""The library: what `import qacache` offers, and what it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import qacache
from qacache import Crew, Filters, Reader, Record, RetrySchedule, Scan, ScanOptions, Store
from qacache.lookup import look_up
from tests.fakes import FakeProber
from tests.media import make_file

HEAVY = ("rich", "typer", "click", "sqlite_utils", "sqlite3", "xxhash", "av", "subprocess", "concurrent.futures")


@pytest.mark.parametrize("name", qacache.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(qacache, name) is not None


def test_any_other_name_is_not() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        qacache.nonsense  # noqa: B018


def test_to_import_it_loads_nothing_heavy() -> None:
    program = "import sys, qacache; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()

    assert "qacache" in loaded
    assert not {*HEAVY} & {*loaded}


def test_it_is_typed() -> None:
    assert (Path(qacache.__file__).parent / "py.typed").exists()


def test_a_program_can_scan_and_look_up(tmp_path: Path) -> None:
    path = os.fsencode(make_file(tmp_path / "library" / "x.mp4", b"content"))
    db = str(tmp_path / "videos.db")

    with Store(db, create=True, retries=RetrySchedule(3600, 86400)) as store:
        run = Scan(store, Crew(FakeProber()), ScanOptions(filters=Filters(["mp4", "mkv"])))
        events = list(run.events([os.path.dirname(path)]))
    with Reader(db) as reader:
        (answer,) = look_up(reader, [path], ("media.format_name",))

    assert [type(event).__name__ for event in events] == ["Probed"]
    assert answer.found is not None
    assert answer.found.values == ("fake",)
    assert Record.__name__ == "Record"
