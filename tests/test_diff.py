"""The difference between two scans: changes that compose, and what they weigh."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.diff import FolderSum, NetChange, Placed, changes_of_scan, diff, net_changes
from qacache.record import path_from_fields
from qacache.store.history import Change, History
from qacache.store.journal import path_key
from tests.rows import digest_of

A, B, C, D = b"/v/a.mp4", b"/v/b.mp4", b"/v/sub/c.mp4", b"/w/d.mp4"
PATHS = [A, B, C, D, b"/v/a.mkv"]

Files = dict[bytes, int]


class Journal:
    """A library, as a dict of sizes by path, and the changes that scans would note; equal sizes are equal contents.

    `gone` are the files that are known to have been there.
    """

    def __init__(self, files: Files | None = None, gone: Files | None = None) -> None:
        self.files = dict(files or {})
        self.gone = dict(gone or {})
        self.changes: list[Change] = []

    def add(self, path: bytes, size: int) -> Journal:
        self.files[path] = size
        return self._note("added", path, None, size)

    def remove(self, path: bytes) -> Journal:
        self.gone[path] = self.files.pop(path)
        return self._note("removed", path, self.gone[path], None)

    def replace(self, path: bytes, size: int, kind: str = "replaced") -> Journal:
        before, self.files[path] = self.files[path], size
        return self._note(kind, path, before, size)

    def recode(self, path: bytes, size: int) -> Journal:
        return self.replace(path, size, "re-encoded")

    def move(self, old_path: bytes, path: bytes) -> Journal:
        size = self.files[path] = self.files.pop(old_path)
        return self._note("moved", path, size, size, from_path=old_path)

    def find_again(self, old_path: bytes, path: bytes) -> Journal:
        """Have a scan see where a file is that an earlier one saw go."""
        size = self.files[path] = self.gone.pop(old_path)
        return self._note("moved", path, size, size, from_path=old_path, is_half_told=True)

    def recode_as(self, old_path: bytes, path: bytes, size: int) -> Journal:
        """Have a file go in whose place there is another; `size` is that one's, if it came just now."""
        is_half_told = path in self.files
        before = self.files.pop(old_path)
        size = self.files.setdefault(path, size)
        return self._note("re-encoded", path, before, size, from_path=old_path, is_half_told=is_half_told)

    @property
    def net(self) -> list[NetChange]:
        return sorted(net_changes(self.changes), key=lambda change: change.path)

    def _note(
        self,
        kind: str,
        path: bytes,
        before: int | None,
        after: int | None,
        *,
        from_path: bytes | None = None,
        is_half_told: bool = False,
    ) -> Journal:
        if after is not None:
            self.gone.pop(path, None)
        number = len(self.changes) + 1
        versions = (*version(before), *version(after))
        self.changes.append(Change(number, 1, kind, path, from_path, number, *versions, is_half_told))  # type: ignore[arg-type]
        return self


class Step(NamedTuple):
    """What may happen to a library, where it can."""

    name: str
    path: bytes
    target: bytes
    size: int


def version(size: int | None) -> tuple[int | None, bytes | None, str | None]:
    return (None, None, None) if size is None else (size, digest_of(str(size)), f"codec {size}")


def take(journal: Journal, step: Step) -> None:
    """Let the step happen, if it is possible."""
    name, path, target, size = step
    is_here, is_free = path in journal.files, target not in journal.files
    if name == "add" and not is_here:
        journal.add(path, size)
    elif name == "remove" and is_here:
        journal.remove(path)
    elif name in {"replace", "recode"} and is_here and journal.files[path] != size:
        getattr(journal, name)(path, size)
    elif name == "move" and is_here and is_free:
        journal.move(path, target)
    elif name == "find_again" and path in journal.gone and is_free and path != target:
        journal.find_again(path, target)
    elif name == "recode_as" and is_here and path != target:
        journal.recode_as(path, target, size)


def applied(before: Files, changes: Iterable[NetChange]) -> Files:
    """What the library is after the changes."""
    changes = list(changes)
    after = dict(before)
    for change in changes:
        if change.kind != "added":
            assert after.pop(change.from_path or change.path) == change.size_before
    for change in changes:
        if change.size_after is not None:
            assert change.path not in after
            after[change.path] = change.size_after
    return after


