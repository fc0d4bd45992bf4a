"""Searches: what fits, in which order, in pages; against a look at every record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qacache.errors import SearchTimeout, StoreMissing, UsageError
from qacache.events import Event, Vanished
from qacache.record import Record
from qacache.resolution import RESOLUTION_SIDES
from qacache.selection import RANDOM, Selection, SortKey
from qacache.store import criteria, migrations, path_index, search
from qacache.store.ordering import SORT_COLUMNS, parse_sort
from qacache.store.search import Search
from qacache.store.session import Store
from qacache.store.writer import Writer
from tests import shelves
from tests.fakes import FakeClock
from tests.rows import failed, probe_of, probed, reused

ID = ("file.id",)


class Shelf:
    """A store of many files, and all that is in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.records = shelves.records(path)

    def fitting(self, selection: Selection) -> set[int]:
        return {file_id for file_id, record in self.records.items() if shelves.fits(record, selection)}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    path = str(tmp_path_factory.mktemp("shelf") / "qacache.db")
    migrations.create(path, busy_timeout_s=0.2)
    shelves.fill(path)
    return Shelf(path)


@pytest.fixture(params=["few of all", "many", "places", "no index"])
def asked(request: pytest.FixtureRequest, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Search]:
    """A search of the shelf, by each of the ways there are to go about it."""
    if request.param == "many":
        monkeypatch.setattr(search, "_FEW", -1)
        monkeypatch.setattr(search, "_PART", -1)
    if request.param in ("many", "places"):
        monkeypatch.setattr(criteria, "FEW_RANGES", 0)
    if request.param == "no index":
        monkeypatch.setattr(path_index, "is_usable", lambda connection: False)
    monkeypatch.setattr(search, "_PAGE", 7)
    monkeypatch.setattr(search, "_BATCH", 5)
    with Search(shelf.path) as asked:
        yield asked


def some(*values: Any) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(st.just(()), st.just(()), st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple))


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), st.none(), st.none(), st.sampled_from(values))


TEXTS = (
    *shelves.WORDS,
    *("oli", "OLIDAY B", "h", "ch", ".mkv", "/v/", "own clips/", "\ufffd", "ÉTÉ", "läu", "ΆΣ", "изн", "本", "no such"),
    *('"', "'", "%", "_", "*", "\n", " 1", "Zürich", "ß", "5 k", "5 \u212a"),
)
PATTERNS = (
    "*",
    "*.mkv",
    "*.TS",
    "img_*",
    "*holiday*",
    "?e*",
    "[hb]*",
    "[!h]*",
    "*[[]b]*",
    "Ü*",
    "*\n*",
    "*4?.*",
    "[",
    "",
)
SELECTIONS = st.fixed_dictionaries(
    {
        "texts": some(*TEXTS),
        "names": some(*PATTERNS),
        "under": some(*shelves.FOLDERS, b"/v", b"/", b"/v/Own Clips", b"/none"),
        "statuses": some("ok", "failed", "vanished"),
        "orientations": some("portrait", "landscape", "square"),
        "resolutions": some(*RESOLUTION_SIDES),
        "codecs": some("h264", "hevc", "av1"),
        "audio_codecs": some("aac", "ac3"),
        "containers": some("webm", "matroska", "mp4", "mpegts", "m4"),
        "hdr": some("sdr", "hdr10", "hlg"),
        "min_width": maybe(0, 640, 1080, 1 << 70),
        "max_width": maybe(0, 1920, 4000),
        "min_height": maybe(804, 1080),
        "max_height": maybe(1080, 2160, 1 << 70),
        "longer_than_s": maybe(0.0, 9.5, 600.0),
        "shorter_than_s": maybe(600.0, 600.0004, 1e30),
        "bigger_than": maybe(0, 999, 1 << 70),
        "smaller_than": maybe(1000, 1001, 1 << 70),
        "modified_since_ns": maybe(0, 50 * shelves.DAY_NS),
        "modified_before_ns": maybe(50 * shelves.DAY_NS, 51 * shelves.DAY_NS, 1 << 70),
    }
)
COLUMNS = sorted(set(SORT_COLUMNS) - {RANDOM.column})
ORDERS = st.lists(st.builds(SortKey, st.sampled_from(COLUMNS), st.booleans()), max_size=3).map(tuple)

