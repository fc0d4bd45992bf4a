"""Expressions of users: what they can ask, and that they can do nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from qacache.errors import SearchTimeout, StoreCorrupt, UsageError
from qacache.store.session import Store
from qacache.store.where import chosen_by
from tests.fakes import FakeClock
from tests.rows import failed, probed

ENDLESS = "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n)"


@pytest.fixture
def path(store: Store) -> str:
    """A store with two copies, another file, and one that failed: the rows 1 to 4."""
    store.writer.write([probed(b"/v/a.mp4", "a"), probed(b"/v/b.mp4", "a", inode=2), probed(b"/v/c's.mp4", "cc")])
    store.writer.write([failed(b"/v/broken.mp4", "d")])
    return store.path


def ask(path: str, expression: str, ids: tuple[int, ...] = (1, 2, 3, 4), limit: int | None = None) -> list[int]:
    return chosen_by(expression, ids, path, limit=limit, timeout_s=30.0)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("size > 1001", [3]),
        ("path LIKE '%/A.MP4' OR path = '/v/c''s.mp4'", [1, 3]),
        ("video_codec = 'h264' AND duration_s BETWEEN 1 AND 2", [1, 2, 3]),
        ("digest IN (SELECT digest FROM duplicates)", [1, 2]),
        ("id IN (SELECT id FROM failures WHERE reason = 'invalid-data')", [4]),
        ("EXISTS (SELECT 1 FROM json_each(streams) WHERE json_extract(value, '$.codec_name') = 'h264')", [1, 2, 3]),
        ("json_extract(tags, '$.title') = 'cc' -- a comment", [3]),
        ("upper(status) = 'FAILED'", [4]),
        ("size = (SELECT max(size) FROM videos)", [3]),
        ("(SELECT count(*) FROM scans) = 0", [1, 2, 3, 4]),
        ("modified > '2023' AND last_seen > '2023'", [1, 2, 3, 4]),
        ("NULL", []),
        ("id IN (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 2) SELECT x FROM n)", [1, 2]),
    ],
)
def test_it_can_ask_for_all_that_the_views_tell(path: str, expression: str, expected: list[int]) -> None:
    assert ask(path, expression) == expected


def test_it_can_read_every_column_of_every_view(path: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        views = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
    assert len(views) >= 5
    for view in views:
        assert ask(path, f"(SELECT count(*) FROM (SELECT DISTINCT * FROM {view})) >= 0") == [1, 2, 3, 4]


def test_answers_are_in_the_order_of_the_candidates_and_no_more_than_asked_for(path: str) -> None:
    assert ask(path, "status = 'ok'", (3, 4, 1, 2)) == [3, 1, 2]
    assert ask(path, "status = 'ok'", (3, 4, 1, 2), limit=2) == [3, 1]
    assert ask(path, "status = 'ok'", (4, 2), limit=2) == [2]


def test_many_candidates_are_asked_in_parts(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qacache.store.where._FIRST_PART", 1)
    assert ask(path, "status = 'ok'", (4, 3, 2, 1), limit=2) == [3, 2]
    assert ask(path, "status = 'ok'", (3, 2, 1), limit=1) == [3]
    assert ask(path, "status = 'no'", (3, 2, 1), limit=1) == []


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("DELETE FROM file", "syntax error"),
        ("1; DELETE FROM file", "syntax error"),
        ("1); DELETE FROM file WHERE (1", "one statement at a time"),
        ("1) ORDER BY 1; --", "one statement at a time|syntax error"),
        ("(DELETE FROM file RETURNING 1)", "syntax error"),
        ("ATTACH '/tmp/x.db' AS x", "syntax error"),
        ("PRAGMA user_version", "syntax error"),
        ("(SELECT user_version FROM pragma_user_version)", "not authorized|no such table"),
        ("(SELECT count(*) FROM sqlite_master)", "not authorized"),
        ("(SELECT sql FROM sqlite_master)", "prohibited|not authorized"),
        ("(SELECT json FROM raw_probe) IS NOT NULL", "raw_probe.json is prohibited"),
        ("EXISTS (WITH videos AS (SELECT json FROM raw_probe) SELECT * FROM videos)", "raw_probe.json is prohibited"),
        ("load_extension('evil')", "not authorized to use function|no such function"),
        ("length(zeroblob(1000000000))", "not authorized to use function"),
        ("length(randomblob(9))", "not authorized to use function"),
        ("fts5(1)", "not authorized to use function|no such function|unable to use"),
        ("", "syntax error"),
        ("   -- nothing", "syntax error"),
        ("1 /*", "incomplete input"),
        ("hello world", "no such column|syntax error"),
        ("size > ?", "bindings"),
        ("size > :least", "bindings"),
        ("size > \\0", "unrecognized token|null character"),
        ("size \0", "null character"),
        ("size > '\udcff'", "encode|surrogates"),
        ("abs(-9223372036854775807 - 1)", "overflow"),
        ("json_extract('{', '$')", "JSON"),
        ("max(size) > 1", "misuse of aggregate"),
        ("+".join(["1"] * 2000), "too large|depth|too deep"),
    ],
)
def test_anything_else_is_wrong_usage_and_changes_nothing(path: str, expression: str, message: str) -> None:
    before = Path(path).read_bytes()
    with pytest.raises(UsageError, match=message) as refused:
        ask(path, expression)
    assert str(refused.value).startswith("--where: ")
    assert refused.value.hint
    assert Path(path).read_bytes() == before


def test_a_column_that_is_not_there_is_told_with_the_nearest(path: str) -> None:
    with pytest.raises(UsageError, match="no such column: durations") as refused:
        ask(path, "durations > 5")
    assert refused.value.hint == "did you mean duration_s?"


def test_texts_that_grow_without_end_are_stopped(path: str) -> None:
    assert ask(path, "length(printf('%.*c', 100000, 'x')) = 100000") == [1, 2, 3, 4]
    with pytest.raises(UsageError, match="too big"):
        ask(path, "length(replace(printf('%.*c', 100000, 'x'), 'x', 'yyyyyyyyyyyyyyyyyyyy')) > 1")


@pytest.mark.parametrize("expression", [f"size IN {ENDLESS}", f"(SELECT max(x) FROM {ENDLESS}) > 1"])
def test_what_does_not_end_is_stopped_when_its_time_is_up(path: str, expression: str) -> None:
    clock = FakeClock(step_s=0.5)
    with pytest.raises(SearchTimeout, match=r"--where took longer than 9.5 s") as stopped:
        chosen_by(expression, [1], path, limit=None, timeout_s=9.5, monotonic=clock.monotonic)
    assert "--where-timeout" in (stopped.value.hint or "")


def test_a_store_that_is_damaged_is_not_the_fault_of_the_expression(path: str, store: Store) -> None:
    store.writer.__exit__()
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'media'").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with open(path, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(StoreCorrupt):
        ask(path, "video_codec = 'h264'")
