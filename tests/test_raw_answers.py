"""What probers said, packed and unpacked."""

from __future__ import annotations

import hashlib
import json
import zlib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.store.raw_answers import pack, unpack

ANSWER = json.dumps(
    {
        "streams": [{"index": 0, "codec_name": "h264", "codec_type": "video", "avg_frame_rate": "25/1"}],
        "format": {"nb_streams": 1, "format_name": "matroska,webm", "duration": "1.500000", "size": "1234"},
    },
    separators=(",", ":"),
)


@given(st.text())
def test_what_was_packed_is_unpacked(text: str) -> None:
    text = text.encode(errors="replace").decode()
    assert unpack(pack(text)) == text


def test_answers_that_were_packed_without_a_dictionary_are_read() -> None:
    assert unpack(zlib.compress(ANSWER.encode())) == ANSWER


def test_the_dictionary_halves_what_an_answer_takes() -> None:
    assert len(pack(ANSWER)) < len(zlib.compress(ANSWER.encode())) / 2


@pytest.mark.parametrize("damaged", [b"", b"no zlib", pack(ANSWER)[:-5], pack(ANSWER)[:20]])
def test_what_is_damaged_is_refused(damaged: bytes) -> None:
    with pytest.raises(zlib.error):
        unpack(damaged)


def test_what_never_ends_is_refused() -> None:
    with pytest.raises(zlib.error, match="or never"):
        unpack(zlib.compress(bytes(65 << 20)))


def test_the_dictionary_is_never_edited() -> None:
    # answers in stores can only be read with the very same bytes
    text = resources.files("qacache.store").joinpath("raw_answers_1.txt").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "7c0866807cce074ca8529aac61876110b9f730d5d2fb431232d438f900761709"
