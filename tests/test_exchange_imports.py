"""Imports: what comes in, what stays out, and that nothing comes in by half."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from qacache.errors import StoreFull
from qacache.exchange import imports
from qacache.exchange.imports import GivenUp, Import, ImportEvent, Intake, Refused, Stored
from qacache.exchange.sources import Source
from qacache.pathmap import PathMap
from qacache.record import Entry
from qacache.store.intake import Preview, Taken
from tests.test_exchange_check import good
from tests.test_exchange_roundtrip import new, records, writer


def line(name: str, **changes: Any) -> str:
    return json.dumps(good(path=f"/v/{name}.mp4", **changes))


def file_of(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{each}\n" for each in lines))
    return path


@pytest.fixture
def store_file(new_store: Path, tmp_path: Path) -> Path:
    """A store of nothing."""
    return new(new_store, tmp_path)


@pytest.fixture
def bring(store_file: Path) -> Callable[..., tuple[list[ImportEvent], imports.ImportSummary]]:
    """Import files into the store; what is told, and what it came to."""

    def run(*paths: Path, **options: Any) -> tuple[list[ImportEvent], imports.ImportSummary]:
        with writer(store_file) as taking:
            run = Import(taking, **{"mapped": PathMap(), **options})
            told = [event for path in paths for event in run.events(Source(str(path)))]
            return told, run.summary

    return run


def names(store: Path) -> list[str]:
    return [record.path.decode() for record in records(store)]


def counts(summary: imports.ImportSummary) -> tuple[int, int, int, int, int]:
    return summary.added, summary.updated, summary.kept, summary.refused, summary.given_up


def test_what_is_new_comes_in_and_what_is_known_is_counted(
    bring: Callable[..., Any], store_file: Path, tmp_path: Path
) -> None:
    first = file_of(tmp_path / "1", line("a"), line("b"))
    later = file_of(tmp_path / "2", line("b", probed_at="2027-02-01T00:00:00Z"), line("a"), line("c"))

    assert counts(bring(first)[1]) == (2, 0, 0, 0, 0)
    told, summary = bring(later)

    assert told == [Stored(3)]
    assert (counts(summary), summary.records) == ((1, 1, 1, 0, 0), 3)
    assert names(store_file) == ["/v/a.mp4", "/v/b.mp4", "/v/c.mp4"]


def test_a_bad_record_is_named_and_takes_no_neighbour_along(
    bring: Callable[..., Any], store_file: Path, tmp_path: Path
) -> None:
    path = file_of(tmp_path / "x", line("a"), "{", line("b", size=-1), line("c"))
    told, summary = bring(path)
    assert told == [
        Refused(str(path), 2, "no JSON: expecting property name enclosed in double quotes at column 2"),
        Refused(str(path), 3, "size is no whole number from 0: -1"),
        Stored(2),
    ]
    assert counts(summary) == (2, 0, 0, 2, 0)
    assert names(store_file) == ["/v/a.mp4", "/v/c.mp4"]


def test_what_came_before_the_end_of_a_broken_file_is_stored_and_other_files_are_read(
    bring: Callable[..., Any], store_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_BATCH", 2)
    broken, other = tmp_path / "x.gz", file_of(tmp_path / "y", line("z"))
    broken.write_bytes(gzip.compress("".join(f"{line(name)}\n" for name in "abc").encode())[:-8])
    told, summary = bring(broken, other)
    assert told == [
        Stored(2),
        Stored(1),
        GivenUp(str(broken), "ends early: the rest of the gzip is missing", "get it again, whole"),
        Stored(1),
    ]
    assert counts(summary) == (4, 0, 0, 0, 1)
    assert names(store_file) == [f"/v/{name}.mp4" for name in "abcz"]


def test_prefixes_are_mapped_before_anything_is_compared(
    bring: Callable[..., Any], store_file: Path, tmp_path: Path
) -> None:
    path = file_of(tmp_path / "x", line("a"))
    bring(path)
    _, summary = bring(path, mapped=PathMap([(b"/v", b"/Volumes/V")]))
    assert counts(summary) == (1, 0, 0, 0, 0)
    assert names(store_file) == ["/Volumes/V/a.mp4", "/v/a.mp4"]
    assert bring(path, mapped=PathMap([(b"/v", b"/Volumes/V")]))[1].kept == 1


def test_records_of_one_file_in_one_batch_are_merged(
    bring: Callable[..., Any], store_file: Path, tmp_path: Path
) -> None:
    dates = [f"2027-02-0{day}T00:00:00.000Z" for day in (1, 3, 2)]
    _, summary = bring(file_of(tmp_path / "x", *(line("a", probed_at=date, prober=date) for date in dates)))
    assert counts(summary) == (1, 1, 1, 0, 0)
    assert [record.prober for record in records(store_file)] == [dates[1]]


def test_with_replace_the_last_one_counts(bring: Callable[..., Any], store_file: Path, tmp_path: Path) -> None:
    bring(file_of(tmp_path / "1", line("a", prober="new", probed_at="2027-02-01T00:00:00Z")))
    older = file_of(tmp_path / "2", line("a", prober="old"))
    assert bring(older)[1].kept == 1
    assert bring(older, replace=True)[1].updated == 1
    assert [record.prober for record in records(store_file)] == ["old"]


def test_a_preview_counts_and_stores_nothing(bring: Callable[..., Any], store_file: Path, tmp_path: Path) -> None:
    bring(file_of(tmp_path / "1", line("a"), line("b")))
    before = store_file.read_bytes()
    later = file_of(tmp_path / "2", line("a", probed_at="2027-02-01T00:00:00Z"), line("b"), line("c"), "{")
    with Preview(str(store_file)) as preview:
        run = Import(preview, mapped=PathMap())
        told = list(run.events(Source(str(later))))
    assert [type(event) for event in told] == [Refused, Stored]
    assert counts(run.summary) == (1, 1, 1, 1, 0)
    assert store_file.read_bytes() == before


def test_of_a_store_that_is_not_there_yet_all_is_new(tmp_path: Path) -> None:
    with Preview(str(tmp_path / "none.db")) as preview:
        run = Import(preview, mapped=PathMap())
        list(run.events(Source(str(file_of(tmp_path / "x", line("a"), line("b"))))))
    assert counts(run.summary) == (2, 0, 0, 0, 0)
    assert not (tmp_path / "none.db").exists()


class FullDisk:
    """Takes two batches in, and has no room for a third."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._left = 2

    def take_in(self, entries: Sequence[Entry], merge: Callable[[Entry, Entry], Entry]) -> Taken:
        if not self._left:
            raise StoreFull("no room")
        self._left -= 1
        return self._intake.take_in(entries, merge)


