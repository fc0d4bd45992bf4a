"""Which backups are kept: the rules, what they never touch, and what is removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qacache.errors import UsageError
from qacache.store.backup.checking import Contents
from qacache.store.backup.creation import create
from qacache.store.backup.folder import Backup, Folder
from qacache.store.backup.manifest import Manifest
from qacache.store.backup.pruning import DAMAGED, NEWEST, UNPROVEN, decide, prune
from qacache.store.backup.retention import Rules, kept_by
from tests.backups import all_in
from tests.fakes import FakeClock

NONE = Rules(0, 0, 0, 0)
MOMENTS = st.lists(st.integers(0, 800 * 86_400), max_size=40).map(
    lambda seconds: sorted((1000 * each for each in seconds), reverse=True)
)
RULES = st.builds(Rules, *[st.integers(0, 12)] * 4)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def moment(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def backup_of(created_ms: int, store_id: str = "s", **fields: Any) -> Backup:
    known = Manifest(1, "0" * 64, Contents(2, store_id, {}), "/q.db", "3.40.1", created_ms, created_ms)
    return Backup(f"/{store_id}-{created_ms}.db", created_ms, 1, known)._replace(**fields)


def kept(rules: Rules, *texts: str) -> list[str]:
    """The moments that are kept, of some, the newest first."""
    reasons = kept_by([ms(text) for text in texts], rules)
    return [text for text, names in zip(texts, reasons, strict=True) if names]


def test_the_last_ones_are_the_newest() -> None:
    assert kept(NONE._replace(last=2), "2027-01-03", "2027-01-02", "2027-01-01") == ["2027-01-03", "2027-01-02"]


def test_of_a_day_the_newest_is_kept_and_days_are_those_of_utc() -> None:
    texts = ("2027-01-02T00:00:00", "2027-01-01T23:59:59", "2027-01-01T00:00:00", "2026-12-31T12:00:00")
    assert kept(NONE._replace(daily=2), *texts) == [texts[0], texts[1]]
    assert kept(NONE._replace(daily=3), *texts) == [texts[0], texts[1], texts[3]]


def test_weeks_begin_on_mondays_and_may_span_two_years() -> None:
    # 28 December 2026 is a Monday
    texts = ("2027-01-04", "2027-01-03", "2027-01-01", "2026-12-28", "2026-12-27")
    assert kept(NONE._replace(weekly=3), *texts) == ["2027-01-04", "2027-01-03", "2026-12-27"]


def test_what_any_rule_keeps_is_kept_and_each_is_named() -> None:
    made_ms = [ms(text) for text in ("2027-02-02T12:00", "2027-02-02", "2027-02-01", "2027-01-31", "2027-01-01")]
    assert kept_by(made_ms, Rules(last=2, daily=3, weekly=1, monthly=2)) == [
        ("last", "daily", "weekly", "monthly"),
        ("last",),
        ("daily",),
        ("daily", "monthly"),
        (),
    ]


@given(made_ms=MOMENTS, rules=RULES)
def test_each_rule_keeps_the_newest_of_as_many_periods_as_it_may(made_ms: list[int], rules: Rules) -> None:
    def newest_of(period: Callable[[datetime], object], most: int) -> set[int]:
        newest: dict[object, int] = {}
        for position, each in enumerate(made_ms):
            newest.setdefault(period(moment(each)), position)
        return set(sorted(newest.values())[:most])

    expected = {
        "last": set(range(min(rules.last, len(made_ms)))),
        "daily": newest_of(lambda at: at.date(), rules.daily),
        "weekly": newest_of(lambda at: at.date() - timedelta(days=at.weekday()), rules.weekly),
        "monthly": newest_of(lambda at: at.strftime("%Y-%m"), rules.monthly),
    }
    reasons = kept_by(made_ms, rules)
    for rule, positions in expected.items():
        assert {position for position, names in enumerate(reasons) if rule in names} == positions


@given(made_ms=MOMENTS, rules=RULES)
def test_pruning_what_was_pruned_removes_no_more(made_ms: list[int], rules: Rules) -> None:
    backups = [backup_of(each) for each in dict.fromkeys(made_ms)]
    left = [backup for backup, reasons in decide(backups, rules) if reasons]
    assert all(reasons for _, reasons in decide(left, rules))


@given(made_ms=MOMENTS, rules=RULES, states=st.lists(st.sampled_from(["ok", "damaged", "unproven"]), min_size=40))
def test_the_newest_verified_one_and_all_doubtful_ones_stay(
    made_ms: list[int], rules: Rules, states: list[str]
) -> None:
    changes: dict[str, dict[str, Any]] = {"ok": {}, "damaged": {"problem": "x"}, "unproven": {"manifest": None}}
    backups = [backup_of(each, **changes[state]) for each, state in zip(dict.fromkeys(made_ms), states, strict=False)]
    decisions = decide(backups, rules)
    assert [backup for backup, _ in decisions] == backups
    verified = [(backup, reasons) for backup, reasons in decisions if backup.is_verified]
    assert all(NEWEST in reasons for _, reasons in verified[:1])
    assert not any(NEWEST in reasons for _, reasons in verified[1:])
    assert all(reasons in ((DAMAGED,), (UNPROVEN,)) for backup, reasons in decisions if not backup.is_verified)
    alone = [backup for backup in backups if backup.is_verified]
    assert verified == [(backup, reasons) for backup, reasons in decide(alone, rules)]


@given(made_ms=MOMENTS, rules=RULES, split=st.integers(0, 40))
def test_backups_of_different_stores_do_not_count_against_each_other(
    made_ms: list[int], rules: Rules, split: int
) -> None:
    backups = [backup_of(each, "ab"[position % 2]) for position, each in enumerate(made_ms)]
    together = decide(backups, rules)
    for store_id in "ab":
        alone = [backup for backup in backups if backup.path.startswith(f"/{store_id}")]
        assert [each for each in together if each.backup.path.startswith(f"/{store_id}")] == decide(alone, rules)


@pytest.fixture
def backups(store_path: str, clock: FakeClock) -> Folder:
    """A folder with a backup of each of ten days."""
    folder = Folder.of(store_path, hang_s=30)
    for _ in range(10):
        create(store_path, folder, clock=clock.time)
        clock.advance(86_400)
    return folder


def test_what_no_rule_keeps_is_removed_with_its_manifest(backups: Folder) -> None:
    before = backups.backups()
    decisions = prune(backups, NONE._replace(last=2, daily=4))
    assert [bool(reasons) for _, reasons in decisions] == [True] * 4 + [False] * 6
    assert backups.backups() == before[:4]
    assert len(all_in(backups.path)) == 8


def test_a_dry_run_says_the_same_and_removes_nothing(backups: Folder) -> None:
    rules = NONE._replace(weekly=1)
    before = all_in(backups.path)
    told = prune(backups, rules, dry_run=True)
    assert all_in(backups.path) == before
    assert prune(backups, rules) == told
    assert len(backups.backups()) == 1


def test_a_newest_backup_that_is_damaged_saves_the_one_before(backups: Folder) -> None:
    newest, before, *_ = backups.backups()
    os.truncate(newest.path, 100)
    decisions = prune(backups, NONE._replace(monthly=1))
    assert [reasons for _, reasons in decisions][:2] == [(DAMAGED,), (NEWEST, "monthly")]
    assert [backup.path for backup in backups.backups()] == [newest.path, before.path]


def test_without_any_rule_nothing_is_removed(backups: Folder) -> None:
    with pytest.raises(UsageError, match="no rule"):
        prune(backups, NONE)
    assert len(backups.backups()) == 10


def test_what_another_process_prunes_at_the_same_time_is_no_obstacle(
    backups: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Folder.backups

    def be_overtaken(folder: Folder) -> list[Backup]:
        found = look(folder)
        monkeypatch.setattr(Folder, "backups", look)
        prune(folder, NONE._replace(last=3))
        return found

    monkeypatch.setattr(Folder, "backups", be_overtaken)
    prune(backups, NONE._replace(last=2))
    assert len(look(backups)) == 2