sizes = st.integers(1, 3)
libraries = st.dictionaries(st.sampled_from(PATHS), sizes)
step = st.builds(
    Step,
    st.sampled_from(["add", "remove", "replace", "recode", "move", "find_again", "recode_as"]),
    st.sampled_from(PATHS),
    st.sampled_from(PATHS),
    sizes,
)
steps = st.lists(step, max_size=12)


@given(libraries, libraries, steps)
def test_any_changes_compose_to_exactly_the_difference_of_the_states(
    before: Files, gone: Files, steps: list[Step]
) -> None:
    journal = Journal(before, {path: size for path, size in gone.items() if path not in before})
    for step in steps:
        take(journal, step)
    after = journal.files
    net = journal.net
    assert applied(before, net) == after
    spoken_of = {path for change in net for path in (change.path, change.from_path) if path}
    assert spoken_of == {path for path in PATHS if before.get(path) != after.get(path)}


@given(st.lists(step, min_size=6, max_size=12), st.integers(1, 3))
def test_what_a_scan_found_comes_in_pages_and_all_of_them_are_what_its_changes_come_to(
    new_store: Path, steps: list[Step], limit: int
) -> None:
    journal = Journal({A: 1, B: 2, C: 3})
    for step in steps:
        take(journal, step)
    with TemporaryDirectory() as folder:
        path = shutil.copy(new_store, folder)
        note(path, journal.changes)
        with History(path) as history:
            whole = list(changes_of_scan(history, 1))
            gathered: list[Placed] = []
            while page := list(islice(changes_of_scan(history, 1, gathered[-1].place if gathered else None), limit)):
                gathered += page
            expected = list(net_changes(history.changes(0, 1)))
    assert gathered == whole
    assert sorted(each.change for each in whole) == sorted(expected)


