"""Statistics: how much there is of what, against the same counted one by one."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qacache.errors import StoreMissing
from qacache.events import Event, Failed, Probed, Vanished
from qacache.models import Failure, RootIdentity
from qacache.resolution import resolution_of
from qacache.store import stats
from qacache.store.session import Store
from qacache.store.stats import FACETS, Amount, Statistics, statistics, statistics_dict
from tests.rows import digest_of, failed, probe_of, probed, stat_of

Write = Callable[..., None]


def video(path: bytes, size: int = 100, duration_s: float | None = 10.0, **media: Any) -> Probed:
    """A file of that size, whose probe went well: a landscape H.264 in 1080p, unless `media` says more."""
    usual = {"display_width": 1920, "display_height": 1080, "orientation": "landscape", "hdr": "sdr"}
    probe = probe_of("a", duration_s=duration_s, **(usual | media))
    return Probed(stat_of(path, size=size), digest_of("a"), probe)


def end_root(store: Store, *roots: bytes) -> None:
    for root in roots:
        store.writer.end_root(root, RootIdentity(root), file_count=1, scanned_ms=1, unlisted=[])


def test_an_empty_store_has_nothing(store: Store) -> None:
    nothing = Amount(0, 0, 0.0)
    assert statistics(store.path) == Statistics(
        nothing, nothing, nothing, roots={}, facets={facet: {} for facet in FACETS}, failures={}, unknown=[]
    )


def test_files_bytes_and_seconds_are_added_up(store: Store) -> None:
    store.writer.write([video(b"/v/a.mp4", 100, 10.5), video(b"/v/b.mp4", 50, 0.25), video(b"/v/c.mp4", 7, None)])
    found = statistics(store.path)
    assert found.total == found.ok == Amount(3, 157, 10.75)
    assert found.facets["video_codec"] == {"h264": Amount(3, 157, 10.75)}


def test_sizes_that_no_disk_holds_are_no_error(store: Store) -> None:
    store.writer.write([*(video(b"/v/%d.mp4" % number, 1 << 62) for number in range(4)), failed(b"/x", size=1 << 62)])
    assert statistics(store.path).total.files == 5


def test_what_failed_or_vanished_is_told_apart(store: Store) -> None:
    denied = Failed(b"/v/d.mp4", Failure("digest", "permission-denied", "no"), stat_of(b"/v/d.mp4", size=5))
    store.writer.write([video(b"/v/a.mp4"), video(b"/v/gone.mp4", 11), failed(b"/v/broken.mp4", size=1000), denied])
    store.writer.write([Vanished(b"/v/gone.mp4")])

    found = statistics(store.path)

    assert found.total == Amount(3, 1105, 10.0)
    assert found.ok == Amount(1, 100, 10.0)
    assert found.vanished == Amount(1, 11, 10.0)
    assert found.roots == {None: found.total}
    assert list(found.failures.items()) == [
        ("invalid-data", Amount(1, 1000)),
        ("permission-denied", Amount(1, 5)),
    ]
    assert sum(amount.files for amount in found.facets["hdr"].values()) == 1


def test_files_are_told_apart_by_what_is_in_them(store: Store) -> None:
    store.writer.write(
        [
            video(b"/v/a.mp4", 500, video_codec="hevc", hdr="hdr10", display_width=3840, display_height=1600),
            video(b"/v/b.mp4", 900, display_width=1080, display_height=1920, orientation="portrait"),
            video(b"/v/c.mp4", 400, format_name="avi", video_codec="mpeg4", display_width=640, display_height=480),
            video(b"/v/song.mp4", 1, **dict.fromkeys(("video_codec", "display_width", "orientation", "hdr"))),
        ]
    )

    facets = statistics(store.path).facets

    # what takes most room comes first, but of resolutions the largest one
    assert list(facets["video_codec"]) == ["h264", "hevc", "mpeg4", None]
    assert list(facets["resolution"]) == ["2160p", "1080p", "480p", None]
    assert facets["orientation"] == {
        "portrait": Amount(1, 900, 10.0),
        "landscape": Amount(2, 900, 20.0),
        None: Amount(1, 1, 10.0),
    }
    assert facets["hdr"] == {"sdr": Amount(2, 1300, 20.0), "hdr10": Amount(1, 500, 10.0), None: Amount(1, 1, 10.0)}
    assert facets["format_name"] == {"matroska,webm": Amount(3, 1401, 30.0), "avi": Amount(1, 400, 10.0)}


def test_each_file_counts_for_the_innermost_root_that_holds_it(store: Store) -> None:
    store.writer.write(
        [
            video(b"/a/1.mp4", 1),
            video(b"/a/in/2.mp4", 10),
            video(b"/a/in/side/3.mp4", 100),
            video(b"/a/inner.mp4", 1000),
            video(b"/b.mp4", 10_000),
        ]
    )
    end_root(store, b"/a", b"/a/in", b"/empty")

    found = statistics(store.path)

    sizes = {root: amount.size for root, amount in found.roots.items()}
    assert list(sizes.items()) == [(None, 10_000), (b"/a", 1001), (b"/a/in", 110)]


def test_a_root_at_the_top_holds_everything(store: Store) -> None:
    store.writer.write([video(b"/a.mp4"), video(b"/\xff.mp4")])
    end_root(store, b"/")
    assert statistics(store.path).roots == {b"/": Amount(2, 200, 20.0)}


def test_folders_and_files_are_counted_once_however_often_they_are_named(store: Store) -> None:
    store.writer.write(
        [video(b"/a/1.mp4", 1), video(b"/a/in/2.mp4", 10), video(b"/a-b/3.mp4", 100), failed(b"/a/in/x.mp4", size=5)]
    )
    end_root(store, b"/a/in")

    found = statistics(store.path, [b"/a", b"/a/in", b"/a/in/2.mp4", b"/a"])

    assert found.total.size == 16
    assert {root: amount.size for root, amount in found.roots.items()} == {b"/a/in": 15, None: 1}
    assert found.failures == {"invalid-data": Amount(1, 5)}
    assert statistics(store.path, [b"/a/in/2.mp4"]).total == Amount(1, 10, 10.0)


def test_folders_that_the_store_knows_nothing_of_are_told(store: Store) -> None:
    store.writer.write([video(b"/a/1.mp4")])
    found = statistics(store.path, [b"/a", b"/a/none", b"/b"])
    assert (found.total.files, found.unknown) == (1, [b"/a/none", b"/b"])
    assert statistics(store.path, [b"/b"]).total == Amount()


def test_folders_are_known_by_other_names(store: Store, tmp_path: Path) -> None:
    stored = unicodedata.normalize("NFD", "/v/Café/très/1.mp4").encode()
    store.writer.write([video(stored), video(b"/v/other.mp4"), video(b"/link/2.mp4", 7)])
    store.writer.end_root(b"/link", RootIdentity(b"/real"), file_count=1, scanned_ms=1, unlisted=[])

    for name in ("/v/Café", "/v/Café/très", "/v/Café/très/1.mp4"):
        assert statistics(store.path, [name.encode()]).total == Amount(1, 100, 10.0)
    assert statistics(store.path, [b"/real"]).roots == {b"/link": Amount(1, 7, 10.0)}


def test_without_a_store_there_are_no_statistics(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing):
        statistics(str(tmp_path / "none.db"))


def test_programs_get_one_object(store: Store) -> None:
    store.writer.write([video(b"/a/\xff.mp4", 3, 1.23456), failed(b"/b.mp4", size=4)])
    end_root(store, b"/a")
    told = statistics_dict(statistics(store.path))
    assert told["total"] == {"files": 2, "size": 7, "duration_s": 1.235}
    assert told["root"] == [
        {"path": None, "files": 1, "size": 4, "duration_s": 0.0},
        {"path": "/a", "files": 1, "size": 3, "duration_s": 1.235},
    ]
    assert told["resolution"] == [{"name": "1080p", "files": 1, "size": 3, "duration_s": 1.235}]
    assert told["failure"] == [{"name": "invalid-data", "files": 1, "size": 4, "duration_s": 0.0}]
    assert list(told) == ["total", "ok", "vanished", "root", *FACETS, "failure"]


# counted by pages, as if one by one

PATHS = st.sampled_from([b"/a/%d.mp4", b"/a/b/%d.mp4", b"/a/b/c/%d.mkv", b"/ab/%d.mp4", b"/z%d.mp4"])
MEDIA = st.fixed_dictionaries(
    {
        "video_codec": st.sampled_from(["h264", "hevc", None]),
        "display_width": st.sampled_from([None, 640, 1920, 3840]),
        "display_height": st.sampled_from([480, 1080, 2160]),
        "orientation": st.sampled_from(["landscape", "portrait", None]),
        "hdr": st.sampled_from(["sdr", "hlg", None]),
        "format_name": st.sampled_from(["avi", "matroska,webm"]),
    }
)
SIZES, LENGTHS = st.integers(0, 1 << 40), st.none() | st.integers(0, 10_000).map(float)
FILES = st.lists(st.tuples(PATHS, SIZES, LENGTHS, MEDIA, st.sampled_from(["ok", "failed", "vanished"])), max_size=25)


@given(files=FILES, page=st.integers(1, 8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_statistics_are_what_counting_one_by_one_gives(
    store: Store, monkeypatch: pytest.MonkeyPatch, files: list[Any], page: int
) -> None:
    monkeypatch.setattr(stats, "_PAGE", page)
    clear(store)
    events: list[Event] = []
    for number, (pattern, size, duration_s, media, status) in enumerate(files):
        path = pattern % number
        events.append(failed(path, size=size) if status == "failed" else video(path, size, duration_s, **media))
        if status == "vanished":
            events.append(Vanished(path))
    store.writer.write(events)
    end_root(store, b"/a", b"/a/b")

    found = statistics(store.path)
    assert statistics(store.path, [b"/"])._replace(unknown=[]) == found
    assert {
        ("ok", found.ok),
        ("vanished", found.vanished),
        *(("root", root, amount) for root, amount in found.roots.items()),
        *((facet, value, amount) for facet in FACETS for value, amount in found.facets[facet].items()),
        *(("failure", reason, amount) for reason, amount in found.failures.items()),
    } == one_by_one(files)


def one_by_one(files: list[Any]) -> set[Any]:
    counted: dict[tuple[Any, ...], Amount] = defaultdict(Amount, {("ok",): Amount(), ("vanished",): Amount()})
    for pattern, size, duration_s, media, status in files:
        amount = Amount(1, size, 0.0 if status == "failed" else duration_s or 0.0)
        keys: list[tuple[Any, ...]] = [] if status == "failed" else [(status,)]
        if status != "vanished":
            folder = pattern.rpartition(b"/")[0]
            root = b"/a/b" if folder.startswith(b"/a/b") else b"/a" if folder == b"/a" else None
            keys.append(("root", root))
        if status == "failed":
            keys.append(("failure", "invalid-data"))
        if status == "ok":
            keys += [(facet, media[facet]) for facet in FACETS if facet != "resolution"]
            keys.append(("resolution", resolution_of(media["display_width"], media["display_height"])))
        for key in keys:
            counted[key] = counted[key].plus(amount)
    return {(*key, amount) for key, amount in counted.items()}


def clear(store: Store) -> None:
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("DELETE FROM file")


def test_no_page_reads_more_than_it_must(store: Store) -> None:
    store.writer.write([probed(b"/a.mp4"), failed(b"/b.mp4")])
    with closing(sqlite3.connect(store.path)) as connection:
        for query, index in ((stats._COUNT_PAGE, "file_walk"), (stats._COUNT_FAILURES, "file_not_ok")):
            steps = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {query}", (b"/", b"0", 9))]
            assert [step for step in steps if step.startswith("SEARCH") and index in step], steps
            assert [step for step in steps if step.startswith("SCAN") and "page" not in step] == [], steps
