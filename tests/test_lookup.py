"""Looking up: answers for files and folders, by whatever name they are asked for."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest

from qacache.errors import UsageError
from qacache.lookup import absolute, look_up
from qacache.store.session import Store
from tests.libraries import scan
from tests.media import make_file

COMPOSED = unicodedata.normalize("NFC", "Café Zoë")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def answers(store: Store, *paths: Path | str | bytes) -> list[tuple[str, str]]:
    """Path and status of each answer."""
    found = look_up(store.reader, [os.fsencode(path) for path in paths], ())
    return [(os.fsdecode(answer.path), answer.found.status if answer.found else "unknown") for answer in found]


def oks(paths: Iterable[Path]) -> list[tuple[str, str]]:
    return [(str(path), "ok") for path in paths]


def test_answers_come_in_the_order_asked(store: Store, library: Path) -> None:
    a, b = make_file(library / "a.mp4", b"A"), make_file(library / "b.mp4", b"broken")
    scan(store, library)

    assert answers(store, b, "/none.mp4", a, b) == [
        (str(b), "failed"),
        ("/none.mp4", "unknown"),
        (str(a), "ok"),
        (str(b), "failed"),
    ]


def test_the_columns_asked_for_come_with_each_answer(store: Store, library: Path) -> None:
    path = os.fsencode(make_file(library / "a.mp4", b"A"))
    scan(store, library)

    ((answer),) = look_up(store.reader, [path], ("file.size", "media.format_name"))

    assert answer.found is not None
    assert answer.found.values == (1, "fake")


def test_a_folder_stands_for_all_that_is_stored_below_it(store: Store, library: Path) -> None:
    paths = [make_file(library / name, b"content") for name in ("f-old/x.mp4", "f/a.mp4", "f/b/c.mp4", "f2.mp4")]
    scan(store, library)

    assert answers(store, library / "f") == oks(paths[1:3])
    assert answers(store, library) == oks(paths)
    assert answers(store, "/") == oks(paths)


def test_a_folder_of_which_nothing_is_stored_is_unknown(store: Store, library: Path) -> None:
    (library / "empty").mkdir()
    scan(store, library)

    assert answers(store, library / "empty") == [(str(library / "empty"), "unknown")]


def test_a_folder_with_a_slash_behind_it_is_the_same_folder(store: Store, library: Path) -> None:
    path = make_file(library / "f" / "a.mp4", b"A")
    scan(store, library)

    assert answers(store, f"{library}/f/") == oks([path])


def test_relative_paths_are_below_the_working_directory(
    store: Store, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file(library / "f" / "a.mp4", b"A")
    scan(store, library)
    monkeypatch.chdir(library / "f")

    assert answers(store, "a.mp4", ".", "..", "../f/./a.mp4") == oks([path] * 4)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/v/a.mp4", b"/v/a.mp4"),
        (b"/v/a.mp4/", b"/v/a.mp4"),
        (b"//v///a.mp4", b"/v/a.mp4"),
        (b"/v/./b/../a.mp4", b"/v/a.mp4"),
        (b"/v/.hidden/a.mp4", b"/v/.hidden/a.mp4"),
        (b"/", b"/"),
        (b"//", b"/"),
        (b"/..", b"/"),
    ],
)
def test_a_path_has_one_absolute_form(path: bytes, expected: bytes) -> None:
    assert absolute(path) == expected


def test_an_empty_path_is_not_the_working_directory(store: Store) -> None:
    with pytest.raises(UsageError, match="a path is empty"):
        answers(store, b"")


@pytest.mark.parametrize(("asked", "on_disk"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)], ids=["nfd", "nfc"])
def test_a_file_is_found_in_either_unicode_form(store: Store, library: Path, asked: str, on_disk: str) -> None:
    path = make_file(library / on_disk / f"{on_disk}.mp4", b"A")
    scan(store, library)

    assert answers(store, library / asked / f"{asked}.mp4") == oks([path])


@pytest.mark.parametrize(("asked", "on_disk"), [(DECOMPOSED, COMPOSED), (COMPOSED, DECOMPOSED)], ids=["nfd", "nfc"])
def test_a_folder_is_found_in_either_unicode_form(store: Store, library: Path, asked: str, on_disk: str) -> None:
    paths = [make_file(library / on_disk / f"{name}.mp4", name.encode()) for name in ("a", "b")]
    scan(store, library)

    assert answers(store, library / asked) == oks(paths)


def test_of_two_files_that_differ_in_unicode_form_alone_the_one_asked_for_is_told(store: Store, library: Path) -> None:
    paths = [make_file(library / f"{name}.mp4", b"content") for name in (COMPOSED, DECOMPOSED)]
    if len(os.listdir(library)) == 1:
        pytest.skip("this filesystem takes both forms for the same name")
    scan(store, library)

    assert answers(store, *paths) == oks(paths)


def test_names_that_are_no_text_are_found(store: Store, library: Path) -> None:
    path = os.fsencode(library) + b"/caf\xe9\n.mp4"
    try:
        make_file(Path(os.fsdecode(path)), b"A")
    except OSError:
        pytest.skip("this filesystem takes no names that are no UTF-8")
    scan(store, library)

    assert answers(store, path) == [(os.fsdecode(path), "ok")]


class TestSymlinkedRoot:
    @pytest.fixture
    def link(self, tmp_path: Path, library: Path, store: Store) -> Path:
        make_file(library / "f" / "a.mp4", b"A")
        link = tmp_path / "link"
        link.symlink_to(library)
        scan(store, link)
        return link

    def test_files_are_found_by_the_name_that_was_scanned(self, store: Store, link: Path) -> None:
        assert answers(store, link / "f" / "a.mp4") == oks([link / "f" / "a.mp4"])

    def test_files_are_found_by_their_real_name(self, store: Store, link: Path, library: Path) -> None:
        assert answers(store, library / "f" / "a.mp4", library / "f") == oks([link / "f" / "a.mp4"] * 2)

    def test_all_files_are_found_by_the_real_name_of_the_root(self, store: Store, link: Path, library: Path) -> None:
        assert answers(store, library) == oks([link / "f" / "a.mp4"])

    def test_folders_that_are_only_called_alike_are_not_taken_for_it(
        self, store: Store, link: Path, library: Path
    ) -> None:
        assert answers(store, f"{library}2/f/a.mp4") == [(f"{library}2/f/a.mp4", "unknown")]


def test_a_folder_that_took_the_name_of_a_file_stands_for_what_is_in_it(store: Store, library: Path) -> None:
    path = make_file(library / "x.mp4", b"A")
    scan(store, library)
    path.unlink()
    inner = make_file(path / "y.mp4", b"B")
    scan(store, library)

    assert answers(store, path) == oks([inner])


def test_vanished_files_are_told_as_such(store: Store, library: Path) -> None:
    path, kept = make_file(library / "a.mp4", b"A"), make_file(library / "b.mp4", b"B")
    scan(store, library)
    path.unlink()
    scan(store, library)

    assert answers(store, library) == [(str(path), "vanished"), (str(kept), "ok")]
