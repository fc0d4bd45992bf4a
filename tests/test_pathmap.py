"""The names of files on another machine: prefixes are whole components, and the longest wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.errors import UsageError
from qacache.pathmap import PathMap, parse_pairs

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
