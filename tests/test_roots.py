"""Roots: which folders are scanned at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qacache.errors import RootRefused
from qacache.scan.discovery import Filters
from qacache.scan.pipeline import Scan, ScanOptions
from qacache.scan.roots import admit
from qacache.store.session import Store
from tests.fakes import FakeProber
from tests.libraries import scan
from tests.media import make_file


def remember_a_file_in(folder: Path, store: Store) -> Path:
    path = make_file(folder / "x.mp4", b"content")
    list(Scan(store, FakeProber(), ScanOptions(filters=Filters(["mp4"]))).events([os.fsencode(folder)]))
    return path


def test_folders_are_admitted_in_walking_order(tmp_path: Path, store: Store) -> None:
    for name in ("b", "a", "a-b"):
        make_file(tmp_path / name / "x.mp4")

    admission = admit([os.fsencode(tmp_path / name) for name in ("b", "a", "a-b")], store.reader)

    assert admission.roots == [os.fsencode(tmp_path / name) for name in ("a-b", "a", "b")]
    admission.raise_refusals()


def test_a_missing_folder_is_refused_and_the_others_are_not(tmp_path: Path, library: Path, store: Store) -> None:
    admission = admit([os.fsencode(tmp_path / "none"), os.fsencode(library)], store.reader)

    assert admission.roots == [os.fsencode(library)]
    with pytest.raises(RootRefused, match=r"root is missing: .*/none$") as refused:
        admission.raise_refusals()
    assert refused.value.exit_code == 14
    assert "mounted" in (refused.value.hint or "")
    assert "--accept-shrink" not in (refused.value.hint or "")


def test_a_file_is_no_root(library: Path, store: Store) -> None:
    path = make_file(library / "x.mp4")

    assert admit([os.fsencode(path)], store.reader).refusals == [f"root is no folder: {path}"]


def test_each_refused_root_has_a_line_whatever_its_name(tmp_path: Path, store: Store) -> None:
    missing = [os.fsencode(tmp_path) + name for name in (b"/one", b"/t\nwo", b"/thr\xffee")]

    with pytest.raises(RootRefused) as refused:
        admit(missing, store.reader).raise_refusals()

    assert len(str(refused.value).splitlines()) == 3


def test_a_folder_that_was_never_filled_may_be_empty(library: Path, store: Store) -> None:
    assert admit([os.fsencode(library)], store.reader).roots == [os.fsencode(library)]


def test_a_folder_that_is_suddenly_empty_is_refused(library: Path, store: Store) -> None:
    remember_a_file_in(library, store).unlink()

    admission = admit([os.fsencode(library)], store.reader)

    assert admission.roots == []
    assert admission.refusals == [f"root is empty, but the store knows files in it: {library}"]


def test_a_folder_that_is_suddenly_empty_is_admitted_where_that_is_accepted(library: Path, store: Store) -> None:
    remember_a_file_in(library, store).unlink()

    assert admit([os.fsencode(library)], store.reader, accept_shrink=True).roots == [os.fsencode(library)]


def test_a_missing_folder_is_refused_even_where_shrinking_is_accepted(tmp_path: Path, store: Store) -> None:
    assert admit([os.fsencode(tmp_path / "none")], store.reader, accept_shrink=True).roots == []


def test_a_folder_that_still_holds_something_is_admitted(library: Path, store: Store) -> None:
    remember_a_file_in(library, store).unlink()
    make_file(library / "notes.txt")

    assert admit([os.fsencode(library)], store.reader).roots == [os.fsencode(library)]


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

    assert admit([os.fsencode(library)], store.reader).refusals == []