def test_what_is_told_of_until_the_disk_is_full_is_what_happened(
    store_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_BATCH", 2)
    path = file_of(tmp_path / "x", *map(line, "abcdefgh"))
    with writer(store_file) as taking:
        run = Import(FullDisk(taking), mapped=PathMap())
        told: list[ImportEvent] = []
        with pytest.raises(StoreFull):
            told.extend(run.events(Source(str(path))))
    assert counts(run.summary) == (4, 0, 0, 0, 0)
    assert len(names(store_file)) == 4


def test_a_batch_that_cannot_be_stored_is_not_stored_by_half(
    store_file: Path, tmp_path: Path, bring: Callable[..., Any]
) -> None:
    with closing(sqlite3.connect(store_file)) as connection, connection:
        connection.execute(
            "CREATE TRIGGER fails BEFORE INSERT ON media WHEN NEW.prober = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(Exception, match="no"):
        bring(file_of(tmp_path / "x", line("a"), line("b", prober="bad"), line("c")))
    assert names(store_file) == []


def test_batches_are_bounded_however_long_the_file_is(tmp_path: Path) -> None:
    sizes = []

    class Noting:
        """Keeps nothing but the sizes of batches."""

        def take_in(self, entries: Sequence[Entry], merge: Callable[[Entry, Entry], Entry]) -> Taken:
            sizes.append(len(entries))
            return Taken(len(entries), 0, 0)

    run = Import(Noting(), mapped=PathMap())
    list(run.events(Source(str(file_of(tmp_path / "x", *(line(str(number)) for number in range(10_500)))))))
    assert sizes == [10_000, 500]
    assert run.summary.records == 10_500
