"""Proving that files are equal by reading them: what comes out, what is read for it, and what is remembered."""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from errno import EIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qacache.duplicates import comparison, inspection
from qacache.duplicates.access import Access
from qacache.duplicates.groups import Group
from qacache.duplicates.inspection import LeftOut
from qacache.duplicates.verification import Verification
from qacache.errors import StoreLocked
from qacache.scan import digest, workers
from qacache.scan.budget import Pace
from qacache.scan.mounts import Limits, Mounts
from qacache.scan.workers import within
from qacache.store.duplicates import Duplicates
from qacache.store.lock import held, lock_path
from qacache.store.maintenance import Maintenance
from qacache.store.proofs import Proofs
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from tests.fuse_mount import ANY, ATTRIBUTES, FuseMount, Operation, mounted
from tests.libraries import scan
from tests.media import age, make_file

CHUNK = 64 * 1024
# six chunks, of which the digest sees the first one, the last one, and half of each of those in the middle
SIZE = 6 * CHUNK
UNSEEN = (CHUNK, 4 * CHUNK)
# far more than any verification here takes
DEADLINE_S = 30.0


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(comparison, "CHUNK_BYTES", CHUNK)
        yield


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for threads that hang for good."""
    monkeypatch.setattr(workers, "_GRACE_S", 0.2)


def content(seed: int = 0, *, changes: Iterable[int] = ()) -> bytes:
    """Bytes with the same digest, but of another `seed`, where they differ at `changes` alone."""
    data = bytearray(random.Random(seed).randbytes(SIZE))
    for offset in changes:
        data[offset] ^= 1
    return bytes(data)


class Outcome(NamedTuple):
    """What a verification came to, by file names: groups with their copies, by all names; why files are left out."""

    groups: list[list[list[str]]]
    left_out: dict[str, str]
    bytes_read: int


class WatchedAccess(Access):
    """Calls `on_ask` before each look at a file, with its name and the number of the look at it."""

    def __init__(self, on_ask: Callable[[str, int], object], mounts: Mounts | None = None) -> None:
        super().__init__(mounts or Mounts())
        self._on_ask = on_ask
        self._looks: dict[bytes, Iterator[int]] = {}

    def ask(self, path: bytes, function: Callable[..., object], *arguments: object) -> object:  # type: ignore[override]
        self._on_ask(name_of(path), next(self._looks.setdefault(path, count())))
        return super().ask(path, function, *arguments)


def make_copies(store: Store, library: Path, names: str, **changed: Iterable[int]) -> None:
    """Make files of these names with one content, and some with another one of the same digest, and scan them."""
    for name, changes in {**dict.fromkeys(names.split(), ()), **changed}.items():
        make_file(library / f"{name}.mp4", content(changes=changes))
    scan(store, library)


def name_of(path: bytes) -> str:
    return os.fsdecode(os.path.basename(path))


def verify(
    store_path: str, access: Access | None = None, most: int | None = None, *, busy_timeout_s: float = 5.0
) -> Outcome:
    """Verify all candidates of the store, or the `most` that waste most."""
    access = access or Access(Mounts())
    events: list[Group | LeftOut] = []
    with Duplicates(store_path) as stored, Proofs(store_path, busy_timeout_s=busy_timeout_s) as proofs:
        events += Verification(proofs, access).events(stored.groups(most))
    return Outcome(
        [
            [[name_of(path) for path in copy.paths] for copy in each.copies]
            for each in events
            if isinstance(each, Group)
        ],
        {name_of(each.path): each.reason for each in events if isinstance(each, LeftOut)},
        access.bytes_read,
    )


def test_copies_are_read_and_proven(store: Store, library: Path) -> None:
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        make_file(library / name, content())
    make_file(library / "other.mp4", content(1))
    scan(store, library)

    assert verify(store.path) == Outcome([[["a.mp4"], ["b.mp4"], ["c.mp4"]]], {}, bytes_read=3 * SIZE)


def test_a_proven_group_says_all_that_candidates_do(store: Store, library: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        make_file(library / name, content())
    os.utime(library / "b.mp4", ns=(0, 1_500_000_000_123_456_789))
    scan(store, library)

    with Duplicates(store.path) as stored, Proofs(store.path, busy_timeout_s=5) as proofs:
        candidates = next(stored.groups())
        (group,) = Verification(proofs, Access(Mounts())).events([candidates])

    assert isinstance(group, Group)
    assert (group.digest, group.size, group.is_verified) == (candidates.digest, SIZE, True)
    assert group.wasted == SIZE
    assert group.copies[1].mtime_ns == 1_500_000_000_123_456_789


@pytest.mark.parametrize("offset", UNSEEN)
def test_files_that_differ_where_the_digest_does_not_look_are_no_copies(
    store: Store, library: Path, offset: int
) -> None:
    make_copies(store, library, "a", b=[offset])
    with Duplicates(store.path) as stored:
        assert stored.totals().groups == 1

    outcome = verify(store.path)

    assert outcome == Outcome([], {"a.mp4": "different", "b.mp4": "different"}, 2 * (offset + CHUNK))


def test_one_group_of_candidates_may_be_several(store: Store, library: Path) -> None:
    make_copies(store, library, "a1 a2 a3", b1=[CHUNK], c=[4 * CHUNK], b2=[CHUNK])

    outcome = verify(store.path)

    assert outcome.groups == [[["a1.mp4"], ["a2.mp4"], ["a3.mp4"]], [["b1.mp4"], ["b2.mp4"]]]
    assert outcome.left_out == {"c.mp4": "different"}
    assert outcome.bytes_read == 5 * SIZE + 5 * CHUNK


def test_groups_come_by_what_they_were_proven_to_waste(store: Store, library: Path) -> None:
    # the first one wastes most, until it turns out to be two
    for name, changes in (("a1", []), ("a2", []), ("a3", [CHUNK]), ("a4", [CHUNK])):
        make_file(library / f"{name}.mp4", content(changes=changes))
    for number in range(1, 4):
        for name in ("x", "y"):
            make_file(library / f"{name}{number}.mp4", content(number) + b"+" * number)
    scan(store, library)

    groups = verify(store.path).groups

    assert [group[0] for group in groups] == [["x3.mp4"], ["x2.mp4"], ["x1.mp4"], ["a1.mp4"], ["a3.mp4"]]


class TestOneFileByManyNames:
    def test_hard_links_are_read_once(self, store: Store, library: Path) -> None:
        make_file(library / "a.mp4", content())
        make_file(library / "b.mp4", content())
        os.link(library / "a.mp4", library / "linked.mp4")
        scan(store, library)

        outcome = verify(store.path)

        assert outcome == Outcome([[["a.mp4", "linked.mp4"], ["b.mp4"]]], {}, 2 * SIZE)

    def test_files_that_became_hard_links_are_no_copies(self, store: Store, library: Path) -> None:
        make_file(library / "a.mp4", content())
        make_file(library / "b.mp4", content())
        os.utime(library / "a.mp4", ns=(0, 1_500_000_000_000_000_000))
        os.utime(library / "b.mp4", ns=(0, 1_500_000_000_000_000_000))
        scan(store, library)
        (library / "b.mp4").unlink()
        os.link(library / "a.mp4", library / "b.mp4")

        assert verify(store.path) == Outcome([], {}, 0)

    def test_a_symbolic_link_is_no_copy(self, store: Store, library: Path, tmp_path: Path) -> None:
        make_file(tmp_path / "elsewhere.mp4", content())
        make_file(library / "a.mp4", content())
        (library / "link.mp4").symlink_to(tmp_path / "elsewhere.mp4")
        scan(store, library)
        with Duplicates(store.path) as stored:
            assert stored.totals().groups == 1

        assert verify(store.path) == Outcome([], {"link.mp4": "symbolic-link"}, 0)

    @pytest.mark.parametrize("tells_seconds", [False, True])
    def test_what_may_be_one_file_on_two_mounts_is_one(
        self, tmp_path: Path, store: Store, library: Path, tells_seconds: bool
    ) -> None:
        make_file(library / "a.mp4", content())
        with mounted(tmp_path / "mounted", library, tells_seconds=tells_seconds) as mount:
            scan(store, library, mount.folder)
            assert verify(store.path) == Outcome([], {}, 0)

            # a real copy, with another mtime
            make_file(library / "b.mp4", content())
            age(library / "b.mp4", 7200)
            scan(store, library, mount.folder)
            outcome = verify(store.path)
        assert outcome == Outcome([[["a.mp4", "a.mp4"], ["b.mp4", "b.mp4"]]], {}, 4 * SIZE)

    def test_copies_that_kept_the_mtime_are_told_apart_on_two_mounts(
        self, tmp_path: Path, store: Store, library: Path
    ) -> None:
        make_file(library / "a.mp4", content())
        shutil.copy2(library / "a.mp4", library / "b.mp4")
        with mounted(tmp_path / "mounted", library) as mount:
            scan(store, library, mount.folder)
            assert verify(store.path).groups == [[["a.mp4", "a.mp4"], ["b.mp4", "b.mp4"]]]

    def test_what_has_the_same_times_on_one_mount_is_no_one_file(
        self, tmp_path: Path, store: Store, library: Path
    ) -> None:
        age(make_file(library / "a.mp4", content()), 7200)
        copy = make_file(tmp_path / "served" / "b.mp4", content())
        shutil.copy2(copy, tmp_path / "served" / "c.mp4")
        with mounted(tmp_path / "mounted", tmp_path / "served", tells_seconds=True) as mount:
            scan(store, library, mount.folder)
            assert verify(store.path).groups == [[["a.mp4"], ["b.mp4"], ["c.mp4"]]]

    def test_what_only_may_be_one_file_is_in_no_group_unless_it_is_equal(
        self, tmp_path: Path, store: Store, library: Path
    ) -> None:
        for seconds, name in enumerate(("a.mp4", "b.mp4"), start=7200):
            age(make_file(library / name, content()), seconds)
        other = make_file(tmp_path / "served" / "other.mp4", content(changes=[CHUNK]))
        shutil.copystat(library / "a.mp4", other)
        with mounted(tmp_path / "mounted", tmp_path / "served", tells_seconds=True) as mount:
            scan(store, library, mount.folder)
            outcome = verify(store.path)
        assert outcome.left_out == {"other.mp4": "different"}
        assert outcome.groups == [[["a.mp4"], ["b.mp4"]]]


class TestMemory:
    def test_what_was_proven_is_not_read_again(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a1 a2", b=[4 * CHUNK], c=[CHUNK])
        first = verify(store.path)

        second = verify(store.path)

        assert first.bytes_read > 0
        assert second == first._replace(bytes_read=0)

    def test_a_new_copy_is_all_that_is_read(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b")
        verify(store.path)
        make_copies(store, library, "c", other=[4 * CHUNK])

        outcome = verify(store.path)

        assert outcome == Outcome([[["a.mp4"], ["b.mp4"], ["c.mp4"]]], {"other.mp4": "different"}, 2 * SIZE)
        assert verify(store.path).bytes_read == 0

    def test_what_differs_from_all_others_is_read_again_in_new_company_alone(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a", b=[CHUNK])
        verify(store.path)
        make_file(library / "c.mp4", content(changes=[CHUNK]))
        scan(store, library)

        outcome = verify(store.path)

        assert outcome == Outcome([[["b.mp4"], ["c.mp4"]]], {"a.mp4": "different"}, 2 * SIZE + 2 * CHUNK)
        assert verify(store.path) == outcome._replace(bytes_read=0)

    @pytest.mark.parametrize("keeps_mtime", [False, True])
    def test_what_changed_since_is_read_again(self, store: Store, library: Path, keeps_mtime: bool) -> None:
        make_copies(store, library, "a b c")
        verify(store.path)
        before = os.stat(library / "b.mp4")
        with open(library / "b.mp4", "r+b") as file:
            file.seek(CHUNK)
            file.write(b"changed")
        os.utime(library / "b.mp4", ns=(0, before.st_mtime_ns if keeps_mtime else before.st_mtime_ns + 1))
        scan(store, library)

        outcome = verify(store.path)

        assert outcome == Outcome([[["a.mp4"], ["c.mp4"]]], {"b.mp4": "different"}, SIZE)

    def test_a_file_that_took_the_place_of_another_is_read(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b")
        verify(store.path)
        before = os.stat(library / "b.mp4")
        make_file(library / "b.new", content(changes=[CHUNK]))
        os.utime(library / "b.new", ns=(0, before.st_mtime_ns))
        (library / "b.new").rename(library / "b.mp4")

        assert verify(store.path) == Outcome([], {"a.mp4": "different", "b.mp4": "different"}, SIZE)

    def test_hard_links_share_what_is_known(self, store: Store, library: Path) -> None:
        make_file(library / "a.mp4", content())
        make_file(library / "b.mp4", content())
        os.link(library / "a.mp4", library / "linked.mp4")
        scan(store, library)
        verify(store.path)
        (library / "a.mp4").rename(library / "away")
        os.chmod(library / "linked.mp4", 0o644)
        scan(store, library)

        # to lose a name changes the ctime
        assert verify(store.path) == Outcome([[["b.mp4"], ["linked.mp4"]]], {}, SIZE)
        assert verify(store.path) == Outcome([[["b.mp4"], ["linked.mp4"]]], {}, 0)

    def test_parts_of_a_library_that_were_compared_apart_are_told_apart_together(
        self, store: Store, library: Path
    ) -> None:
        for folder in ("x", "y"):
            make_file(library / folder / f"{folder}1.mp4", content())
            make_file(library / folder / f"{folder}2.mp4", content(changes=[CHUNK if folder == "x" else 4 * CHUNK]))
        scan(store, library)
        for folder in ("x", "y"):
            with (
                Duplicates(store.path, under=[os.fsencode(library / folder)]) as stored,
                Proofs(store.path, busy_timeout_s=5) as proofs,
            ):
                events = list(Verification(proofs, Access(Mounts())).events(stored.groups()))
                assert [each.reason for each in events if isinstance(each, LeftOut)] == ["different", "different"]

        outcome = verify(store.path)

        assert outcome.groups == [[["x1.mp4"], ["y1.mp4"]]]
        assert outcome.left_out == {"x2.mp4": "different", "y2.mp4": "different"}
        assert verify(store.path) == outcome._replace(bytes_read=0)

    def test_vacuum_forgets_what_was_proven_of_files_that_are_gone(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b")
        verify(store.path)
        with Duplicates(store.path) as stored, Proofs(store.path, busy_timeout_s=5) as proofs:
            ids = [file.file_id for file in next(stored.groups()).files]
            assert proofs.recall(ids).keys() == set(ids)
            (library / "a.mp4").unlink()
            scan(store, library)
            Maintenance(store.path, prune_after=0, history_s=0.0, busy_timeout_s=5).prune()
            assert proofs.recall(ids).keys() == {ids[1]}

    def test_where_nothing_is_new_nothing_is_written(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b")
        verify(store.path)

        with held(lock_path(store.path), purpose="a test", timeout_s=0.0):
            assert verify(store.path, busy_timeout_s=0.01).groups == [[["a.mp4"], ["b.mp4"]]]
            make_file(library / "c.mp4", content())
            with pytest.raises(StoreLocked):
                scan(store, library)


class TestWhatIsNotAsItWas:
    def test_files_that_are_gone_or_changed_since_the_scan_are_left_out(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b gone replaced resized touched")
        (library / "gone.mp4").unlink()
        (library / "replaced.mp4").unlink()
        (library / "replaced.mp4").mkdir()
        (library / "resized.mp4").write_bytes(b"short")
        age(library / "touched.mp4", 60)

        outcome = verify(store.path)

        assert outcome.groups == [[["a.mp4"], ["b.mp4"]]]
        assert outcome.left_out == {
            "gone.mp4": "gone",
            "replaced.mp4": "changed",
            "resized.mp4": "changed",
            "touched.mp4": "changed",
        }
        assert outcome.bytes_read == 2 * SIZE

    def test_nothing_is_left_of_a_group_with_one_copy(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b")
        shutil.rmtree(library)

        assert verify(store.path) == Outcome([], {"a.mp4": "gone", "b.mp4": "gone"}, 0)

    # each file is looked at, opened, read in six chunks, closed, and looked at again
    @pytest.mark.parametrize("look", range(1, 10))
    @pytest.mark.parametrize("keeps_mtime", [False, True])
    def test_a_file_that_is_written_to_while_it_is_read_is_left_out(
        self, store: Store, library: Path, look: int, keeps_mtime: bool
    ) -> None:
        make_copies(store, library, "a b c")
        before = os.stat(library / "b.mp4")

        def write(name: str, number: int) -> None:
            if (name, number) == ("b.mp4", look):
                with open(library / "b.mp4", "r+b") as file:
                    file.write(b"changed")
                if keeps_mtime:
                    os.utime(library / "b.mp4", ns=(0, before.st_mtime_ns))

        outcome = verify(store.path, WatchedAccess(write))

        assert outcome.groups == [[["a.mp4"], ["c.mp4"]]]
        assert outcome.left_out == {"b.mp4": "unstable"}
        # and nothing was remembered of it
        assert verify(store.path).left_out in ({"b.mp4": "different"}, {"b.mp4": "changed"})

    @pytest.mark.parametrize("look", [1, 2, 7, 9])
    def test_a_file_that_is_replaced_while_it_is_compared_is_left_out(
        self, store: Store, library: Path, look: int
    ) -> None:
        make_copies(store, library, "a b")
        before = os.stat(library / "b.mp4")
        make_file(library / "b.new", content(changes=[CHUNK]))
        os.utime(library / "b.new", ns=(0, before.st_mtime_ns))

        def replace(name: str, number: int) -> None:
            if (name, number) == ("b.mp4", look):
                (library / "b.new").rename(library / "b.mp4")

        outcome = verify(store.path, WatchedAccess(replace))

        assert (outcome.groups, outcome.left_out) == ([], {"b.mp4": "unstable"})

    @pytest.mark.parametrize("look", [1, 2, 7, 9])
    def test_a_file_that_goes_away_while_it_is_compared_is_left_out(
        self, store: Store, library: Path, look: int
    ) -> None:
        make_copies(store, library, "a b c")

        def remove(name: str, number: int) -> None:
            if (name, number) == ("b.mp4", look):
                (library / "b.mp4").unlink()

        outcome = verify(store.path, WatchedAccess(remove))

        assert outcome.groups == [[["a.mp4"], ["c.mp4"]]]
        assert outcome.left_out.keys() == {"b.mp4"}

    def test_a_file_that_is_cut_off_while_it_is_read_is_left_out(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b c")

        def cut(name: str, number: int) -> None:
            if (name, number) == ("b.mp4", 3):
                os.truncate(library / "b.mp4", CHUNK + 1)

        outcome = verify(store.path, WatchedAccess(cut))

        assert outcome.groups == [[["a.mp4"], ["c.mp4"]]]
        assert outcome.left_out == {"b.mp4": "unstable"}


class TestTrouble:
    """Files that cannot be read, on mounts that may never answer."""

    @pytest.fixture
    def mount(self, store: Store, tmp_path: Path, library: Path) -> Iterator[FuseMount]:
        """A mount with copies, in `nas`, of what is on a disk, in `library`."""
        for name in ("a", "b", "c"):
            make_file(library / f"{name}.mp4", content(ord(name)))
            for twin in ("2", "3"):
                make_file(tmp_path / "served" / f"{name}{twin}.mp4", content(ord(name)))
        with mounted(tmp_path / "nas", tmp_path / "served") as mount:
            scan(store, library, mount.folder)
            yield mount

    def test_copies_on_several_mounts_are_proven(self, store: Store, mount: FuseMount) -> None:
        outcome = verify(store.path)
        assert sorted(outcome.groups) == [[[f"{name}.mp4"], [f"{name}2.mp4"], [f"{name}3.mp4"]] for name in "abc"]
        assert outcome.left_out == {}
        assert verify(store.path).bytes_read == 0

    @pytest.mark.parametrize("operations", [ATTRIBUTES, {Operation.OPEN}, {Operation.READ}])
    def test_a_file_that_cannot_be_read_is_told_and_left_out(
        self, store: Store, mount: FuseMount, operations: Collection[Operation]
    ) -> None:
        mount.fail(EIO, operations, only="b2.mp4")

        outcome = verify(store.path)

        assert outcome.left_out == {"b2.mp4": "io-error"}
        assert sorted(outcome.groups) == [
            [["a.mp4"], ["a2.mp4"], ["a3.mp4"]],
            [["b.mp4"], ["b3.mp4"]],
            [["c.mp4"], ["c2.mp4"], ["c3.mp4"]],
        ]
        mount.recover()
        again = verify(store.path)
        assert [["b.mp4"], ["b2.mp4"], ["b3.mp4"]] in again.groups
        assert again.bytes_read == SIZE

    @pytest.mark.parametrize("operations", [ANY, ATTRIBUTES, {Operation.OPEN}, {Operation.READ}])
    def test_a_mount_that_stalls_is_given_up_and_all_others_go_on(
        self, store: Store, mount: FuseMount, library: Path, operations: Collection[Operation]
    ) -> None:
        make_file(library / "a4.mp4", content(ord("a")))
        scan(store, library)
        mount.stall(operations)

        outcome = within(DEADLINE_S, verify, store.path, Access(Mounts(hang_s=0.2)))

        assert outcome.groups == [[["a.mp4"], ["a4.mp4"]]]
        assert outcome.left_out == {f"{name}{twin}.mp4": "no-answer" for name in "abc" for twin in "23"}
        mount.recover()
        again = verify(store.path)
        assert len(again.groups) == 3
        assert again.left_out == {}

    def test_a_mount_that_stalls_in_the_midst_of_a_file_is_given_up(self, store: Store, mount: FuseMount) -> None:
        def stall(name: str, number: int) -> None:
            if (name, number) == ("b2.mp4", 5):
                mount.stall()

        outcome = within(DEADLINE_S, verify, store.path, WatchedAccess(stall, Mounts(hang_s=0.2)))

        assert outcome.left_out["b2.mp4"] == "no-answer"
        # what is proven before is told; what is not, is not
        assert all(group[0][0][0] in "ac" for group in outcome.groups)
        mount.recover()
        assert len(verify(store.path).groups) == 3

    def test_nothing_is_asked_of_a_mount_that_was_given_up(self, store: Store, mount: FuseMount) -> None:
        mounts = Mounts(hang_s=0.1, network_concurrency=1)
        mount.stall()

        outcome = within(DEADLINE_S, verify, store.path, Access(mounts))

        assert len(outcome.left_out) == 6
        # three that hang are enough
        assert len(mount.unanswered()) <= 3

    @pytest.mark.parametrize("concurrency", [1, 2])
    def test_no_more_is_asked_at_a_time_than_the_mount_allows(
        self, store: Store, mount: FuseMount, concurrency: int
    ) -> None:
        mount.delay_s = 0.001
        mount.most_at_a_time = 0

        outcome = verify(store.path, Access(Mounts({os.fsencode(mount.folder): Limits(concurrency)})))

        assert len(outcome.groups) == 3
        assert mount.most_at_a_time == concurrency

    def test_each_file_that_is_read_waits_for_the_pace_of_its_mount(self, store: Store, mount: FuseMount) -> None:
        mounts = Mounts({os.fsencode(mount.folder): Limits(rate=1000.0)})
        access = Access(mounts)
        access.locate(os.fsencode(mount.folder / "a2.mp4"))
        budget = mounts.budget_of(os.fsencode(mount.folder / "a2.mp4"))
        assert budget is not None
        pace = budget.pace = CountingPace()

        verify(store.path, access)
        verify(store.path, access)

        assert pace.waits == 6


class CountingPace(Pace):
    """Counts those who wait for it."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.waits = 0
        self._counting = threading.Lock()

    def wait(self, is_over: Callable[[], bool] = lambda: False) -> None:
        with self._counting:
            self.waits += 1


