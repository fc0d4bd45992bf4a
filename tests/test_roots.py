"""Roots: which folders are scanned at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qacache.errors import RootRefused
from qacache.scan.mounts import Mounts
from qacache.scan.roots import admit, collapse
from qacache.store.session import Store
from tests.libraries import scan
from tests.media import make_file


def remember_a_file_in(folder: Path, store: Store) -> Path:
    path = make_file(folder / "x.mp4", b"content")
    scan(store, folder)
    return path


def collapsed(*roots: bytes) -> list[bytes]:
    return collapse({root: os.path.realpath(root) for root in roots})


def test_folders_are_admitted_in_walking_order(tmp_path: Path, store: Store) -> None:
    for name in ("b", "a", "a-b"):
        make_file(tmp_path / name / "x.mp4")

    admission = admit([os.fsencode(tmp_path / name) for name in ("b", "a", "a-b")], store.reader, Mounts())

    assert admission.roots == [os.fsencode(tmp_path / name) for name in ("a-b", "a", "b")]
    admission.raise_refusals()


def test_a_missing_folder_is_refused_and_the_others_are_not(tmp_path: Path, library: Path, store: Store) -> None:
    admission = admit([os.fsencode(tmp_path / "none"), os.fsencode(library)], store.reader, Mounts())

    assert admission.roots == [os.fsencode(library)]
    with pytest.raises(RootRefused, match=r"root is missing: .*/none$") as refused:
        admission.raise_refusals()
    assert refused.value.exit_code == 14
    assert "mounted" in (refused.value.hint or "")
    assert "--accept-shrink" not in (refused.value.hint or "")


def test_a_file_is_no_root(library: Path, store: Store) -> None:
    path = make_file(library / "x.mp4")

    assert admit([os.fsencode(path)], store.reader, Mounts()).refusals == [f"root is no folder: {path}"]


def test_each_refused_root_has_a_line_whatever_its_name(tmp_path: Path, store: Store) -> None:
    missing = [os.fsencode(tmp_path) + name for name in (b"/one", b"/t\nwo", b"/thr\xffee")]

    with pytest.raises(RootRefused) as refused:
        admit(missing, store.reader, Mounts()).raise_refusals()

    assert len(str(refused.value).splitlines()) == 3


def test_a_folder_that_was_never_filled_may_be_empty(library: Path, store: Store) -> None:
    assert admit([os.fsencode(library)], store.reader, Mounts()).roots == [os.fsencode(library)]


def test_a_folder_that_is_suddenly_empty_is_refused(library: Path, store: Store) -> None:
    remember_a_file_in(library, store).unlink()

    admission = admit([os.fsencode(library)], store.reader, Mounts())

    assert admission.roots == []
    assert admission.refusals == [f"root is empty, but the store knows files in it: {library}"]


def test_a_folder_that_is_suddenly_empty_is_admitted_where_that_is_accepted(library: Path, store: Store) -> None:
    remember_a_file_in(library, store).unlink()

    assert admit([os.fsencode(library)], store.reader, Mounts(), accept_shrink=True).roots == [os.fsencode(library)]


def test_a_missing_folder_is_refused_even_where_shrinking_is_accepted(tmp_path: Path, store: Store) -> None:
    assert admit([os.fsencode(tmp_path / "none")], store.reader, Mounts(), accept_shrink=True).roots == []


def test_a_folder_that_still_holds_something_is_admitted(library: Path, store: Store) -> None:
    remember_a_file_in(library, store).unlink()
    make_file(library / "notes.txt")

    assert admit([os.fsencode(library)], store.reader, Mounts()).roots == [os.fsencode(library)]


def test_an_earlier_root_inside_that_may_not_be_listed_is_left_to_the_walk(
    library: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = library / "nas"
    make_file(inner / "x.mp4", b"content")
    scan(store, inner)
    list_folder = os.scandir

    def refuse_inner(folder: bytes) -> object:
        if folder == os.fsencode(inner):
            raise PermissionError
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", refuse_inner)

    assert admit([os.fsencode(library)], store.reader, Mounts()).refusals == []


class TestCollapse:
    def test_a_root_inside_another_is_left_out(self) -> None:
        assert collapsed(b"/v/films/old", b"/v/films") == [b"/v/films"]

    def test_a_root_whose_name_only_begins_like_another_is_kept(self) -> None:
        assert collapsed(b"/v/films", b"/v/films2", b"/v/films-old") == [b"/v/films-old", b"/v/films", b"/v/films2"]

    def test_everything_is_inside_the_root_folder(self) -> None:
        assert collapsed(b"/v", b"/") == [b"/"]

    def test_the_same_folder_by_a_symlink_counts_once(self, tmp_path: Path) -> None:
        real, link = tmp_path / "real", tmp_path / "link"
        real.mkdir()
        link.symlink_to(real)

        assert collapsed(os.fsencode(link), os.fsencode(real)) == [os.fsencode(link)]

    def test_a_folder_that_a_symlinked_root_holds_is_left_out(self, tmp_path: Path) -> None:
        inner, link = tmp_path / "real" / "inner", tmp_path / "z-link"
        inner.mkdir(parents=True)
        link.symlink_to(tmp_path / "real")

        assert collapsed(os.fsencode(inner), os.fsencode(link)) == [os.fsencode(link)]
