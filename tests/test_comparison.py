"""Reading files side by side: which are equal, and how little has to be read for that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from qacache.duplicates import comparison
from qacache.duplicates.comparison import compare
from qacache.store.proofs import Prints

CHUNK = 4


class Shelf:
    """Files by name, and how many bytes were read of each; those in `broken` fail at that offset."""

    def __init__(self, broken: dict[str, int] | None = None, **contents: bytes) -> None:
        self.contents = contents
        self.broken = broken or {}
        # of those who hang: what they hang on is written all the same, whenever it ends
        self.hanging: list[bytearray] = []
        self.read_bytes: Counter[str] = Counter()
        self.order: list[str] = []

    def read(self, name: str, buffer: bytearray, offset: int) -> bool:
        if self.broken.get(name) == offset:
            self.broken[name] = -1
            self.hanging.append(buffer)
            return False
        assert self.broken.get(name) != -1, "it was to be left alone"
        data = self.contents[name][offset : offset + len(buffer)]
        buffer[:] = data
        assert len(data) == len(buffer)
        self.read_bytes[name] += len(data)
        self.order.append(name)
        for other in self.hanging:
            other[:] = b"!" * len(other)
        return True

    def compare(self, *, to_the_end: bool = False) -> dict[str, Prints]:
        size = len(next(iter(self.contents.values())))
        return compare(list(self.contents), size, self.read, to_the_end=to_the_end)


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(comparison, "CHUNK_BYTES", CHUNK)
        yield


def test_equal_files_have_the_same_print_of_all_bytes() -> None:
    shelf = Shelf(a=b"0123456789", b=b"0123456789", c=b"0123456789")
    whole = {10: xxhash.xxh3_128_digest(b"0123456789")}
    assert shelf.compare() == {"a": whole, "b": whole, "c": whole}


def test_files_are_read_side_by_side() -> None:
    shelf = Shelf(a=b"01234567", b=b"01234567")
    shelf.compare()
    assert shelf.order == ["a", "b", "a", "b"]


def test_nothing_is_read_beyond_the_first_difference() -> None:
    shelf = Shelf(a=b"01234567 and more", b=b"01234x67 and more")
    prints = shelf.compare()
    assert shelf.read_bytes == {"a": 8, "b": 8}
    assert prints == {"a": {8: xxhash.xxh3_128_digest(b"01234567")}, "b": {8: xxhash.xxh3_128_digest(b"01234x67")}}


def test_those_that_are_still_equal_are_read_on() -> None:
    shelf = Shelf(a=b"0123456789", b=b"0123x56789", c=b"0123456789", d=b"x123456789")
    prints = shelf.compare()
    assert shelf.read_bytes == {"a": 10, "b": 8, "c": 10, "d": 4}
    # where files parted, each has a print: in other company it still tells them apart
    assert {name: sorted(each) for name, each in prints.items()} == {
        "a": [4, 8, 10],
        "b": [4, 8],
        "c": [4, 8, 10],
        "d": [4],
    }
    assert prints["a"] == prints["c"]
    assert len({prints[name][4] for name in "abc"}) == 1
    assert prints["b"][8] != prints["a"][8]


def test_a_file_alone_is_not_read() -> None:
    shelf = Shelf(a=b"0123456789")
    assert shelf.compare() == {"a": {}}
    assert shelf.read_bytes == {}


def test_a_file_alone_is_read_to_the_end_where_that_is_wanted() -> None:
    shelf = Shelf(a=b"0123456789", b=b"0123x56789")
    prints = shelf.compare(to_the_end=True)
    assert shelf.read_bytes == {"a": 10, "b": 10}
    assert prints["a"][10] == xxhash.xxh3_128_digest(b"0123456789")
    assert prints["b"][10] == xxhash.xxh3_128_digest(b"0123x56789")


@pytest.mark.parametrize("offset", [0, 4, 8])
def test_a_file_that_cannot_be_read_has_no_say(offset: int) -> None:
    shelf = Shelf({"b": offset}, a=b"0123456789", b=b"0123456789", c=b"0123456789")
    prints = shelf.compare()
    assert prints["b"] == {}
    assert prints["a"] == prints["c"] == {10: xxhash.xxh3_128_digest(b"0123456789")}


def test_where_none_can_be_read_nothing_is_known() -> None:
    shelf = Shelf({"a": 4, "b": 4}, a=b"0123456789", b=b"0123456789")
    assert shelf.compare() == {"a": {}, "b": {}}


def test_who_is_left_alone_is_not_read_on() -> None:
    shelf = Shelf({"a": 4}, a=b"0123456789", b=b"0123456789")
    assert shelf.compare() == {"a": {}, "b": {}}
    assert shelf.read_bytes["b"] == 8


contents = st.lists(st.lists(st.sampled_from([b"0000", b"0001", b"2"]), min_size=3, max_size=3), min_size=1, max_size=9)


@given(contents=contents, to_the_end=st.booleans())
def test_prints_tell_what_a_comparison_of_all_bytes_does(contents: list[list[bytes]], to_the_end: bool) -> None:
    longest = max(len(b"".join(parts)) for parts in contents)
    files = {f"{number}": b"".join(parts).ljust(longest, b"x") for number, parts in enumerate(contents)}
    shelf = Shelf(**files)
    prints = shelf.compare(to_the_end=to_the_end)
    for one, content in files.items():
        for length, print_ in prints[one].items():
            assert print_ == xxhash.xxh3_128_digest(content[:length])
        for other, other_content in files.items():
            if one != other:
                common = prints[one].keys() & prints[other].keys()
                # of any two it is known
                assert common
                assert all(prints[one][each] == prints[other][each] for each in common) == (content == other_content)
                assert (longest in common) >= (content == other_content)
        assert shelf.read_bytes[one] <= longest