def make_pairs(store: Store, library: Path) -> None:
    """Make four pairs of copies, the largest first, and scan them."""
    for number in range(4):
        for twin in "ab":
            make_file(library / f"{number}{twin}.mp4", content(number) + b"+" * (10 - number))
    scan(store, library)


class TestStopping:
    def test_what_is_proven_before_a_stop_is_remembered(self, store: Store, library: Path) -> None:
        make_pairs(store, library)

        def stop(name: str, number: int) -> None:
            if name.startswith("3"):
                access.stop()

        access = WatchedAccess(stop)
        outcome = verify(store.path, access)

        assert [["3a.mp4"], ["3b.mp4"]] not in outcome.groups
        assert outcome.left_out == {}
        again = verify(store.path)
        assert len(again.groups) == 4
        assert again.bytes_read < 8 * SIZE

    def test_a_disk_that_hangs_does_not_keep_it_from_ending(self, store: Store, library: Path) -> None:
        make_copies(store, library, "a b")
        over = threading.Event()

        def hang(name: str, number: int) -> None:
            if number == 3:
                access.stop()
                over.wait(DEADLINE_S)

        access = WatchedAccess(hang)
        try:
            assert within(DEADLINE_S / 2, verify, store.path, access).groups == []
        finally:
            over.set()

    def test_who_has_seen_enough_ends_it(self, store: Store, library: Path) -> None:
        make_pairs(store, library)
        with Duplicates(store.path) as stored, Proofs(store.path, busy_timeout_s=5) as proofs:
            access = Access(Mounts())
            with closing(Verification(proofs, access).events(stored.groups())) as events:
                first = next(events)
            assert isinstance(first, Group)
            assert [name_of(copy.paths[0]) for copy in first.copies] == ["0a.mp4", "0b.mp4"]
            assert access.is_stopped
            files = [file.file_id for file in next(stored.groups()).files]
            assert proofs.recall(files).keys() == set(files)

    def test_only_as_many_groups_are_read_as_are_asked_for(self, store: Store, library: Path) -> None:
        make_pairs(store, library)

        outcome = verify(store.path, most=1)

        assert outcome == Outcome([[["0a.mp4"], ["0b.mp4"]]], {}, 2 * (SIZE + 10))

    def test_its_progress_ends_where_all_is_done(self, store: Store, library: Path) -> None:
        for name, changes in (("a1", []), ("a2", []), ("b", [CHUNK]), ("gone", [])):
            make_file(library / f"{name}.mp4", content(changes=changes))
        os.link(library / "a1.mp4", library / "linked.mp4")
        scan(store, library)
        (library / "gone.mp4").unlink()
        with Duplicates(store.path) as stored, Proofs(store.path, busy_timeout_s=5) as proofs:
            for _ in range(2):
                run = Verification(proofs, Access(Mounts()))
                list(run.events(stored.groups()))
                assert (run.groups_done, run.bytes_done) == (1, stored.totals().size)


