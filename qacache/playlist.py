"""Playlists in M3U, for mpv, VLC and others: paths come in, lines as bytes go out.

A line is an absolute path as it is, whatever its encoding. What a line cannot hold (line breaks and other control
characters, a space at the end, which players cut off) is a `file://` URL, which they understand as well.
"""

from __future__ import annotations

import os
import re
from urllib.parse import quote_from_bytes

HEADER = b"#EXTM3U\n"
"""The first line."""

_UNFIT = re.compile(rb"[\x00-\x1f\x7f]|\s\Z")


def entry(path: bytes, duration_s: float | None) -> bytes:
    """Return the two lines of the file `path`, which is absolute: seconds and name, and where it is."""
    title = os.path.basename(path).decode(errors="replace")
    shown = "".join(letter if letter.isprintable() else " " for letter in title)
    place = b"file://" + quote_from_bytes(path).encode() if _UNFIT.search(path) else path
    return f"#EXTINF:{-1 if duration_s is None else round(duration_s)},{shown}\n".encode() + place + b"\n"
