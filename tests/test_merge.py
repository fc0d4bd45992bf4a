"""The merge join: what is new, changed, unchanged and gone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qacache.events import Failed, Reused, Unchanged, Vanished
from qacache.models import Failure, FileStat
from qacache.scan import merge
from qacache.scan.discovery import Filters, discover
from qacache.scan.merge import MergeJoin
from qacache.store.reader import Known, KnownFile
from tests.media import make_file

MP4 = Filters(["mp4"])

Item = FileStat | Unchanged | Reused | Vanished | Failed


@dataclass
class FakeRows:
    """Rows in memory; `asked` are the paths that were asked for one by one."""

    rows: dict[bytes, Known] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    def known_files(self, below: bytes) -> Iterator[KnownFile]:
        inside = sorted(path for path in self.rows if path.startswith(below.rstrip(b"/") + b"/"))
        for path in inside:
            row = self.rows[path]
            yield KnownFile(path, row.size, row.mtime_ns, row.status)

    def known(self, path: bytes) -> Known | None:
        self.asked.append(path)
        return self.rows.get(path)


def row_of(
    path: Path | bytes, *, status: str = "ok", digest: bytes | None = b"digest", size: int | None = None
) -> Known:
    """The row of a file that is on disk, as it would be stored."""
    stat = os.stat(path)
    return Known(stat.st_size if size is None else size, stat.st_mtime_ns, status, digest, None, None, None, None)


def failure_of(path: Path, *, status: str = "failed", mtime_ns: int | None = None) -> Known:
    stat = path.stat()
    failed_mtime_ns = stat.st_mtime_ns if mtime_ns is None else mtime_ns
    return Known(stat.st_size, failed_mtime_ns, status, None, stat.st_size, failed_mtime_ns, "fake 1", 1000)


def joined(rows: FakeRows, *roots: Path, is_due: bool = False, force: bool = False) -> list[Item]:
    names = [os.fsencode(root) for root in roots]
    join = MergeJoin(rows, is_due=lambda _: is_due, force=force)
    return list(join.skip_unchanged(chain.from_iterable(discover(name, MP4) for name in names), names))


def looked_into(items: Iterable[Item]) -> list[bytes]:
    return [item.path for item in items if isinstance(item, FileStat)]


def vanished(items: Iterable[Item]) -> list[bytes]:
    return [item.path for item in items if isinstance(item, Vanished)]


def unchanged(items: Iterable[Item]) -> list[bytes]:
    return [path for item in items if isinstance(item, Unchanged) for path in item.paths]


FOLDERS = st.sampled_from([b"", b"a/", b"a-b/", b"a.b/", b"a/a/", b"a0/", b"\xff/", b"b\n/"])
VIDEOS = st.sampled_from([b"a.mp4", b"-.mp4", b"\xff.mp4", b"b.mp4", b"z.mp4"])
NAMES = st.builds(bytes.__add__, FOLDERS, VIDEOS)
FATES = st.sampled_from(["new", "same", "resized", "rewritten", "gone", "gone before", "back", "back changed"])


@settings(max_examples=80, deadline=None)
@given(fates=st.dictionaries(NAMES, FATES, max_size=25))
def test_the_join_tells_of_every_file_and_row_what_became_of_it(fates: dict[bytes, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = FakeRows()
        paths: dict[str, list[bytes]] = {}
        for name, fate in fates.items():
            path = os.path.join(os.fsencode(folder), name)
            act_out(fate, path, rows)
            paths.setdefault(fate, []).append(path)

        items = joined(rows, Path(folder))

    def in_order(*fates: str) -> list[bytes]:
        return sorted(path for fate in fates for path in paths.get(fate, []))

    assert looked_into(items) == in_order("new", "resized", "rewritten", "back changed")
    assert unchanged(items) == in_order("same")
    assert vanished(items) == in_order("gone")
    assert [item.stat.path for item in items if isinstance(item, Reused)] == in_order("back")
    assert set(rows.asked) <= set(in_order("resized", "rewritten", "back", "back changed"))


def act_out(fate: str, path: bytes, rows: FakeRows) -> None:
    """Let the file and the row of `path` be what they are after `fate`."""
    make_file(Path(os.fsdecode(path)), b"content")
    known = row_of(path, status="vanished" if fate.startswith("back") or fate == "gone before" else "ok")
    if fate != "new":
        rows.rows[path] = known
    if fate in {"rewritten", "back changed"}:
        rows.rows[path] = known._replace(mtime_ns=known.mtime_ns - 1)
    if fate == "resized":
        rows.rows[path] = known._replace(size=known.size + 1)
    if fate.startswith("gone"):
        os.unlink(path)


def test_nothing_is_asked_of_single_rows_where_nothing_changed(library: Path) -> None:
    paths = [make_file(library / f"{i}.mp4", b"content") for i in range(20)]
    rows = FakeRows({os.fsencode(path): row_of(path) for path in paths})

    assert unchanged(joined(rows, library)) == sorted(rows.rows)
    assert rows.asked == []


def test_rows_of_several_roots_are_compared_in_walking_order(tmp_path: Path) -> None:
    roots = [tmp_path / "a-b", tmp_path / "a", tmp_path / "b"]
    paths = [make_file(root / "x.mp4", b"content") for root in roots]
    rows = FakeRows({os.fsencode(path): row_of(path) for path in paths})
    paths[1].unlink()

    items = joined(rows, *roots)

    assert vanished(items) == [os.fsencode(paths[1])]
    assert unchanged(items) == [os.fsencode(paths[0]), os.fsencode(paths[2])]


def test_rows_of_other_folders_are_left_alone(tmp_path: Path) -> None:
    outside = make_file(tmp_path / "library2" / "x.mp4", b"content")
    rows = FakeRows({os.fsencode(outside): row_of(outside)})
    outside.unlink()
    make_file(tmp_path / "library" / "x.mp4", b"content")

    assert vanished(joined(rows, tmp_path / "library")) == []


def test_a_row_whose_file_is_there_but_not_wanted_any_more_stays(library: Path) -> None:
    path = make_file(library / "x.mkv", b"content")

    assert joined(FakeRows({os.fsencode(path): row_of(path)}), library) == []


def test_the_rows_of_a_folder_that_is_gone_vanish(library: Path) -> None:
    paths = [make_file(library / "folder" / name, b"content") for name in ("x.mp4", "y.mp4")]
    rows = FakeRows({os.fsencode(path): row_of(path) for path in paths})
    shutil.rmtree(library / "folder")

    assert vanished(joined(rows, library)) == [os.fsencode(path) for path in paths]


def test_the_rows_of_a_folder_that_became_a_file_vanish(library: Path) -> None:
    path = make_file(library / "folder" / "x.mp4", b"content")
    rows = FakeRows({os.fsencode(path): row_of(path)})
    shutil.rmtree(library / "folder")
    (library / "folder").touch()

    assert vanished(joined(rows, library)) == [os.fsencode(path)]


@pytest.mark.parametrize("refusal", [PermissionError(13, "denied"), OSError(116, "stale handle"), OSError(5, "I/O")])
def test_a_row_does_not_vanish_without_a_clear_word(
    library: Path, monkeypatch: pytest.MonkeyPatch, refusal: OSError
) -> None:
    path = make_file(library / "x.mp4", b"content")
    rows = FakeRows({os.fsencode(path): row_of(path)})
    path.unlink()

    def refuse(path: bytes) -> os.stat_result:
        raise refusal

    monkeypatch.setattr(merge.os, "lstat", refuse)

    assert joined(rows, library) == []


def test_a_file_whose_name_a_folder_took_vanishes(library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    rows = FakeRows({os.fsencode(path): row_of(path)})
    path.unlink()
    path.mkdir()

    assert vanished(joined(rows, library)) == [os.fsencode(path)]


def test_the_rows_of_a_folder_that_cannot_be_listed_stay(library: Path) -> None:
    names = ["a.mp4", "folder/x.mp4", "folder/deep/x.mp4", "folder-2.mp4", "folder2/x.mp4"]
    paths = [make_file(library / name, b"content") for name in names]
    rows = FakeRows({os.fsencode(path): row_of(path) for path in paths})
    folder = os.fsencode(library / "folder")
    failed = Failed(folder, Failure("list", "permission-denied", "permission denied"))
    shutil.rmtree(library)
    join = MergeJoin(rows, is_due=lambda _: False)

    items = list(join.skip_unchanged([failed], [os.fsencode(library)]))

    assert failed in items
    assert vanished(items) == sorted(os.fsencode(library / name) for name in names if not name.startswith("folder/"))
    assert join.unlisted == [folder]


def test_the_row_of_a_file_that_cannot_be_looked_at_stays(library: Path) -> None:
    first, path, last = (make_file(library / name, b"content") for name in ("a.mp4", "b.mp4", "c.mp4"))
    rows = FakeRows({os.fsencode(each): row_of(each) for each in (first, path, last)})
    path.unlink()
    path.symlink_to("nothing")

    items = joined(rows, library)

    assert unchanged(items) == [os.fsencode(first), os.fsencode(last)]
    assert [item.path for item in items if isinstance(item, Failed)] == [os.fsencode(path)]
    assert vanished(items) == []


def test_a_stopped_walk_says_nothing_of_what_it_did_not_reach(library: Path) -> None:
    gone = [os.fsencode(make_file(library / name, b"content")) for name in ("1.mp4", "a/2.mp4", "z/9.mp4")]
    rows = FakeRows({path: row_of(path) for path in gone})
    for path in gone:
        os.unlink(path)
    reached = make_file(library / "b" / "x.mp4", b"content")
    runs = discover(os.fsencode(library / "b"), MP4)
    join = MergeJoin(rows, is_due=lambda _: False, is_stopped=lambda: True)

    items = list(join.skip_unchanged(runs, [os.fsencode(library)]))

    assert vanished(items) == gone[:2]
    assert looked_into(items) == [os.fsencode(reached)]


class TestKnownFailures:
    @pytest.fixture
    def path(self, library: Path) -> Path:
        return make_file(library / "x.mp4", b"content")

    def test_one_that_is_not_due_counts_as_unchanged(self, library: Path, path: Path) -> None:
        rows = FakeRows({os.fsencode(path): failure_of(path)})

        assert joined(rows, library) == [Unchanged([os.fsencode(path)], known_failures=1)]

    def test_one_that_is_due_is_looked_into(self, library: Path, path: Path) -> None:
        rows = FakeRows({os.fsencode(path): failure_of(path)})

        assert looked_into(joined(rows, library, is_due=True)) == [os.fsencode(path)]

    def test_one_whose_file_changed_is_looked_into_at_once(self, library: Path, path: Path) -> None:
        rows = FakeRows({os.fsencode(path): failure_of(path, mtime_ns=1)})

        assert looked_into(joined(rows, library)) == [os.fsencode(path)]

    def test_one_that_vanished_and_came_back_is_looked_into(self, library: Path, path: Path) -> None:
        rows = FakeRows({os.fsencode(path): failure_of(path, status="vanished")})

        assert looked_into(joined(rows, library)) == [os.fsencode(path)]

    def test_one_that_goes_vanishes(self, library: Path, path: Path) -> None:
        rows = FakeRows({os.fsencode(path): failure_of(path)})
        path.unlink()

        assert vanished(joined(rows, library)) == [os.fsencode(path)]


def test_a_vanished_file_that_comes_back_as_it_was_is_reused_from_itself(library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    name = os.fsencode(path)

    assert joined(FakeRows({name: row_of(path, status="vanished")}), library) == [
        Reused(FileStat.of(name, path.stat()), b"digest", source=name)
    ]


def test_a_vanished_file_without_digest_is_looked_into_when_it_comes_back(library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    rows = FakeRows({os.fsencode(path): row_of(path, status="vanished", digest=None)})

    assert looked_into(joined(rows, library)) == [os.fsencode(path)]


@pytest.mark.parametrize("status", ["ok", "vanished", "failed"])
def test_with_force_every_file_is_looked_into(library: Path, status: str) -> None:
    path = make_file(library / "x.mp4", b"content")
    known = failure_of(path) if status == "failed" else row_of(path, status=status)

    assert looked_into(joined(FakeRows({os.fsencode(path): known}), library, force=True)) == [os.fsencode(path)]


def test_with_force_what_is_gone_vanishes_all_the_same(library: Path) -> None:
    path = make_file(library / "x.mp4", b"content")
    rows = FakeRows({os.fsencode(path): row_of(path)})
    path.unlink()

    assert joined(rows, library, force=True) == [Vanished(os.fsencode(path))]


def test_unchanged_files_are_told_before_or_after_their_neighbours_but_all(library: Path) -> None:
    paths: Sequence[Path] = [make_file(library / f"{i}.mp4", b"content") for i in range(5)]
    rows = FakeRows({os.fsencode(path): row_of(path) for path in paths if path.name != "2.mp4"})

    items = joined(rows, library)

    assert unchanged(items) == sorted(rows.rows)
    assert looked_into(items) == [os.fsencode(paths[2])]


class TestRootsThatGoAway:
    def test_an_unmounted_root_makes_nothing_vanish(self, library: Path) -> None:
        paths = [make_file(library / name, b"content") for name in ("a.mp4", "b/c.mp4")]
        rows = FakeRows({os.fsencode(path): row_of(path) for path in paths})
        shutil.rmtree(library)
        library.mkdir()
        root = os.fsencode(library)
        join = MergeJoin(rows, is_due=lambda _: False, lost=lambda _: root)

        items = list(join.skip_unchanged([], [root]))

        assert vanished(items) == []
        assert [(item.path, item.failure.reason) for item in items if isinstance(item, Failed)] == [
            (root, "mount-gone")
        ]
        assert join.unlisted == [root]

    def test_a_root_that_is_replaced_when_all_was_seen_is_not_done(self, library: Path) -> None:
        root = os.fsencode(library)
        join = MergeJoin(FakeRows({}), is_due=lambda _: False, lost=lambda _: root)

        (item,) = join.skip_unchanged([], [root])

        assert isinstance(item, Failed)
        assert join.unlisted == [root]

    def test_rows_behind_a_symbolic_link_stay(self, library: Path) -> None:
        (library / "link").symlink_to("elsewhere")
        path = os.fsencode(library / "link" / "x.mp4")
        rows = FakeRows({path: KnownFile(path, 7, 7, "ok")})

        assert joined(rows, library) == []

    def test_a_folder_that_failed_midway_protects_its_later_rows(self, library: Path) -> None:
        root = os.fsencode(library)
        names = (b"a.mp4", b"sub/x.mp4", b"z.mp4")
        rows = FakeRows({path: KnownFile(path, 7, 7, "ok") for path in (root + b"/" + name for name in names)})
        gone = Failure("list", "io-error", "input/output error")
        join = MergeJoin(rows, is_due=lambda _: False)

        items = list(
            join.skip_unchanged([Failed(root, gone), Failed(root + b"/sub", gone), Failed(root, gone)], [root])
        )

        assert vanished(items) == []
        assert [item.path for item in items if isinstance(item, Failed)] == [root, root + b"/sub"]