searching = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def selection_of(criteria: dict[str, Any]) -> Selection | None:
    try:
        return Selection(**criteria)
    except UsageError:
        return None


def value_of(record: Record, column: str) -> Any:
    """What a record is sorted by."""
    match column:
        case "path" | "status" | "size" | "mtime_ns" | "digest":
            return getattr(record, column)
        case "first_seen" | "probed_at":
            return getattr(record, {"first_seen": "first_seen_ms", "probed_at": "probed_ms"}[column])
        case "error" | "error_message":
            return record.error and (record.error.reason if column == "error" else record.error.message)
        case "prober":
            return record.prober
        case "avg_frame_rate":
            rate = record.media and record.media.avg_frame_rate
            return rate and Fraction(rate)
        case _:
            return record.media and getattr(record.media, column)


def in_order(shelf: Shelf, ids: set[int], order: tuple[SortKey, ...]) -> list[int]:
    found = sorted(ids)
    for key in reversed(order or (SortKey("path"),)):
        values = {each: value_of(shelf.records[each], key.column) for each in ids}
        known = [each for each in found if values[each] is not None]
        known.sort(key=lambda each: values[each], reverse=key.is_descending)
        found = known + [each for each in found if values[each] is None]
    return found


@searching
@given(criteria=SELECTIONS, order=ORDERS, limit=st.sampled_from([None, None, 0, 1, 3, 20, 1000]))
def test_a_search_finds_what_a_look_at_each_file_does(
    asked: Search, shelf: Shelf, criteria: dict[str, Any], order: tuple[SortKey, ...], limit: int | None
) -> None:
    selection = selection_of(criteria)
    if selection is None:
        return
    fitting = shelf.fitting(selection)
    found = [row.values[0] for row in asked.files(selection, ID, order=order, limit=limit)]
    assert found == in_order(shelf, fitting, order)[:limit]
    assert asked.count(selection) == len(fitting)


@searching
@given(criteria=SELECTIONS, order=ORDERS, size=st.sampled_from([1, 2, 50]))
def test_pages_put_together_are_the_whole(
    asked: Search, shelf: Shelf, criteria: dict[str, Any], order: tuple[SortKey, ...], size: int
) -> None:
    selection = selection_of(criteria)
    if selection is None:
        return
    expected = in_order(shelf, shelf.fitting(selection), order)[: 5 * size]
    found: list[int] = []
    position = None
    for _ in range(5):
        page = asked.page(selection, ID, order=order, limit=size, after=position)
        found += [row.values[0] for row in page.found]
        position = page.position
        if position is None:
            break
    assert found == expected
    assert position is not None or len(found) == len(shelf.fitting(selection))


def test_a_random_order_has_all_that_fits_each_time_in_another_order(asked: Search, shelf: Shelf) -> None:
    shuffled = [[row.values[0] for row in asked.files(Selection(), ID, order=(RANDOM,))] for _ in range(2)]
    assert sorted(shuffled[0]) == sorted(shuffled[1]) == sorted(shelf.records)
    assert shuffled[0] != shuffled[1]
    assert len(list(asked.files(Selection(), ID, order=(RANDOM,), limit=3))) == 3


def test_a_random_order_has_no_pages(asked: Search) -> None:
    with pytest.raises(UsageError, match="no pages"):
        asked.page(Selection(), ID, order=(RANDOM,), limit=1)


def test_an_expression_is_asked_of_what_fits_otherwise_in_order(asked: Search, shelf: Shelf) -> None:
    selection = Selection(statuses=("ok",), where="size > 500 AND orientation = 'portrait'")
    expected = {
        each
        for each in shelf.fitting(Selection(statuses=("ok",), orientations=("portrait",)))
        if shelf.records[each].size > 500
    }
    order = parse_sort(["-size"])
    assert [row.values[0] for row in asked.files(selection, ID, order=order)] == in_order(shelf, expected, order)
    assert [row.values[0] for row in asked.files(selection, ID, order=order, limit=4)] == in_order(
        shelf, expected, order
    )[:4]
    assert asked.count(selection) == len(expected)
    first = asked.page(selection, ID, order=order, limit=3)
    second = asked.page(selection, ID, order=order, limit=3, after=first.position)
    assert [row.values[0] for row in (*first.found, *second.found)] == in_order(shelf, expected, order)[:6]


