"""The promise of exports: what one store gives, another takes, and then is the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qacache.events import Event
from qacache.exchange.exports import entries, export
from qacache.exchange.imports import Import, Stored
from qacache.exchange.outputs import write_file
from qacache.exchange.sources import Source
from qacache.pathmap import PathMap
from qacache.record import Record
from qacache.store import raw_answers
from qacache.store.reader import Reader
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.entries import happenings
from tests.fakes import FakeClock

# of a file itself on one computer, or of the scans of one store
NOT_EXCHANGED = {"id", "file_id", "inode", "device", "unlisted", "away", "kind_id"}

ROUND_TRIPS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

numbers = count()


def new(template: Path, folder: Path) -> Path:
    return Path(shutil.copy(template, folder / f"{next(numbers)}.db"))


def writer(path: Path, clock: FakeClock | None = None) -> Writer:
    time = (clock or FakeClock()).time
    return Writer(str(path), busy_timeout_s=0.2, retries=RetrySchedule(60, 3600, jitter=lambda: 0.5), clock=time)


def fill(path: Path, batches: Sequence[tuple[int, Sequence[Event]]]) -> None:
    clock = FakeClock(1_800_000_000.0)
    with writer(path, clock) as filling:
        for passed_ms, events in batches:
            clock.advance(passed_ms / 1000)
            filling.write(events)


def export_to(path: Path, store: Path, form: Any, *, raw: bool = False) -> Path:
    with Reader(str(store)) as reader:
        found = entries(reader, raw=raw)
        write_file(str(path), (each for each in found if not isinstance(each, bytes)), form, reader)
    return path


def import_from(path: Path, store: Path) -> None:
    with writer(store) as taking:
        run = Import(taking, mapped=PathMap())
        told = list(run.events(Source(str(path))))
    assert [each for each in told if not isinstance(each, Stored)] == []


def contents(path: Path, *, raw: bool) -> dict[str, list[dict[str, Any]]]:
    """All that the tables have of files, but for what belongs to one computer, or one store's scans."""
    tables = ("file", "media", "failure", *(["raw_probe"] if raw else []))
    found = {}
    with closing(sqlite3.connect(path)) as connection:
        for table in tables:
            key = "id" if table == "file" else "file_id"
            # each store has layouts of its own: what they stand for is compared
            streams = ", (SELECT streams FROM videos WHERE id = f.id) AS streams" if table == "media" else ""
            rows = connection.execute(
                f"SELECT {table}.*{streams} FROM {table} JOIN file AS f ON f.id = {table}.{key} ORDER BY f.path"
            )
            names = [name for name, *_ in rows.description]
            found[table] = [
                {
                    name: _readable(name, value)
                    for name, value in zip(names, row, strict=True)
                    if name not in (*NOT_EXCHANGED, "layouts")
                }
                for row in rows
            ]
    return found


def _readable(name: str, value: Any) -> Any:
    return json.loads(raw_answers.unpack(value)) if name == "json" else value


def records(path: Path) -> list[Record]:
    with Reader(str(path)) as reader:
        return [each for each in export(reader) if isinstance(each, Record)]


@pytest.mark.parametrize(
    ("form", "name", "raw"),
    [
        ("ndjson", "x.ndjson", True),
        ("ndjson", "x.ndjson.gz", False),
        ("sqlite", "x.db", True),
        ("sqlite", "x.db.gz", False),
    ],
)
@ROUND_TRIPS
@given(batches=happenings())
def test_what_was_exported_and_imported_is_as_it_was(
    new_store: Path, tmp_path: Path, form: str, name: str, raw: bool, batches: list[tuple[int, list[Event]]]
) -> None:
    first, second = new(new_store, tmp_path), new(new_store, tmp_path)
    fill(first, batches)

    import_from(export_to(tmp_path / name, first, form, raw=raw), second)

    assert contents(second, raw=raw) == contents(first, raw=raw)
    assert records(second) == records(first)


@ROUND_TRIPS
@given(batches=happenings(), packed=st.booleans())
def test_csv_gives_back_what_it_has_columns_for(
    new_store: Path, tmp_path: Path, batches: list[tuple[int, list[Event]]], packed: bool
) -> None:
    first, second = new(new_store, tmp_path), new(new_store, tmp_path)
    fill(first, batches)

    import_from(export_to(tmp_path / ("x.csv.gz" if packed else "x.csv"), first, "csv"), second)

    assert records(second) == [
        replace(record, media=record.media and replace(record.media, tags={}, streams=())) for record in records(first)
    ]


@ROUND_TRIPS
@given(batches=happenings(), form=st.sampled_from(["ndjson", "csv", "sqlite"]))
def test_a_store_learns_nothing_from_its_own_export(
    new_store: Path, tmp_path: Path, batches: list[tuple[int, list[Event]]], form: str
) -> None:
    store = new(new_store, tmp_path)
    fill(store, batches)
    before = contents(store, raw=True)

    import_from(export_to(tmp_path / "x", store, form), store)

    assert contents(store, raw=True) == before


def test_real_files_come_through_every_form(scanned: Any, new_store: Path, tmp_path: Path) -> None:
    for form in ("ndjson", "sqlite"):
        second = new(new_store, tmp_path)
        import_from(export_to(tmp_path / "x", scanned.db, form, raw=True), second)
        assert records(second) == records(scanned.db)
        with closing(sqlite3.connect(second)) as connection:
            assert connection.execute("SELECT count(*) FROM raw_probe").fetchone() == (2,)
