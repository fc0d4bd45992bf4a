"""Which records an export holds."""

from __future__ import annotations

import os
from pathlib import Path

from qacache.exchange.exports import entries, export, selected
from qacache.record import Entry, Record
from qacache.selection import Selection
from qacache.store.search import Search
from qacache.store.session import Store
from tests.libraries import scan
from tests.media import make_file


def names(store: Store, *paths: Path) -> list[str | bytes]:
    """The file name of each record that is exported; what is unknown as it is."""
    exported = export(store.reader, [os.fsencode(path) for path in paths])
    return [os.path.basename(os.fsdecode(each.path)) if isinstance(each, Record) else each for each in exported]


def plant(store: Store, library: Path) -> None:
    for name in ("b/x.mp4", "b-/y.mp4", "a.mp4", "z.mp4"):
        make_file(library / name, b"broken" if name == "z.mp4" else name.encode())
    scan(store, library)


def test_everything_is_exported_in_path_order_where_nothing_is_named(store: Store, library: Path) -> None:
    plant(store, library)

    assert names(store) == ["a.mp4", "y.mp4", "x.mp4", "z.mp4"]


def test_named_files_and_folders_are_exported_in_the_order_named(store: Store, library: Path) -> None:
    plant(store, library)

    assert names(store, library / "z.mp4", library / "b") == ["z.mp4", "x.mp4"]


def test_a_path_that_is_not_stored_is_given_back(store: Store, library: Path) -> None:
    plant(store, library)

    assert names(store, library / "none", library / "a.mp4") == [os.fsencode(library / "none"), "a.mp4"]


def test_an_empty_store_has_nothing_to_export(store: Store) -> None:
    assert names(store) == []


def test_a_record_holds_what_was_probed_or_why_it_could_not_be(store: Store, library: Path) -> None:
    plant(store, library)

    good, *_, bad = export(store.reader)

    assert isinstance(good, Record)
    assert isinstance(bad, Record)
    assert (good.status, good.prober, good.error) == ("ok", "fake 1", None)
    assert good.media is not None
    assert good.media.tags == {"content": "a.mp4"}
    assert (bad.status, bad.prober, bad.media) == ("failed", None, None)
    assert bad.error is not None
    assert (bad.error.stage, bad.error.reason, bad.error.attempts) == ("probe", "invalid-data", 1)
    assert bad.digest is not None


def test_a_selection_is_exported_in_path_order_each_once(store: Store, library: Path) -> None:
    plant(store, library)
    with Search(store.path) as search:
        found = selected(
            search, Selection(statuses=("ok",)), [os.fsencode(library / name) for name in ("b", "a.mp4", "b")]
        )
        assert [os.path.basename(each.path) for each in found if isinstance(each, Entry)] == [b"a.mp4", b"x.mp4"]


def test_of_a_selection_a_path_that_is_not_stored_is_given_back_first(store: Store, library: Path) -> None:
    plant(store, library)
    none = os.fsencode(library / "none")
    with Search(store.path) as search:
        assert list(selected(search, Selection(), [none])) == [none]
        first, *others = selected(search, Selection(), [os.fsencode(library / "b"), none])
        assert (first, len(others)) == (none, 1)


def test_entries_have_the_whole_answers_where_these_are_asked_for(store: Store, library: Path) -> None:
    plant(store, library)
    with Search(store.path) as search:
        for found in (
            entries(store.reader, raw=True),
            selected(search, Selection(), raw=True),
            entries(store.reader, [os.fsencode(library)], raw=True),
        ):
            assert [each.raw is not None for each in found if isinstance(each, Entry)] == [True, True, True, False]
        assert not any(each.raw for each in selected(search, Selection()) if isinstance(each, Entry))
