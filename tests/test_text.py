"""What is printed is safe to show, and programs get the exact values back."""

from __future__ import annotations

import json
import unicodedata
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.text import json_line, printable, tsv_line

PATHS = st.binary().filter(lambda path: b"\0" not in path)
TEXTS = st.text(st.characters(codec=None, exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=10,
)
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = ["\x1b]0;evil\x07", "\x9b31m", "\x9d0;evil\x9c", "\x08\x08", "\r", "\x7f", "\u2028", "\ufeff", "\ud83d"]


def is_safe(text: str) -> bool:
    """Whether a terminal shows `text` in one line, in its order, and does nothing else."""
    return not any(
        unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} or each in BIDI or each == "\ufeff" for each in text
    )


@given(TEXTS | PATHS)
def test_printable_text_is_safe(text: str | bytes) -> None:
    assert is_safe(printable(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_ordinary_text_is_printed_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"\x1b[31m.mp4", r"\x1b[31m.mp4"),
        (b"a\nb", r"a\x0ab"),
        (b"\xff.mp4", r"\xff.mp4"),
        ("\x9b\u202e".encode(), r"\x9b\u202e"),
        ("Überraschung".encode(), "Überraschung"),
    ],
)
def test_what_is_unsafe_is_shown_by_its_number(name: bytes, shown: str) -> None:
    assert printable(name) == shown


@given(st.lists(PATHS.filter(lambda path: path not in {b"", b"-"}), min_size=1, max_size=4))
def test_percent_decoding_gives_the_exact_bytes_back(paths: list[bytes]) -> None:
    line = tsv_line(paths)
    fields = line.removesuffix("\n").split("\t")
    assert [unquote_to_bytes(field.encode()) for field in fields] == paths
    assert all(is_safe(field) for field in fields)


@given(st.lists(TEXTS | PATHS | st.none() | st.integers() | st.floats(), min_size=1, max_size=5))
def test_a_line_has_a_field_for_each_value_and_none_is_empty(values: list[Any]) -> None:
    line = tsv_line(values)
    assert line.endswith("\n")
    fields = line.removesuffix("\n").split("\t")
    assert len(fields) == len(values)
    assert all(fields)


def test_nothing_is_a_dash() -> None:
    assert tsv_line([None, "", b"", 0, 0.0, "x"]) == "-\t-\t-\t0\t0.0\tx\n"


@given(JSON)
def test_json_gives_the_same_value_back_and_is_safe(value: Any) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert line.endswith("\n")
    assert is_safe(line[:-1])


@pytest.mark.parametrize("text", [*CONTROLS, *BIDI], ids=ascii)
def test_no_form_of_output_lets_an_escape_sequence_through(text: str) -> None:
    name = text.encode(errors="surrogatepass")
    for shown in (printable(text), printable(name), tsv_line([text]), tsv_line([name]), json_line({text: text})):
        assert is_safe(shown.removesuffix("\n"))
        assert text not in shown
