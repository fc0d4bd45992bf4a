"""Raw answers: what probers said, packed for the store.

In: the JSON text of an answer. Out: it in zlib's format, of which answers like those in `raw_answers_1.txt` take the
least room: a tenth of the text, where zlib by itself takes a third. That file is part of the format, and never edited.
Each packed answer holds the checksum of the dictionary it needs, or none if it needs none (RFC 1950, section 2.2), so
that another dictionary can come beside this one, and what older stores hold stays readable.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib import resources

# a higher level takes twice the time for a fiftieth of the room
_LEVEL = 6
_MOST_WINDOW = 15
# what the largest answer of a prober comes to
_MOST_BYTES = 64 << 20


def pack(text: str) -> bytes:
    """Return `text` packed."""
    # a copy, with the dictionary read already, takes half the time of a new one
    packing = _packing().copy()
    return packing.compress(text.encode()) + packing.flush()


def unpack(packed: bytes) -> str:
    """Return the text that was packed, by this or any earlier version.

    Raises `zlib.error` or `ValueError` where it is damaged, or longer than what a prober says.
    """
    unpacking = zlib.decompressobj(zdict=_dictionary())
    text = unpacking.decompress(packed, _MOST_BYTES)
    if not unpacking.eof:
        raise zlib.error("a packed answer ends early, or never")
    return text.decode()


@cache
def _packing() -> zlib._Compress:
    return zlib.compressobj(_LEVEL, zlib.DEFLATED, _MOST_WINDOW, zdict=_dictionary())


@cache
def _dictionary() -> bytes:
    return resources.files("qacache.store").joinpath("raw_answers_1.txt").read_bytes()
