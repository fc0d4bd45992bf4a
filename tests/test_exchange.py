"""Exchange: which records an export holds."""

from __future__ import annotations

import os
from pathlib import Path

from qacache.exchange import export
from qacache.record import Record
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