def note(store_path: str, changes: Iterable[Change]) -> None:
    """Have the journal of a store tell these changes, each of the scan 1, with one of another scan after each."""
    rows = [
        (2 * change_id + scan_id, scan_id, kind, path, path_key(path), from_path, *versions)
        for change_id, _, kind, path, from_path, *versions, _ in changes
        for scan_id in (1, 2)
    ]
    with closing(sqlite3.connect(store_path)) as connection, connection:
        connection.executemany(
            "INSERT INTO change (id, scan_id, kind, path, path_key, from_path, changed_ms, size_before, digest_before, "
            "codec_before, size_after, digest_after, codec_after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )


@given(libraries, steps)
def test_sums_are_the_differences_of_the_sums_of_the_states(before: Files, steps: list[Step]) -> None:
    journal = Journal(before)
    for step in steps:
        take(journal, step)
    found = diff(journal.changes)
    growth: Counter[bytes] = Counter()
    for files, sign in ((before, -1), (journal.files, 1)):
        for path, size in files.items():
            growth[os.path.dirname(path)] += sign * size
    assert {folder.path: folder.size_delta for folder in found.folders if folder.size_delta} == {
        path: size for path, size in growth.items() if size
    }
    assert found.size_delta == growth.total() == sum(file.size_delta for file in found.files)
    assert sum(kind.count for kind in found.kinds.values()) == len(found.files)


@given(libraries, steps, st.sampled_from([b"/", b"/v", b"/v/", b"/v/sub", b"/w", A]))
def test_a_folder_sees_exactly_what_became_of_its_own_files(before: Files, steps: list[Step], folder: bytes) -> None:
    journal = Journal(before)
    for step in steps:
        take(journal, step)

    def size_of(files: Files) -> int:
        below = folder.rstrip(b"/") + b"/"
        return sum(size for path, size in files.items() if path == folder or path.startswith(below))

    found = diff(journal.changes, [folder])
    assert found.size_delta == size_of(journal.files) - size_of(before)
    assert sum(each.size_delta for each in found.folders) == found.size_delta


@pytest.mark.parametrize(
    "journal",
    [
        Journal().add(A, 1).remove(A),
        Journal().add(A, 1).move(A, B).remove(B),
        Journal({A: 1}).move(A, B).move(B, A),
        Journal({A: 1}).replace(A, 2).replace(A, 1),
        Journal({A: 1}).remove(A).add(A, 1),
        Journal({A: 1}).remove(A).add(A, 2).replace(A, 1),
        Journal({A: 1, B: 2}).replace(A, 2).replace(B, 1).replace(A, 1).replace(B, 2),
    ],
)
def test_what_is_as_it_was_has_not_changed(journal: Journal) -> None:
    assert journal.net == []


def test_a_file_that_came_and_was_moved_came_where_it_is() -> None:
    assert Journal().add(A, 1).move(A, B).net == [NetChange("added", B, None, None, 1, None, "codec 1")]


def test_several_moves_of_a_file_are_one() -> None:
    moved = Journal({A: 1}).move(A, B).move(B, C)
    assert moved.net == [NetChange("moved", C, A, 1, 1, "codec 1", "codec 1")]


def test_a_file_that_was_replaced_twice_was_replaced_once() -> None:
    replaced = Journal({A: 1}).replace(A, 2).replace(A, 3)
    assert replaced.net == [NetChange("replaced", A, None, 1, 3, "codec 1", "codec 3")]


def test_new_encodings_stay_one_until_the_file_is_replaced() -> None:
    recoded = Journal({A: 1}).recode(A, 2).recode(A, 3)
    assert recoded.net == [NetChange("re-encoded", A, None, 1, 3, "codec 1", "codec 3")]
    assert [change.kind for change in recoded.replace(A, 4).net] == ["replaced"]


def test_a_file_that_was_moved_and_has_other_content_says_where_it_was() -> None:
    assert Journal({A: 1}).move(A, B).replace(B, 2).net == [
        NetChange("replaced", B, A, 1, 2, "codec 1", "codec 2"),
    ]
    assert Journal({A: 1}).recode_as(A, B, 2).move(B, C).net == [
        NetChange("re-encoded", C, A, 1, 2, "codec 1", "codec 2"),
    ]


def test_a_file_that_was_moved_before_it_went_went_from_where_it_was_first() -> None:
    assert Journal({A: 1}).move(A, B).remove(B).net == [NetChange("removed", A, None, 1, None, "codec 1", None)]


@pytest.mark.parametrize(
    "journal",
    [
        Journal({A: 1}).remove(A).add(A, 2),
        Journal({A: 1}).move(A, B).add(A, 2).remove(B),
        Journal({A: 1}).move(A, B).remove(B).add(A, 2),
    ],
)
def test_another_file_in_the_place_of_one_that_went_replaces_it(journal: Journal) -> None:
    assert journal.net == [NetChange("replaced", A, None, 1, 2, "codec 1", "codec 2")]


def test_a_new_file_where_one_was_moved_away_is_new() -> None:
    assert [(change.kind, change.path, change.from_path) for change in Journal({A: 1}).move(A, B).add(A, 2).net] == [
        ("added", A, None),
        ("moved", B, A),
    ]


def test_a_copy_that_comes_back_to_where_the_file_was_leaves_a_new_file_behind() -> None:
    assert Journal({A: 1}).move(A, B).add(A, 1).net == [NetChange("added", B, None, None, 1, None, "codec 1")]


def test_a_file_that_was_away_for_a_while_is_still_known_when_it_is_moved() -> None:
    assert Journal({A: 1}).remove(A).add(A, 1).move(A, B).net == [
        NetChange("moved", B, A, 1, 1, "codec 1", "codec 1"),
    ]


def test_a_move_that_two_scans_saw_is_one_for_both_and_an_arrival_for_the_second() -> None:
    both = Journal({A: 1}).remove(A).find_again(A, B)
    assert both.net == [NetChange("moved", B, A, 1, 1, "codec 1", "codec 1")]
    second = Journal(gone={A: 1}).find_again(A, B)
    assert second.net == [NetChange("added", B, None, None, 1, None, "codec 1")]


def test_a_new_encoding_that_was_there_before_gains_nothing_when_the_old_one_goes() -> None:
    both = Journal({A: 1}).add(B, 2).recode_as(A, B, 2)
    assert both.net == [NetChange("re-encoded", B, A, 1, 2, "codec 1", "codec 2")]
    second = Journal({A: 1, B: 2}).recode_as(A, B, 2)
    assert second.net == [NetChange("removed", A, None, 1, None, "codec 1", None)]


def test_content_that_could_not_be_read_is_the_same_where_the_size_is() -> None:
    gone, back = Journal({A: 1}).remove(A).add(A, 1).changes
    unread = back._replace(digest_after=None)
    assert list(net_changes([gone, unread])) == []
    assert [change.kind for change in net_changes([gone, unread._replace(size_after=2)])] == ["replaced"]


def test_changes_that_contradict_each_other_do_no_harm() -> None:
    (added,) = Journal().add(A, 1).changes
    (removed,) = Journal({A: 1}).remove(A).changes
    (moved,) = Journal({A: 1}).move(A, B).changes
    (replaced,) = Journal({A: 1}).replace(A, 2).changes
    assert list(net_changes([added, added])) == [NetChange("added", A, None, None, 1, None, "codec 1")]
    assert [change.kind for change in net_changes([removed, removed])] == ["removed"]
    assert {change.kind for change in net_changes([moved, moved])} == {"removed", "added"}
    assert [change.kind for change in net_changes([removed, replaced])] == ["replaced"]


def test_files_and_folders_come_by_weight_and_then_by_path() -> None:
    journal = (
        Journal({A: 500, B: 20, C: 3}).remove(A).remove(B).add(D, 500).move(C, b"/v/sub/z.mp4").add(b"/x/e.mp4", 9)
    )
    found = diff(journal.changes)
    assert [(file.path, file.size_delta) for file in found.files] == [
        (A, -500),
        (D, 500),
        (B, -20),
        (b"/x/e.mp4", 9),
        (b"/v/sub/z.mp4", 0),
    ]
    assert found.folders == [
        FolderSum(b"/v", -520, 2),
        FolderSum(b"/w", 500, 1),
        FolderSum(b"/x", 9, 1),
        FolderSum(b"/v/sub", 0, 1),
    ]


def test_a_move_takes_from_one_folder_and_gives_to_the_other() -> None:
    found = diff(Journal({A: 7}).move(A, C).changes)
    assert found.folders == [FolderSum(b"/v", -7, 1), FolderSum(b"/v/sub", 7, 1)]
    assert found.size_delta == 0


def test_sums_by_kind_have_the_bytes_before_and_after() -> None:
    found = diff(Journal({A: 7, B: 1}).replace(A, 9).replace(B, 4).add(C, 5).changes)
    assert found.totals() == {
        "files": 3,
        "folders": 2,
        "size_delta": 10,
        "kinds": {
            "added": {"count": 1, "size_before": 0, "size_after": 5, "size_delta": 5},
            "replaced": {"count": 2, "size_before": 8, "size_after": 13, "size_delta": 5},
        },
    }


def test_a_file_that_crosses_the_border_of_a_folder_has_one_size_there() -> None:
    changes = Journal({A: 7}).move(A, D).changes
    assert [(file.kind, file.size_before, file.size_after) for file in diff(changes, [b"/v"]).files] == [
        ("moved", 7, None)
    ]
    assert [(file.kind, file.size_before, file.size_after) for file in diff(changes, [b"/w"]).files] == [
        ("moved", None, 7)
    ]
    assert diff(changes, [b"/v/sub", b"/x"]).files == []


def test_a_folder_may_have_several_spellings() -> None:
    found = diff(Journal().add(A, 1).add(C, 2).add(D, 3).changes, [b"/w", b"/v/sub"])
    assert [file.path for file in found.files] == [D, C]


def test_no_changes_are_no_difference() -> None:
    found = diff([])
    assert (found.files, found.folders, found.size_delta) == ([], [], 0)


def test_names_that_are_no_utf8_come_with_their_bytes() -> None:
    ugly = b"/v\xff/a.mp4"
    found = diff(Journal({ugly: 1}).move(ugly, b"/v\xff/b.mp4").changes)
    (file,) = (each.to_dict() for each in found.files)
    origin = {key.removeprefix("from_"): text for key, text in file.items() if key.startswith("from_")}
    assert (path_from_fields(file), path_from_fields(origin)) == (b"/v\xff/b.mp4", ugly)
    assert path_from_fields(found.folders[0].to_dict()) == b"/v\xff"
