"""Between two records of one file, the rules decide the same whoever comes first, and nothing good is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qacache.exchange.merging import merged, replaced
from qacache.models import MediaInfo
from qacache.record import Entry, RecordedFailure
from tests.entries import packed, with_media

HOUR = 3_600_000
NOON = 1_800_000_000_000


def probed(title: str = "a", *, at: int = NOON, seen: int | None = None, **fields: Any) -> Entry:
    """A file that was probed at a time, and seen then or at another."""
    entry = Entry(
        path=b"/v/a.mp4",
        size=5,
        mtime_ns=6,
        digest="00" * 16,
        status="ok",
        first_seen_ms=NOON,
        last_seen_ms=at if seen is None else seen,
        probed_ms=at,
        prober="libav 8.1",
        parser_version=1,
        media=None,
        tags=None,
        streams=None,
        error=None,
    )
    return with_media(entry, MediaInfo(format_name="mp4", tags={"title": title}))._replace(**fields)


def failed(*, at: int, media: str | None = None, **fields: Any) -> Entry:
    error = RecordedFailure("probe", "invalid-data", "no", 1, at, at + HOUR, "libav 8.1")
    before = probed(media or "", at=NOON, seen=at)
    entry = before if media is not None else with_media(before, None)
    return entry._replace(status="failed", error=error, **fields)


def title(entry: Entry) -> str | None:
    return entry.tags and entry.tags.removeprefix('{"title":"').removesuffix('"}')


def test_of_one_state_the_newer_probe_counts() -> None:
    old, new = probed("old", at=NOON), probed("new", at=NOON + HOUR)
    assert merged(old, new) == new
    assert merged(new, old) == new


def test_the_newer_probe_counts_though_the_older_one_was_seen_later() -> None:
    old, new = probed("old", at=NOON, seen=NOON + 2 * HOUR), probed("new", at=NOON + HOUR)
    for result in (merged(old, new), merged(new, old)):
        assert (title(result), result.probed_ms, result.last_seen_ms) == ("new", NOON + HOUR, NOON + 2 * HOUR)


def test_of_two_states_the_one_seen_last_counts_whole() -> None:
    old = probed("old", at=NOON + HOUR)
    # a copy of what was probed long ago, in the place of another file
    new = probed("new", at=NOON, seen=NOON + 2 * HOUR, size=9, digest="11" * 16)
    assert merged(old, new) == new
    assert merged(new, old) == new


def test_other_content_is_another_state_though_size_and_mtime_are_the_same() -> None:
    old, new = probed("old", at=NOON + HOUR), probed("new", at=NOON, seen=NOON + 2 * HOUR, digest="11" * 16)
    assert title(merged(old, new)) == "new"


def test_a_file_was_first_seen_when_either_saw_it_first() -> None:
    old, new = probed(first_seen_ms=7), probed(at=NOON + HOUR)
    assert merged(old, new).first_seen_ms == merged(new, old).first_seen_ms == 7
    other = new._replace(size=9)
    assert merged(old, other).first_seen_ms == merged(other, old).first_seen_ms == 7


def test_who_saw_the_file_later_says_whether_it_is_there() -> None:
    there, gone = probed(seen=NOON + HOUR), probed(seen=NOON, status="vanished")
    assert merged(there, gone) == merged(gone, there) == there

    gone_later = probed(seen=NOON + 2 * HOUR, status="vanished")
    assert merged(there, gone_later) == merged(gone_later, there) == gone_later


def test_seen_at_the_same_time_and_vanished_is_vanished() -> None:
    there, gone = probed(), probed(status="vanished")
    assert merged(there, gone).status == merged(gone, there).status == "vanished"


def test_what_vanished_is_described_by_the_newer_probe_all_the_same() -> None:
    gone, there = probed("old", seen=NOON + 2 * HOUR, status="vanished"), probed("new", at=NOON + HOUR)
    for result in (merged(gone, there), merged(there, gone)):
        assert (result.status, title(result), result.last_seen_ms) == ("vanished", "new", NOON + 2 * HOUR)


def test_an_answer_outweighs_anothers_trouble_with_the_same_state() -> None:
    good, bad = probed(at=NOON), failed(at=NOON + HOUR)
    for result in (merged(good, bad), merged(bad, good)):
        assert (result.status, result.error, title(result)) == ("ok", None, "a")
        assert result.last_seen_ms == NOON + HOUR


def test_trouble_with_a_later_state_counts() -> None:
    good, bad = probed(at=NOON), failed(at=NOON + HOUR, size=9)
    assert merged(good, bad) == bad
    assert merged(bad, good) == bad


def test_of_two_failures_the_newer_counts_with_what_is_known_of_the_content() -> None:
    old, new = failed(at=NOON, media="known"), failed(at=NOON + HOUR)
    for result in (merged(old, new), merged(new, old)):
        assert result.error == new.error
        assert title(result) == "known"
        assert result.prober == "libav 8.1"


def test_what_adds_nothing_leaves_what_is_stored_as_it_is() -> None:
    stored = probed("stored")
    assert merged(stored, probed("other")) is not None
    assert merged(stored, probed("other")) == stored


def test_a_probe_without_tags_and_streams_takes_those_that_are_known() -> None:
    stored, sheet = probed("stored"), probed(at=NOON + HOUR, tags=None, streams=None, prober="libav 9")
    result = merged(stored, sheet)
    assert (result.prober, result.tags, result.streams) == ("libav 9", stored.tags, stored.streams)


def test_the_same_probe_is_completed_by_what_it_was_imported_without() -> None:
    whole = probed(streams='[{"index":0,"codec_type":"video"}]', raw=packed({"x": 1}))
    for less in (whole._replace(tags="{}", streams="[]", raw=None), whole._replace(raw=None)):
        assert merged(less, whole) == whole
        assert merged(whole, less) == whole


def test_a_raw_answer_goes_with_the_probe_that_it_was_the_answer_to() -> None:
    stored, newer = probed(raw=packed({"x": 1})), probed(at=NOON + HOUR)
    assert merged(stored, newer).raw is None


def test_to_replace_is_to_believe_the_other_whatever_is_stored() -> None:
    stored, other = probed("stored", at=NOON + HOUR, first_seen_ms=7), failed(at=NOON)
    assert replaced(stored, other) == other
    older = probed("older", size=9)
    assert replaced(stored, older) == older


def test_to_replace_by_a_sheet_keeps_the_tags_and_streams_of_the_same_state() -> None:
    stored, sheet = probed("stored", raw=packed({})), probed(at=NOON, tags=None, streams=None, status="vanished")
    assert replaced(stored, sheet) == replace_status(stored, "vanished")
    assert replaced(stored, sheet._replace(size=9)) == sheet._replace(size=9)


def replace_status(entry: Entry, status: str) -> Entry:
    return entry._replace(status=status)  # type: ignore[arg-type]


# of few values, so that many are equal
STATES = st.fixed_dictionaries(
    {
        "size": st.integers(0, 1),
        "mtime_ns": st.integers(0, 1),
        "digest": st.sampled_from([None, "00" * 16, "11" * 16]),
        "first_seen_ms": st.integers(0, 2),
        "last_seen_ms": st.integers(0, 3),
        "status": st.sampled_from(["here", "vanished"]),
    }
)


@st.composite
def some(draw: st.DrawFn) -> Entry:
    fields = draw(STATES)
    how = draw(st.sampled_from(["probed", "failed", "failed after a probe"]))
    entry = probed(draw(st.sampled_from("ab")), at=draw(st.integers(0, 3)))
    if how != "probed":
        before = entry if how == "failed after a probe" else with_media(entry, None)
        entry = before._replace(error=failed(at=draw(st.integers(0, 3))).error)
    if entry.media is not None:
        entry = entry._replace(raw=draw(st.sampled_from([None, packed({})])))
    if fields["status"] == "here":
        fields["status"] = "ok" if how == "probed" else "failed"
    # as all stores have it
    fields["last_seen_ms"] += 3
    return entry._replace(**fields)


PAIRS = st.tuples(some(), some())


@given(PAIRS)
def test_to_merge_again_changes_nothing(pair: tuple[Entry, Entry]) -> None:
    stored, other = pair
    once = merged(stored, other)
    assert merged(once, other) == once
    assert merged(once, stored) == once
    assert merged(stored, stored) == stored


@given(PAIRS)
def test_whoever_comes_first_the_same_is_believed(pair: tuple[Entry, Entry]) -> None:
    stored, other = pair
    here, there = merged(stored, other), merged(other, stored)
    assert (here.status, here.last_seen_ms, here.first_seen_ms) == (
        there.status,
        there.last_seen_ms,
        there.first_seen_ms,
    )
    assert (here.probed_ms, here.error and here.error.failed_ms) == (
        there.probed_ms,
        there.error and there.error.failed_ms,
    )


@given(PAIRS)
def test_what_is_believed_can_be_stored_and_exported_again(pair: tuple[Entry, Entry]) -> None:
    result = merged(*pair)
    assert (result.media is None) == (result.tags is None) == (result.streams is None) == (result.prober is None)
    if result.status == "ok":
        assert result.media is not None
        assert result.error is None
    if result.status == "failed":
        assert result.error is not None