def test_few_files_of_a_disk_are_read_at_a_time(store: Store, library: Path) -> None:
    for number in range(12):
        for twin in "ab":
            make_file(library / f"{number}{twin}.mp4", content(number))
    scan(store, library)
    busy: set[int] = set()
    most_busy = 0

    class CountingAccess(Access):
        def ask(self, path: bytes, function: Callable[..., object], *arguments: object) -> object:  # type: ignore[override]
            nonlocal most_busy
            busy.add(threading.get_ident())
            most_busy = max(most_busy, len(busy))
            try:
                return super().ask(path, function, *arguments)
            finally:
                busy.discard(threading.get_ident())

    outcome = verify(store.path, CountingAccess(Mounts(network_concurrency=8)))

    assert len(outcome.groups) == 12
    assert most_busy <= 2


def test_large_groups_are_read_a_few_files_at_a_time(
    store: Store, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "BATCH", 3)
    for number in range(10):
        make_file(
            library / f"{number}.mp4",
            content(changes=[CHUNK] if number in {1, 5, 8} else [2 * number] if number == 7 else []),
        )
    scan(store, library)
    most_open = 0

    def look(name: str, number: int) -> None:
        nonlocal most_open
        open_here = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        most_open = max(most_open, sum(str(library) in each for each in open_here))

    outcome = verify(store.path, WatchedAccess(look))

    assert [sorted(name for copy in group for name in copy) for group in outcome.groups] == [
        ["0.mp4", "2.mp4", "3.mp4", "4.mp4", "6.mp4", "9.mp4"],
        ["1.mp4", "5.mp4", "8.mp4"],
    ]
    assert most_open == 3
    assert verify(store.path).bytes_read == 0


