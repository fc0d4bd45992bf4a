"""Playlists: that a player finds every file, whatever it is called."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.playlist import HEADER, entry

NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: not set(name) & set(b"\0/"))


def played(playlist: bytes) -> list[bytes]:
    """The paths that a player makes of it: it cuts off white space, and passes over comments and empty lines."""
    lines = [line.strip(b" \n\t\v\f\r") for line in playlist.split(b"\n")]
    entries = [line for line in lines if line and not line.startswith(b"#")]
    return [unquote_to_bytes(each[7:]) if each.startswith(b"file://") else each for each in entries]


@given(st.lists(NAMES))
def test_a_player_finds_each_file_and_nothing_else(names: list[bytes]) -> None:
    paths = [b"/videos/" + name for name in names]
    assert played(HEADER + b"".join(entry(path, 1.0) for path in paths)) == paths


@given(NAMES)
def test_an_entry_has_two_lines(name: bytes) -> None:
    assert entry(b"/" + name, None).count(b"\n") == 2


@pytest.mark.parametrize(
    ("path", "duration_s", "expected"),
    [
        (b"/v/a b.mp4", 61.5, b"#EXTINF:62,a b.mp4\n/v/a b.mp4\n"),
        (b"/v/#1.mp4", None, b"#EXTINF:-1,#1.mp4\n/v/#1.mp4\n"),
        (b"/v/100%25.mp4", 0.2, b"#EXTINF:0,100%25.mp4\n/v/100%25.mp4\n"),
        (b"/v/caf\xe9.mp4", 1.0, "#EXTINF:1,caf\N{REPLACEMENT CHARACTER}.mp4\n".encode() + b"/v/caf\xe9.mp4\n"),
        (b"/v/two\nlines%.mp4", 1.0, b"#EXTINF:1,two lines%.mp4\nfile:///v/two%0Alines%25.mp4\n"),
        (b"/v/end ", 1.0, b"#EXTINF:1,end \nfile:///v/end%20\n"),
        (b"/v/cr\r", 1.0, b"#EXTINF:1,cr \nfile:///v/cr%0D\n"),
        (b"/v/http://x/y.mp4", 1.0, b"#EXTINF:1,y.mp4\n/v/http://x/y.mp4\n"),
    ],
)
def test_a_path_is_written_as_it_is_where_a_line_can_hold_it(
    path: bytes, duration_s: float | None, expected: bytes
) -> None:
    assert entry(path, duration_s) == expected