def test_an_expression_that_does_not_end_is_stopped_in_time(shelf: Shelf) -> None:
    endless = "size IN (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"
    clock = FakeClock(step_s=1.0)
    with (
        Search(shelf.path, timeout_s=20.0, monotonic=clock.monotonic) as asked,
        pytest.raises(SearchTimeout, match="longer than 20 s"),
    ):
        list(asked.files(Selection(where=endless), ()))


def test_files_that_came_after_the_index_was_made_are_found(store: Store) -> None:
    store.writer.write([probed(b"/v/first holiday.mp4", "a")])
    with Search(store.path) as asked:
        found = asked.files(Selection(texts=("HOLIDAY",)), ())
        assert [row.path for row in found] == [b"/v/first holiday.mp4"]
        store.writer.write([probed(b"/v/second holiday.mp4", "b"), failed(b"/v/third holiday.mp4", "c")])
        found = asked.files(Selection(texts=("holiday",), statuses=("ok",)), ())
        assert [row.path for row in found] == [b"/v/first holiday.mp4", b"/v/second holiday.mp4"]


def test_what_is_written_while_pages_are_read_is_no_trouble(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_PAGE", 2)
    monkeypatch.setattr(search, "_BATCH", 2)
    store.writer.write([probed(b"/v/%d.mp4" % number, str(number)) for number in range(6)])
    with Search(store.path) as asked:
        found = asked.files(Selection(), ())
        assert next(found).path == b"/v/0.mp4"
        store.writer.write([probed(b"/v/5b.mp4", "x"), probed(b"/v/00.mp4", "y")])
        assert [row.path for row in found] == [b"/v/%s.mp4" % name for name in (b"1", b"2", b"3", b"4", b"5", b"5b")]


@pytest.mark.parametrize(
    ("asked_for", "stored"),
    [
        (b"/v/Films", b"/v/Films"),
        (b"/v", b"/v"),
        (b"/", b"/"),
        (b"/v/Film", None),
        ("/w/Zu\u0308rich".encode(), "/w/Zu\u0308rich".encode()),
        ("/w/Z\xfcrich".encode(), "/w/Zu\u0308rich".encode()),
        (b"/nowhere", None),
    ],
)
def test_a_folder_is_known_by_the_name_that_the_store_has(shelf: Shelf, asked_for: bytes, stored: bytes | None) -> None:
    with Search(shelf.path) as asked:
        assert asked.reader.name_of(asked_for) == stored


def test_a_file_is_known_by_its_name_too(shelf: Shelf) -> None:
    path = next(iter(shelf.records.values())).path
    with Search(shelf.path) as asked:
        assert asked.reader.name_of(path) == path
        assert [row.path for row in asked.files(Selection(under=(path,)), ())] == [path]


def test_thousands_of_places_and_names_are_no_trouble(asked: Search, shelf: Shelf) -> None:
    paths = tuple(record.path for record in shelf.records.values())
    odd = tuple(b"/v/none/%d" % number for number in range(3000))
    found = [row.values[0] for row in asked.files(Selection(under=(*paths[::2], *odd)), ID)]
    assert found == in_order(shelf, shelf.fitting(Selection(under=paths[::2])), ())
    names = (*(f"no such {number}*" for number in range(3000)), "*1.mkv")
    found = [row.values[0] for row in asked.files(Selection(names=names, under=(b"/v",)), ID)]
    assert found == in_order(shelf, shelf.fitting(Selection(names=("*1.mkv",), under=(b"/v",))), ())
    assert found


def test_without_a_store_there_is_nothing_to_search(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        Search(str(tmp_path / "none.db"))


@pytest.mark.parametrize(("text", "hint"), [("-siez", "did you mean size?"), ("zzz", "one of: path, ")])
def test_an_unknown_sort_key_is_refused_with_the_nearest(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match="cannot sort by") as refused:
        parse_sort(["path", text])
    assert (refused.value.hint or "").startswith(hint)


def test_sort_keys_are_parted_by_commas() -> None:
    assert parse_sort(["-size, path", "duration_s"]) == (
        SortKey("size", is_descending=True),
        SortKey("path"),
        SortKey("duration_s"),
    )


def test_a_search_knows_what_a_file_has_become(store: Store) -> None:
    path, copy = b"/v/a.mp4", b"/v/copy.mp4"

    def found(selection: Selection) -> list[bytes]:
        with Search(store.path) as asked:
            return [row.path for row in asked.files(selection, ())]

    h264, hevc = Selection(codecs=("H.264",)), Selection(codecs=("x265",))
    store.writer.write([probed(path, "a")])
    assert found(h264) == [path]
    new = probed(path, "b")
    store.writer.write([replace(new, probe=probe_of("b", video_codec="hevc", duration_s=7.5))])
    assert (found(h264), found(hevc), found(Selection(longer_than_s=7.0))) == ([], [path], [path])
    store.writer.write([reused(copy, "b", path)])
    assert found(hevc) == [path, copy]
    # another content, of which nothing is known
    store.writer.write([failed(path, "c")])
    assert (found(hevc), found(Selection(statuses=("failed",)))) == ([copy], [path])


@pytest.mark.parametrize("schema", ["v1", "v2"])
def test_a_store_that_was_migrated_is_searched_like_any_other(schema: str, tmp_path: Path) -> None:
    path = str(tmp_path / "old.db")
    dump = Path(__file__).parent / "data" / "schema" / f"{schema}.sql"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump.read_text(encoding="utf-8"))
    migrations.migrate(path, busy_timeout_s=0.2)
    with Search(path) as asked:
        found = {name: [row.path for row in asked.files(selection, ())] for name, selection in OLD.items()}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM unindexed").fetchone() == (0,)
    assert found == {
        "text": [b"/v/caf\xe9.mp4"],
        "name": ["/v/cafe\u0301.mkv".encode()],
        "codec": [b"/v/a.mp4", "/v/cafe\u0301.mkv".encode(), b"/v/caf\xe9.mp4"],
        "failed": [b"/v/broken.mp4"],
    }


OLD = {
    "text": Selection(texts=("caf\N{REPLACEMENT CHARACTER}",)),
    "name": Selection(names=("CAFÉ*",)),
    "codec": Selection(codecs=("h264",), statuses=("ok",), longer_than_s=1.0),
    "failed": Selection(texts=("broken",), statuses=("failed",)),
}


def test_what_changed_since_a_scan_is_found(store_path: str, writer: Writer, clock: FakeClock) -> None:
    def scan(*events: Event) -> int:
        clock.advance(100)
        number = writer.begin_scan([b"/v"])
        writer.write(events)
        clock.advance(100)
        writer.end_scan(number, "complete", {})
        return number

    names = ("same", "other", "gone", "old", "again", "trouble")
    first = scan(*(probed(f"/v/{name}.mp4".encode(), name) for name in names))
    clock.advance(100)
    second = scan(
        *(Vanished(f"/v/{name}.mp4".encode()) for name in ("gone", "old")),
        probed(b"/v/other.mp4", "new content"),
        reused(b"/v/moved.mp4", "old", b"/v/old.mp4"),
        failed(b"/v/trouble.mp4", "trouble"),
        probed(b"/v/came.mp4", "came"),
    )
    clock.advance(100)
    # probed again, though nothing has changed; and found since the last scan
    writer.write([probed(b"/v/again.mp4", "again"), probed(b"/v/late.mp4", "late")])

    with Search(store_path) as search:
        found = {
            scan_id: [found.path[3:-4].decode() for found in search.files(Selection(changed_since=scan_id), ())]
            for scan_id in (first - 1, first, second)
        }
        assert found == {
            first - 1: ["again", "came", "gone", "late", "moved", "old", "other", "same", "trouble"],
            first: ["again", "came", "gone", "late", "moved", "old", "other", "trouble"],
            second: ["again", "late"],
        }
        assert search.count(Selection(changed_since=first, statuses=("vanished",))) == 2