class Step(NamedTuple):
    """What happens to a library before it is scanned and verified: files of some contents are written, or linked."""

    written: dict[int, int]
    linked: dict[int, int]


steps = st.lists(
    st.builds(
        Step,
        st.dictionaries(st.integers(0, 6), st.integers(0, 5), max_size=5),
        st.dictionaries(st.integers(7, 9), st.integers(0, 6), max_size=2),
    ),
    min_size=1,
    max_size=4,
)


@pytest.fixture(scope="module")
def small_samples() -> Iterator[None]:
    """Digests of little, so that small files will do."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(digest, "CHUNK_BYTES", 8)
        monkeypatch.setattr(digest, "WHOLE_BYTES", 24)
        monkeypatch.setattr(comparison, "CHUNK_BYTES", 8)
        monkeypatch.setattr(inspection, "BATCH", 4)
        yield


@pytest.mark.usefixtures("small_samples")
@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_what_is_proven_is_what_a_comparison_of_all_files_finds(steps: list[Step], new_store: Path) -> None:
    # all have the same size and digest
    contents = [b"s" * 8 + middle + b"m" * 8 + b"r" * 8 + b"e" * 8 for middle in (b"0" * 8, b"1" * 8, b"2" * 8)]
    contents += [each[:24] + b"x" * 8 + each[32:] for each in contents]
    with TemporaryDirectory() as name:
        library = Path(name) / "library"
        path = shutil.copy(new_store, name)
        with Store(path, retries=RetrySchedule(60, 3600)) as store:
            for step in steps:
                for number, kind in step.written.items():
                    (library / f"{number}.mp4").unlink(missing_ok=True)
                    make_file(library / f"{number}.mp4", contents[kind])
                for number, source in step.linked.items():
                    if (library / f"{source}.mp4").exists():
                        (library / f"{number}.mp4").unlink(missing_ok=True)
                        os.link(library / f"{source}.mp4", library / f"{number}.mp4")
                if library.exists():
                    scan(store, library)
                    outcome = verify(path)
                    assert sorted(outcome.groups) == sorted(groups_in(library))
                    assert verify(path) == outcome._replace(bytes_read=0)


def groups_in(library: Path) -> list[list[list[str]]]:
    """Groups of copies, each with its hard links, by reading everything."""
    by_content: dict[bytes, dict[int, list[str]]] = {}
    for path in sorted(library.iterdir()):
        by_content.setdefault(path.read_bytes(), {}).setdefault(path.stat().st_ino, []).append(path.name)
    return [list(copies.values()) for copies in by_content.values() if len(copies) > 1]
