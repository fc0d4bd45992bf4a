"""Interruption: a scan that ends anywhere, and another, leave what one clean scan leaves."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.fakes import FakeClock, FakeProber
from tests.libraries import contents, prepare_scan, scan, stored, timeless
from tests.media import make_file

NAMES = st.sampled_from(["a", "a-b/a", "a/b", "a/c", "b", "c", "d/e/f", "z"])
CONTENTS = st.sampled_from([b"1", b"22", b"333", b"4444", b"broken", b"broken too", b""])
TREES = st.dictionaries(NAMES, CONTENTS, min_size=1)

Tree = Mapping[str, bytes]


class Library:
    """A folder whose files can be made to be those of a tree, and a store that was scanned into before."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "library"
        self.root.mkdir()
        (self.root / "notes.txt").touch()
        self._stores = (str(folder / f"{number}.db") for number in itertools.count())
        self._retries = RetrySchedule(60, 3600, jitter=lambda: 0.5)

    def become(self, before: Tree, after: Tree) -> None:
        for name in before.keys() - after.keys():
            self._path(name).unlink()
        for name, content in after.items():
            if before.get(name) != content:
                make_file(self._path(name), content)

    def new_store(self) -> Store:
        return Store(next(self._stores), create=True, retries=self._retries)

    def _path(self, name: str) -> Path:
        # names differ, so that what is known can be told by file name
        return self.root / f"{name}-{name.replace('/', '_')}.mp4"


@contextmanager
def library_in_new_folder() -> Iterator[Library]:
    with tempfile.TemporaryDirectory() as folder:
        yield Library(Path(folder))


def expected(before: Tree, after: Tree) -> dict[str, tuple[str, str | None]]:
    """What a store shall know of a library that was scanned as `before` and as `after`."""
    known = {}
    for name in before.keys() | after.keys():
        content = after.get(name, before.get(name, b""))
        is_bad = content in {b"broken", b"broken too", b""}
        status = "vanished" if name not in after else "failed" if is_bad else "ok"
        known[f"{os.path.basename(name)}-{name.replace('/', '_')}.mp4"] = (status, None if is_bad else content.decode())
    return known


@settings(max_examples=15, deadline=None)
@given(before=TREES, after=TREES)
def test_the_store_knows_what_a_dict_would(before: Tree, after: Tree) -> None:
    with library_in_new_folder() as library, library.new_store() as store:
        library.become({}, before)
        scan(store, library.root)
        library.become(before, after)

        scan(store, library.root)

        assert contents(store) == expected(before, after)


@pytest.mark.parametrize("way", ["close", "stop"])
@settings(max_examples=12, deadline=None)
@given(before=TREES, after=TREES, at=st.integers(0, 10))
def test_stopping_at_any_event_and_scanning_again_equals_one_clean_scan(
    way: str, before: Tree, after: Tree, at: int
) -> None:
    with library_in_new_folder() as library, library.new_store() as clean, library.new_store() as store:
        library.become({}, before)
        scan(clean, library.root)
        scan(store, library.root)
        library.become(before, after)
        scan(clean, library.root)

        interrupt(store, library.root, way, at)
        scan(store, library.root)

        assert timeless(stored(store)) == timeless(stored(clean))


@settings(max_examples=12, deadline=None)
@given(tree=TREES, at=st.integers(1, 6))
def test_stopping_amid_any_probe_and_scanning_again_equals_one_clean_scan(tree: Tree, at: int) -> None:
    with library_in_new_folder() as library, library.new_store() as clean, library.new_store() as store:
        library.become({}, tree)
        scan(clean, library.root)
        prober = FakeProber()
        run = prepare_scan(store, prober)
        prober.on_probe = lambda _: run.stop() if len(prober.paths) == at else None

        list(run.events([os.fsencode(library.root)]))
        scan(store, library.root)

        assert timeless(stored(store)) == timeless(stored(clean))


def interrupt(store: Store, root: Path, way: str, at: int) -> None:
    """Scan `root` until `at` events were told, each of which is stored by itself."""
    run = prepare_scan(store, clock=FakeClock(step_s=2))
    events = run.events([os.fsencode(root)])
    for _, _ in zip(range(at), events, strict=False):
        pass
    if way == "close":
        events.close()
    else:
        run.stop()
        list(events)
