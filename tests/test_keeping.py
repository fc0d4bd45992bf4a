"""Which copy stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.duplicates.groups import Copy, Group
from qacache.duplicates.keeping import Keeper, Rule

OLD = Copy([b"/v/b/old.mp4"], mtime_ns=1)
LINKED = Copy([b"/v/c/a rather long name.mp4", b"/x.mp4"], mtime_ns=2)
NEW = Copy([b"/w/new.mp4"], mtime_ns=3)
GROUP = Group(b"d", 10, [OLD, LINKED, NEW], is_verified=True)


@pytest.mark.parametrize(
    ("rule", "copy"),
    [
        (Rule.NEWEST, NEW),
        (Rule.OLDEST, OLD),
        (Rule.SHORTEST_PATH, LINKED),
        (Rule.LONGEST_PATH, LINKED),
        (Rule.FIRST_PATH, OLD),
    ],
)
def test_a_rule_keeps_one_copy(rule: Rule, copy: Copy) -> None:
    assert Keeper(rule).kept(GROUP) == [copy]


@pytest.mark.parametrize("rule", list(Rule))
def test_of_several_that_fit_the_first_path_stays_in_whatever_order_they_come(rule: Rule) -> None:
    first, second = Copy([b"/v/a.mp4"], 5), Copy([b"/v/b.mp4"], 5)
    for copies in ([first, second], [second, first]):
        assert Keeper(rule).kept(Group(b"d", 1, copies, is_verified=True)) == [first]


def test_all_that_is_in_a_folder_to_be_kept_stays() -> None:
    assert Keeper(Rule.NEWEST, [b"/v"]).kept(GROUP) == [OLD, LINKED]


def test_where_nothing_is_in_such_a_folder_the_rule_says_what_stays() -> None:
    assert Keeper(Rule.NEWEST, [b"/other", b"/v/b/old"]).kept(GROUP) == [NEW]


def test_one_name_in_such_a_folder_keeps_a_file_with_all_its_names() -> None:
    assert Keeper(Rule.OLDEST, [b"/"]).kept(GROUP) == [OLD, LINKED, NEW]
    assert Keeper(Rule.OLDEST, [b"/v/c"]).kept(GROUP) == [LINKED]
    assert Keeper(Rule.OLDEST, [b"/x.mp4", b"/w/new"]).kept(GROUP) == [LINKED]


paths = st.lists(st.binary(min_size=1, max_size=6).map(lambda name: b"/" + name), min_size=2, max_size=8, unique=True)


@given(paths=paths, rule=st.sampled_from(Rule), folders=st.lists(st.sampled_from([b"/", b"/a", b"/b"])), data=st.data())
def test_something_always_stays(paths: list[bytes], rule: Rule, folders: list[bytes], data: st.DataObject) -> None:
    copies = [Copy([path], data.draw(st.integers(0, 3))) for path in sorted(paths)]
    keeper, group = Keeper(rule, folders), Group(b"d", 1, copies, is_verified=True)
    kept = keeper.kept(group)
    assert kept
    assert sorted([*kept, *keeper.rest(group)]) == copies
