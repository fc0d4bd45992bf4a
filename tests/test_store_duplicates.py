"""What the store takes for copies."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.duplicates.groups import candidates
from qacache.events import Probed, Vanished
from qacache.store import duplicates
from qacache.store.duplicates import Duplicates, StoredGroup, Totals
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.rows import digest_of, failed, probed


def copy(path: bytes, content: str, inode: int, size: int = 100, **fields: int) -> Probed:
    return probed(path, content, inode=inode, size=size, **fields)


def paths_of(groups: list[StoredGroup]) -> list[list[bytes]]:
    return [[file.path for file in group.files] for group in groups]


def test_files_of_one_digest_are_a_group_and_those_that_waste_most_come_first(store_path: str, writer: Writer) -> None:
    writer.write([copy(b"/v/a1", "a", 1), copy(b"/v/a2", "a", 2), copy(b"/v/a3", "a", 3)])
    writer.write([copy(b"/v/b2", "b", 5, size=300), copy(b"/v/b1", "b", 4, size=300)])
    writer.write([copy(b"/v/c1", "c", 6, size=10_000)])
    with Duplicates(store_path) as stored:
        groups = list(stored.groups())
        assert paths_of(groups) == [[b"/v/b1", b"/v/b2"], [b"/v/a1", b"/v/a2", b"/v/a3"]]
        assert [(group.digest, group.size) for group in groups] == [(digest_of("b"), 300), (digest_of("a"), 100)]
        assert stored.totals() == Totals(groups=2, copies=5, size=900, wasted=500)


def test_groups_that_waste_the_same_come_in_the_same_order_each_time(store_path: str, writer: Writer) -> None:
    contents = [f"{number}" for number in range(20)]
    for inode, content in enumerate(contents):
        writer.write([copy(b"/%d" % inode, content, inode), copy(b"/%d again" % inode, content, inode + 100)])
    with Duplicates(store_path) as stored:
        assert [group.digest for group in stored.groups()] == sorted(map(digest_of, contents))


def test_hard_links_are_one_copy(store_path: str, writer: Writer) -> None:
    writer.write([copy(b"/v/a", "a", 1), copy(b"/v/a linked", "a", 1), copy(b"/v/b", "a", 2)])
    writer.write([copy(b"/v/only", "o", 3), copy(b"/v/only linked", "o", 3)])
    writer.write([copy(b"/v/here", "h", 4, device=8), copy(b"/w/there", "h", 4, device=9)])
    with Duplicates(store_path) as stored:
        groups = {group.digest: candidates(group) for group in stored.groups()}
        assert groups.keys() == {digest_of("a"), digest_of("h")}
        assert [each.paths for each in groups[digest_of("a")].copies] == [[b"/v/a", b"/v/a linked"], [b"/v/b"]]
        assert groups[digest_of("a")].wasted == 100
        # the same inode on another device is another file
        assert len(groups[digest_of("h")].copies) == 2
        assert stored.totals() == Totals(groups=2, copies=4, size=400, wasted=200)


def test_what_vanished_is_no_copy_and_what_could_not_be_probed_is(store_path: str, writer: Writer) -> None:
    writer.write([copy(b"/v/a", "a", 1), copy(b"/v/b", "a", 2), copy(b"/v/c", "c", 3)])
    writer.write([failed(b"/v/d", "c", inode=4, size=100), Vanished(b"/v/b")])
    with Duplicates(store_path) as stored:
        assert paths_of(list(stored.groups())) == [[b"/v/c", b"/v/d"]]


def test_what_is_empty_wastes_nothing(store_path: str, writer: Writer) -> None:
    writer.write([copy(b"/v/a", "a", 1, size=0), copy(b"/v/b", "a", 2, size=0)])
    for min_size in (0, 1):
        with Duplicates(store_path, min_size=min_size) as stored:
            assert list(stored.groups()) == []
            assert stored.totals() == Totals(0, 0, 0, 0)


def test_small_files_can_be_left_out(store_path: str, writer: Writer) -> None:
    writer.write([copy(b"/v/a", "a", 1, size=99), copy(b"/v/b", "a", 2, size=99)])
    writer.write([copy(b"/v/c", "c", 3, size=100), copy(b"/v/d", "c", 4, size=100)])
    with Duplicates(store_path, min_size=100) as stored:
        assert paths_of(list(stored.groups())) == [[b"/v/c", b"/v/d"]]


def test_only_what_is_in_the_folders_counts(store_path: str, writer: Writer) -> None:
    for number, folder in enumerate((b"/v", b"/v/sub", b"/v sub", b"/w", b"/x")):
        writer.write([copy(folder + b"/a", "a", number)])
    for under, found in (
        ([b"/v"], [[b"/v/a", b"/v/sub/a"]]),
        ([b"/v/"], [[b"/v/a", b"/v/sub/a"]]),
        ([b"/v/sub"], []),
        ([b"/w", b"/v/sub"], [[b"/v/sub/a", b"/w/a"]]),
        ([b"/"], [[b"/v sub/a", b"/v/a", b"/v/sub/a", b"/w/a", b"/x/a"]]),
    ):
        with Duplicates(store_path, under=under) as stored:
            assert paths_of(list(stored.groups())) == found
            assert stored.totals().groups == len(found)


def test_the_first_groups_alone_can_be_had(store_path: str, writer: Writer) -> None:
    for number in range(1, 8):
        twins = (copy(b"/%d/%d" % (number, each), f"{number}", each, size=number) for each in (1, 2))
        writer.write([*twins])
    with Duplicates(store_path) as stored:
        assert [group.size for group in stored.groups(3)] == [7, 6, 5]
        assert stored.totals(3) == Totals(groups=3, copies=6, size=36, wasted=18)
        assert len(list(stored.groups(50))) == 7


def test_many_groups_are_read_in_pages(store_path: str, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_PAGE", 3)
    for number in range(1, 11):
        writer.write([copy(b"/%d/%d" % (number, each), f"{number}", 10 * number + each) for each in range(number)])
    with Duplicates(store_path) as stored:
        groups = list(stored.groups())
        assert [len(group.files) for group in groups] == list(range(10, 1, -1))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_pages_put_together_are_all_groups(store_path: str, writer: Writer, limit: int) -> None:
    # some waste the same, and one of them has the digest of another one
    for number, (content, size) in enumerate([("a", 3), ("b", 3), ("c", 3), ("d", 4), ("d", 2), ("e", 1), ("f", 9)]):
        writer.write([copy(b"/%d/%d" % (number, each), content, 10 * number + each, size=size) for each in (1, 2)])
    writer.write([copy(b"/4/3", "d", 49, size=2)])
    with Duplicates(store_path) as stored:
        whole = list(stored.groups())
    gathered: list[StoredGroup] = []
    position = None
    while position or not gathered:
        # by another connection each time: nothing is kept
        with Duplicates(store_path) as stored:
            page = stored.page(limit, position)
        gathered += page.groups
        assert len(page.groups) == limit or page.position is None
        assert len(gathered) <= 7
        position = page.position
    assert gathered == whole
    assert len(whole) == 7


def test_what_is_written_between_two_pages_moves_no_other_group(store_path: str, writer: Writer) -> None:
    for number in range(1, 5):
        writer.write([copy(b"/%d/%d" % (number, each), f"{number}", each, size=number) for each in (1, 2)])
    with Duplicates(store_path) as stored:
        first = stored.page(2)
    assert [group.size for group in first.groups] == [4, 3]
    # one more before the position, and one there less
    writer.write([copy(b"/9/%d" % each, "9", each, size=9) for each in (1, 2)] + [Vanished(b"/3/1")])
    with Duplicates(store_path) as stored:
        assert [group.size for group in stored.page(2, first.position).groups] == [2, 1]


def test_a_page_after_the_last_group_is_empty(store_path: str, writer: Writer) -> None:
    writer.write([copy(b"/1", "a", 1), copy(b"/2", "a", 2)])
    with Duplicates(store_path) as stored:
        assert stored.page(1).position is None
        assert stored.page(1, (100, digest_of("a"), 100)) == ([], None)


def test_what_is_written_meanwhile_is_seen(store_path: str, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_PAGE", 1)
    writer.write([copy(b"/a", "a", 1, size=9), copy(b"/b", "a", 2, size=9)])
    writer.write([copy(b"/c", "c", 3), copy(b"/d", "c", 4), copy(b"/e", "c", 5)])
    writer.write([copy(b"/f", "f", 6, size=1), copy(b"/g", "f", 7, size=1)])
    with Duplicates(store_path) as stored:
        groups = stored.groups()
        assert len(next(groups).files) == 3
        writer.write([Vanished(b"/b"), copy(b"/h", "f", 8, size=1)])
        # of the second group there is one file left
        assert paths_of(list(groups)) == [[b"/f", b"/g", b"/h"]]


rows = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(1, 3)), max_size=14)


@given(rows=rows)
def test_groups_are_those_that_a_look_at_every_pair_finds(rows: list[tuple[int, int, int]], new_store: Path) -> None:
    sizes = (10, 20, 40, 80)
    expected = {}
    for content, size in enumerate(sizes):
        members = {b"/%d" % number: file for number, (each, *file) in enumerate(rows) if each == content}
        copies = len({tuple(file) for file in members.values()})
        if copies > 1:
            expected[digest_of(f"{content}")] = (copies - 1) * size, sorted(members)
    with TemporaryDirectory() as folder:
        path = shutil.copy(new_store, folder)
        with Writer(path, busy_timeout_s=0.2, retries=RetrySchedule(60, 3600)) as writer:
            writer.write(
                [
                    copy(b"/%d" % number, f"{content}", inode, size=sizes[content], device=device)
                    for number, (content, inode, device) in enumerate(rows)
                ]
            )
        with Duplicates(path) as stored:
            found = [candidates(group) for group in stored.groups()]
    names = {group.digest: sorted(path for each in group.copies for path in each.paths) for group in found}
    assert {group.digest: (group.wasted, names[group.digest]) for group in found} == expected
    assert [group.wasted for group in found] == sorted((wasted for wasted, _ in expected.values()), reverse=True)
