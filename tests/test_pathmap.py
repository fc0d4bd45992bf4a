"""The names of files on another machine: prefixes are whole components, and the longest wins."""

from __future__ import annotations

import os
import posixpath
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.errors import UsageError
from qacache.pathmap import PathMap, Translation, parse_pairs

NAMES = st.binary(min_size=1, max_size=5).filter(lambda name: b"/" not in name)
FOLDERS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: b"/" + b"/".join(names))


@pytest.mark.parametrize(
    ("path", "mapped"),
    [
        (b"/mnt/media/a.mp4", b"/Volumes/Media/a.mp4"),
        (b"/mnt/media/kids/a.mp4", b"/Users/kids/a.mp4"),
        (b"/mnt/media2/a.mp4", b"/mnt/media2/a.mp4"),
        (b"/mnt/media", b"/mnt/media"),
        (b"/elsewhere/mnt/media/a.mp4", b"/elsewhere/mnt/media/a.mp4"),
        (b"/mnt/media/caf\xe9.mp4", b"/Volumes/Media/caf\xe9.mp4"),
    ],
)
def test_the_longest_folder_that_holds_a_path_is_replaced(path: bytes, mapped: bytes) -> None:
    pairs = parse_pairs(["/mnt/media=/Volumes/Media", "/mnt/media/kids/=/Users//kids"])

    assert PathMap(pairs)(path) == mapped
    assert PathMap(reversed(pairs))(path) == mapped


def test_folders_that_hold_none_of_the_paths_are_told() -> None:
    mapped = PathMap(parse_pairs(["/mnt/media=/x", "/mnt/media/kids=/y", "/mnt/medai=/z"]))
    mapped(b"/mnt/media/kids/a.mp4")
    assert mapped.unused == {b"/mnt/media/", b"/mnt/medai/"}


def test_the_root_maps_to_and_fro() -> None:
    assert PathMap(parse_pairs(["/=/mnt"]))(b"/a.mp4") == b"/mnt/a.mp4"
    assert PathMap(parse_pairs(["/mnt=/"]))(b"/mnt/a.mp4") == b"/a.mp4"


@given(FOLDERS, FOLDERS, FOLDERS)
def test_what_was_mapped_can_be_mapped_back(old: bytes, new: bytes, inner: bytes) -> None:
    path = old + inner
    assert PathMap([(new, old)])(PathMap([(old, new)])(path)) == path


def test_equals_signs_in_names_are_no_matter_where_it_is_clear_what_is_meant() -> None:
    assert parse_pairs(["/a=b=/c=d"]) == [(b"/a=b", b"/c=d")]


@pytest.mark.parametrize(
    "text", ["", "/a", "/a=", "=/b", "a=/b", "/a=b", "/a=/b=/c", "/a:/b"], ids=lambda text: text or "empty"
)
def test_what_does_not_say_which_folder_is_where_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--map") as refused:
        parse_pairs([text])
    assert refused.value.hint is not None
    assert "FROM=TO" in refused.value.hint


def test_one_folder_cannot_be_in_two_places() -> None:
    with pytest.raises(UsageError, match="two places for one folder: /a"):
        parse_pairs(["/a=/b", "/a/=/c"])
    assert parse_pairs(["/a=/b", "/a/=/b/"]) == [(b"/a", b"/b")]


# there and back

MEDIA = (("/Volumes/Media", "/mnt/media"), ("/Volumes/Media/kids", "/mnt/kids"), ("/Volumes/Füße", "/mnt/füße"))


def there_and_back(translation: Translation, asked: bytes) -> tuple[bytes, bytes]:
    """What the store calls a path, and what that is called again."""
    here, back = translation.there_and_back(asked)
    return here, back(here)


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        (b"/Volumes/Media/a.mp4", b"/mnt/media/a.mp4"),
        (b"/Volumes/Media", b"/mnt/media"),
        (b"/Volumes/Media/kids/a.mp4", b"/mnt/kids/a.mp4"),
        (b"/Volumes/Media/kids2/a.mp4", b"/mnt/media/kids2/a.mp4"),
        (b"/Volumes/Media2/a.mp4", b"/Volumes/Media2/a.mp4"),
        (b"/mnt/media/a.mp4", b"/mnt/media/a.mp4"),
        (b"/Volumes/Media/caf\xe9.mp4", b"/mnt/media/caf\xe9.mp4"),
    ],
)
@pytest.mark.parametrize("slashes", ["", "/", "//"])
def test_what_another_machine_asks_for_is_translated_by_the_longest_folder(
    asked: bytes, stored: bytes, slashes: str
) -> None:
    pairs = [(old + slashes, new + slashes) for old, new in MEDIA]
    for translation in (Translation(pairs), Translation(reversed(pairs))):
        assert there_and_back(translation, asked) == (stored, asked)


@pytest.mark.parametrize("asked_form", ["NFC", "NFD"])
@pytest.mark.parametrize("configured_form", ["NFC", "NFD"])
def test_unicode_forms_of_folders_make_no_difference(asked_form: str, configured_form: str) -> None:
    pairs = [(unicodedata.normalize(configured_form, old), new) for old, new in MEDIA]
    asked = unicodedata.normalize(asked_form, "/Volumes/Füße/é.mp4").encode()
    here, back = there_and_back(Translation(pairs), asked)
    # names below the folder are for the look-up to compare
    assert here == "/mnt/füße/".encode() + asked.rpartition(b"/")[2]
    assert back == asked


def test_what_the_store_has_elsewhere_keeps_its_name() -> None:
    _, back = Translation(MEDIA).there_and_back(b"/Volumes/Media/link")
    assert back(b"/mnt/media/link/a.mp4") == b"/Volumes/Media/link/a.mp4"
    assert back(b"/elsewhere/a.mp4") == b"/elsewhere/a.mp4"
    assert back(b"/mnt/media2/a.mp4") == b"/mnt/media2/a.mp4"


def test_without_folders_nothing_is_translated() -> None:
    assert not Translation(())
    assert there_and_back(Translation(()), b"/a") == (b"/a", b"/a")


@given(FOLDERS, FOLDERS, FOLDERS)
def test_what_was_asked_for_comes_back_as_it_was(theirs: bytes, ours: bytes, below: bytes) -> None:
    pair = (os.fsdecode(theirs), os.fsdecode(ours))
    asked = posixpath.normpath(theirs + below)
    assert there_and_back(Translation([pair]), asked)[1] == asked


@given(FOLDERS)
def test_the_root_itself_translates(path: bytes) -> None:
    path = posixpath.normpath(path)
    assert there_and_back(Translation([("/", "/mnt")]), path) == (b"/mnt" + path if path != b"/" else b"/mnt", path)
