"""Listings over HTTP: criteria, orders, pages that put together are the whole, and exports."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from qacache.record import Record, path_from_fields
from qacache.selection_text import parse_selection
from qacache.serve.api.files import SORT
from qacache.serve.api.parameters import CRITERIA
from qacache.store import migrations
from qacache.store.ordering import parse_sort
from qacache.store.retries import RetrySchedule
from qacache.store.search import Search
from qacache.store.writer import Writer
from tests.api_server import Reply, Site, serving
from tests.command import Command
from tests.rows import probed
from tests.shelves import fill, fits, records

FILES, TOP, EXPORT = "/api/v1/files", "/api/v1/top", "/api/v1/export"


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "qacache.db"
    migrations.create(str(path), 0.2)
    fill(str(path))
    return path


@pytest.fixture(scope="module")
def site(db: Path) -> Iterator[Site]:
    with serving(db) as site:
        yield site


@pytest.fixture(scope="module")
def all_records(db: Path) -> list[Record]:
    return list(records(str(db)).values())


def query(path: str, *pairs: tuple[str, object]) -> str:
    return f"{path}?{urlencode(pairs)}"


def paths(reply: Reply) -> list[bytes]:
    assert reply.status == 200
    return [path_from_fields(record) for record in reply.json["files"]]


CASES = [
    [("text", "holiday")],
    [("text", "holiday"), ("text", "beach")],
    [("text", "Ümläut")],
    [("name", "*.mkv")],
    [("name", "img_*"), ("name", "*.ts")],
    [("under", "/v/Films")],
    [("under", "/v/Films"), ("under", "/w")],
    [("under", "/w/Zürich")],
    [("status", "any")],
    [("status", "failed"), ("status", "vanished")],
    [("orientation", "portrait")],
    [("resolution", "1080p")],
    [("resolution", "4k"), ("resolution", "2160p")],
    [("min-width", 1900), ("max-width", 2000)],
    [("min-height", 1000), ("max-height", 1100)],
    [("codec", "hevc")],
    [("codec", "h265"), ("codec", "h264")],
    [("audio-codec", "aac")],
    [("container", "mkv")],
    [("hdr-format", "hdr10"), ("hdr-format", "hlg")],
    [("longer-than", "10m")],
    [("shorter-than", "1h30m")],
    [("bigger-than", "999")],
    [("smaller-than", "1M")],
    [("modified-since", "1970-02-01")],
    [("modified-before", "1970-02-01T00:00:00Z")],
    [("modified-since", "30d")],
]
ALIASES = {"h265": "hevc", "mkv": "matroska", "4k": "2160p"}


def test_every_criterion_is_among_the_cases() -> None:
    assert {name for case in CASES for name, _ in case} == {each.name for each in CRITERIA}


@pytest.mark.parametrize("case", CASES, ids=lambda case: urlencode(case))
def test_what_fits_is_listed_and_nothing_else(
    site: Site, all_records: list[Record], case: list[tuple[str, object]]
) -> None:
    given: dict[str, list[str]] = {}
    for name, value in case:
        given.setdefault(name, []).append(ALIASES.get(str(value), str(value)))
    folders = tuple(name.encode() for name in given.pop("under", ()))
    # the store has the folder in another Unicode form than it is asked for
    folders = tuple(name.replace("ü".encode(), "u\u0308".encode()) for name in folders)
    selection = parse_selection({"status": ["ok"]} | given, now_s=time.time())
    expected = sorted(
        record.path
        for record in all_records
        if fits(record, selection) and (not folders or any(record.path.startswith(folder + b"/") for folder in folders))
    )
    assert paths(site.get(query(FILES, *case, ("limit", 1000)))) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("min-width", "x"), ("min-width", "0"), ("min-width", "1e3"), ("min-width", "٣"), ("limit", "1001")),
        *(("longer-than", "soon"), ("bigger-than", "huge"), ("bigger-than", "-1"), ("modified-since", "2026-02-31")),
        *(("orientation", "upright"), ("status", "fine"), ("sort", "beauty"), ("sort", "random"), ("under", "films")),
        *(("text", ""), ("name", "a\0"), ("codec", b"\xff"), ("after", "?"), ("nmae", "x"), ("where", "1=1")),
    ],
)
def test_what_is_none_of_its_kind_is_refused_without_repeating_it(site: Site, name: str, value: str) -> None:
    for target in (FILES, EXPORT):
        reply = site.get(query(target, (name, value)))
        assert (reply.status, bool(reply.detail)) == (400, True)
        # a number may be part of what is allowed
        assert (
            str(value) in ("", "0") or json.dumps(value if isinstance(value, str) else "?") not in reply.body.decode()
        )
        assert "nmae" not in reply.body.decode()


def test_a_parameter_with_one_value_is_not_given_twice(site: Site) -> None:
    assert site.get(f"{FILES}?limit=1&limit=2").detail == "parameter limit is given more than once"


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31", "1000d", "2026", "2026-02"])
def test_moments_may_be_as_far_away_as_they_like(site: Site, moment: str) -> None:
    since, before = (
        site.get(query(FILES, (f"modified-{way}", moment), ("limit", 1000))) for way in ("since", "before")
    )
    assert len(paths(since)) + len(paths(before)) == len(paths(site.get(f"{FILES}?limit=1000")))


def test_what_no_file_can_fit_and_what_nobody_knows_is_an_empty_page(site: Site) -> None:
    for target in ("min-width=200&max-width=100", "under=/nowhere", "text=zzzzzz", "longer-than=2h&shorter-than=1h"):
        assert site.get(f"{FILES}?{target}").json == {"files": [], "next": None}


# pages


@pytest.mark.parametrize("sort", ["", *SORT.values])
def test_pages_put_together_are_the_whole_in_its_order(site: Site, db: Path, sort: str) -> None:
    with Search(str(db)) as search:
        order = parse_sort([sort] if sort else [])
        whole = [found.path for found in search.files(parse_selection({}, now_s=0), (), order=order)]
    gathered: list[bytes] = []
    pairs: list[tuple[str, object]] = [("status", "any"), ("limit", 37), *([("sort", sort)] if sort else [])]
    reply = site.get(query(FILES, *pairs))
    gathered += paths(reply)
    while (following := reply.json["next"]) is not None:
        reply = site.get(query(FILES, *pairs, ("after", following)))
        gathered += paths(reply)
    assert gathered == whole


def test_several_sort_keys_count_in_their_order(site: Site) -> None:
    files = site.get(f"{FILES}?sort=-size&sort=path&limit=1000").json["files"]
    assert files == sorted(files, key=lambda each: (-each["size"], path_from_fields(each)))


def test_forms_without_room_for_it_name_the_next_page_in_a_link(site: Site) -> None:
    target, gathered = f"{FILES}?text=%C3%BCml%C3%A4ut&limit=5&columns=path", 0
    while target:
        reply = site.get(target, Accept="text/tab-separated-values")
        gathered += len(reply.rows) - 1
        link = reply.fields.get("link", "")
        assert not link or link.endswith('>; rel="next"')
        target = link.removeprefix("<").partition(">")[0]
    assert gathered == len(paths(site.get(f"{FILES}?text=%C3%BCml%C3%A4ut&limit=1000"))) > 5


def cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "after",
    [
        *("AAAA", "x", "_", "-" * 100, cursor({}), cursor([]), cursor([1]), cursor(["a", 1, 2]), cursor([[], 1])),
        *(cursor([{"c": 1}, 1]), cursor([{"b": 7}, 1]), cursor([{"b": "ü"}, 1]), cursor([1 << 64, 1])),
        *(cursor(["\ud800", 1]), cursor([{"b": "!"}, 1])),
    ],
)
def test_a_cursor_that_is_none_leads_nowhere(site: Site, after: str) -> None:
    assert site.get(query(FILES, ("after", after))).status == 404


@pytest.mark.parametrize("after", [[None, None], ["x", "y"], [1, 2], [float("nan"), 1], [-1.5, -1], [True, 1]])
def test_a_cursor_that_somebody_made_up_does_no_harm(site: Site, after: object) -> None:
    for sort in ("path", "-size", "duration_s", "-error"):
        assert site.get(query(FILES, ("after", cursor(after)), ("sort", sort))).status == 200


def test_a_cursor_of_another_order_is_refused(site: Site) -> None:
    following = site.get(f"{FILES}?limit=1&sort=size&sort=path").json["next"]
    reply = site.get(query(FILES, ("after", following), ("sort", "size")))
    assert (reply.status, reply.detail) == (404, "parameter after is the `next` of a page in another order")


def test_top_lists_the_largest_that_fit(site: Site) -> None:
    largest = site.get(f"{TOP}?n=20&orientation=portrait").json["files"]
    everything = site.get(f"{FILES}?orientation=portrait&limit=1000").json["files"]
    assert [each["size"] for each in largest] == sorted((each["size"] for each in everything), reverse=True)[:20]
    assert {each["media"]["orientation"] for each in largest} == {"portrait"}


# exports


def test_an_export_is_what_import_takes(site: Site, qacache: Command, tmp_path: Path) -> None:
    reply = site.get(EXPORT)
    assert reply.fields["content-type"] == "application/x-ndjson"
    exported = tmp_path / "all.ndjson"
    exported.write_bytes(reply.body)
    assert qacache("import", exported).status == 0
    assert qacache("export").out.encode() == reply.body


def test_an_export_is_compressed_where_the_client_takes_that(site: Site) -> None:
    plain = site.get(EXPORT)
    for accepted in ("gzip", "br, GZIP;q=0.5", "*"):
        packed = site.get(EXPORT, Accept_Encoding=accepted)
        assert packed.fields["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == plain.body
        assert packed.fields["etag"] != plain.fields["etag"]
    for accepted in ("", "br", "gzip;q=0", "gzip; q=0.000, *"):
        assert "content-encoding" not in site.get(EXPORT, Accept_Encoding=accepted).fields


def test_an_export_for_spreadsheets_has_a_row_for_each_file(site: Site, all_records: list[Record]) -> None:
    reply = site.get(EXPORT, Accept="text/csv")
    assert reply.fields["content-type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(reply.body.decode(), newline=""))
    assert "path" in header
    assert len(rows) == len(all_records)
    assert site.get(EXPORT, Accept="application/json").status == 406


def test_what_was_sent_is_not_sent_again_until_something_changes(tmp_path: Path) -> None:
    db = tmp_path / "qacache.db"
    migrations.create(str(db), 0.2)
    with serving(db) as site, Writer(str(db), busy_timeout_s=5.0, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([probed(b"/v/a.mp4", "a")])
        etag = site.get(EXPORT).fields["etag"]
        for known in (etag, f'"other", {etag}', etag.removeprefix("W/"), "*"):
            reply = site.get(EXPORT, If_None_Match=known)
            assert (reply.status, reply.body, reply.fields["etag"]) == (304, b"", etag)
            assert "content-length" not in reply.fields
        assert site.get(f"{EXPORT}?status=ok", If_None_Match=etag).status == 200
        assert site.get(EXPORT, If_None_Match=etag, Accept="text/csv").status == 200
        writer.write([probed(b"/v/b.mp4", "b")])
        reply = site.get(EXPORT, If_None_Match=etag)
        assert (reply.status, len(reply.lines)) == (200, 2)


def test_what_was_sent_of_the_last_days_is_not_what_will_be_of_later_ones(site: Site) -> None:
    for moment, status in (("2020-01-31", 304), ("30d", 200)):
        target = f"{EXPORT}?modified-since={moment}"
        assert site.get(target, If_None_Match=site.get(target).fields["etag"]).status == status
    assert site.get(f"{EXPORT}?modified-since=2020-13-45", If_None_Match="*").status == 400


def test_criteria_choose_what_is_exported(site: Site) -> None:
    exported = site.get(f"{EXPORT}?codec=hevc&under={quote('/v/Films')}").lines
    assert exported
    assert {line["media"]["video_codec"] for line in exported} == {"hevc"}
    assert all(line["path"].startswith("/v/Films/") for line in exported)


def test_numbers_and_copies_of_the_store_are_told(site: Site, all_records: list[Record]) -> None:
    stats = site.get("/api/v1/stats").json
    assert stats["ok"]["files"] == sum(record.status == "ok" for record in all_records)
    below = site.get("/api/v1/stats?under=/v/Films").json
    assert 0 < below["total"]["files"] < stats["total"]["files"]
    assert site.get("/api/v1/stats?under=/nowhere").json["total"]["files"] == 0
    assert site.get("/api/v1/dupes").json["total"]["groups"] == 0
