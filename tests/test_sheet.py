"""Lines of CSV: that spreadsheets take nothing for a formula, and readers get the texts back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.sheet import sheet_line, unguarded


def cells(line: str) -> list[str]:
    (row,) = csv.reader(io.StringIO(line, newline=""))
    return row


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2))
def test_texts_can_be_read_back(texts: list[str]) -> None:
    assert [unguarded(cell) for cell in cells(sheet_line(texts))] == texts


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_no_cell_begins_like_a_formula(text: str) -> None:
    cell, _ = cells(sheet_line([text, ""]))
    assert cell[0] not in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1", "\uff1d1"])
def test_what_might_be_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    assert cells(sheet_line([text, "x"])) == [f"'{text}", "x"]


def test_numbers_and_nothing_are_as_they_are() -> None:
    assert sheet_line([-1, 2.5, None, 0]) == "-1,2.5,,0\r\n"


def test_an_empty_text_is_not_nothing() -> None:
    assert sheet_line(["", None, ""]) == "',,'\r\n"


def test_bytes_are_text() -> None:
    assert cells(sheet_line([b"=caf\xc3\xa9 \xff", "x"])) == ["'=café \N{REPLACEMENT CHARACTER}", "x"]
