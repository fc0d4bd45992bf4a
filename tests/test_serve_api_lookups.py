"""Look-ups over HTTP: one path or thousands, in all forms, by the names that other machines have for files."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from qacache.columns import HEAD, MEDIA
from qacache.events import Vanished
from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.api_server import Reply, Site, serving
from tests.rows import failed, probed

LOOKUP = "/api/v1/lookup"
NFC, NFD = (unicodedata.normalize(form, "/v/Zürich/é.mp4") for form in ("NFC", "NFD"))
ODD = b"/v/caf\xe9 \xff.mp4"
PATHS = [b"/v/a.mp4", b"/v/b/1.mp4", b"/v/b/2.mp4", b"/v/broken.mp4", b"/v/gone.mp4", ODD, NFC.encode()]
MAP = """
[[paths.map]]
from = "/Volumes/Media/"
to = "/v"
[[paths.map]]
from = "/Volumes/Media/Zürich"
to = "/v/Zürich/"
[[paths.map]]
from = "/Volumes/Media/Series"
to = "/v/b"
[[paths.map]]
from = "/Volumes/Nowhere"
to = "/nowhere"
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lookups") / "qacache.db"
    migrations.create(str(path), 0.2)
    with Writer(str(path), busy_timeout_s=5.0, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([failed(each) if b"broken" in each else probed(each, each.decode("latin-1")) for each in PATHS])
        writer.write([Vanished(b"/v/gone.mp4")])
    return path


@pytest.fixture(scope="module")
def site(db: Path) -> Iterator[Site]:
    with serving(db) as site:
        yield site


@pytest.fixture(scope="module")
def mapped(db: Path) -> Iterator[Site]:
    with serving(db, MAP) as site:
        yield site


def target(path: str | bytes, **query: str) -> str:
    return f"{LOOKUP}?path={quote(path)}" + "".join(f"&{name}={quote(value)}" for name, value in query.items())


def statuses(reply: Reply) -> list[tuple[str, str]]:
    return [(record["path"], record["status"]) for record in reply.lines]


# one path


def test_a_file_is_answered_with_its_record(site: Site) -> None:
    reply = site.get(target("/v/a.mp4"))
    assert (reply.status, reply.fields["content-type"]) == (200, "application/json")
    record = reply.json
    assert (record["path"], record["status"], record["media"]["video_codec"]) == ("/v/a.mp4", "ok", "h264")
    assert record["media"]["tags"] == {"title": "/v/a.mp4"}


@pytest.mark.parametrize(
    ("path", "status"), [("/v/broken.mp4", "failed"), ("/v/gone.mp4", "vanished"), ("/v/no", "unknown")]
)
def test_what_is_not_well_is_answered_as_well(site: Site, path: str, status: str) -> None:
    reply = site.get(target(path))
    assert (reply.status, reply.json["path"], reply.json["status"]) == (200, path, status)


def test_a_folder_stands_for_all_that_is_below_it(site: Site) -> None:
    for path in ("/v/b", "/v/b/", "/v//b/.", "/v/c/../b"):
        assert [record["path"] for record in site.get(target(path)).json] == ["/v/b/1.mp4", "/v/b/2.mp4"]


def test_a_name_that_is_no_utf8_is_asked_for_and_answered_in_bytes(site: Site) -> None:
    record = site.get(target(ODD)).json
    assert record["status"] == "ok"
    assert base64.b64decode(record["path_b64"]) == ODD


def test_unicode_forms_make_no_difference(site: Site) -> None:
    for path in (NFC, NFD):
        assert site.get(target(path)).json["status"] == "ok"


@pytest.mark.parametrize("path", ["", "a.mp4", "./a", "~/a"])
def test_a_path_that_is_not_absolute_is_refused(site: Site, path: str) -> None:
    assert site.get(target(path)).detail == "parameter path is to be like /mnt/media/a.mp4"


def test_a_plus_and_percent_signs_are_read_once(site: Site) -> None:
    assert site.get(f"{LOOKUP}?path=/a+b%2Bc%2525").json["path"] == "/a b+c%25"


def test_the_form_is_what_the_client_likes_best(site: Site) -> None:
    ask = target("/v/a.mp4", columns="path,video_codec")
    for accept, kind in (
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("application/json;q=0.5, application/x-ndjson;q=0.9", "application/x-ndjson"),
        ("text/*", "text/tab-separated-values; charset=utf-8"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("TEXT/tab-separated-values", "text/tab-separated-values; charset=utf-8"),
    ):
        assert site.get(ask, Accept=accept).fields["content-type"] == kind
    for accept in ("text/html", "application/json;q=0", "application/json;q=x", "*/*;q=0"):
        assert site.get(ask, Accept=accept).status == 406


def test_caches_are_told_that_the_form_is_the_clients_choice(site: Site) -> None:
    # a file that is answered at once, one that is not known, a folder, and a list
    for asked in (target("/v/a.mp4"), target("/v/no"), target("/v"), "/api/v1/files", "/api/v1/top"):
        for accept in ("*/*", "application/x-ndjson", "text/tab-separated-values"):
            assert site.get(asked, Accept=accept).fields["vary"] == "Accept"
    assert site.post(LOOKUP, ["/v"]).fields["vary"] == "Accept"


def test_columns_of_tab_separated_values_are_those_that_are_named(site: Site) -> None:
    tsv = {"Accept": "text/tab-separated-values"}
    assert site.get(target("/v/a.mp4", columns="video_codec,path"), **tsv).rows == [
        ["video_codec", "path"],
        ["h264", "/v/a.mp4"],
    ]
    assert site.get(target("/v/a.mp4"), **tsv).rows[0] == [*HEAD, *MEDIA]
    assert site.get(target("/v/no", columns="status,size"), **tsv).rows[1] == ["unknown", "-"]
    refused = site.get(target("/v/a.mp4", columns="path,sizzle"), **tsv)
    assert (refused.status, "sizzle" in refused.body.decode()) == (400, False)


# many paths

ASKED = [b"/v/no.mp4", ODD, b"/v/b/2.mp4", NFD.encode(), b"/v/a.mp4", b"/v/a.mp4", b"/v/b/1.mp4"]
BODIES = {
    "application/octet-stream": b"".join(path + b"\0" for path in ASKED),
    "text/plain": b"\n".join(ASKED),
    "application/x-www-form-urlencoded": b"\0".join(ASKED),
    "application/json": json.dumps(
        [{"path_b64": base64.b64encode(ASKED[0]).decode()}, {"path": "?", "path_b64": base64.b64encode(ODD).decode()}]
        + [path.decode() for path in ASKED[2:]]
    ).encode(),
    "application/x-ndjson; charset=utf-8": b"\n\n".join(
        json.dumps({"path_b64": base64.b64encode(path).decode(), "status": "ok"}).encode() for path in ASKED
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_many_paths_are_answered_in_their_order_whatever_form_they_come_in(site: Site, kind: str) -> None:
    def path_of(record: dict[str, str]) -> bytes:
        return base64.b64decode(record["path_b64"]) if "path_b64" in record else record["path"].encode()

    expected = [*ASKED[:3], NFC.encode(), *ASKED[4:]]
    for accept in ("application/json", "application/x-ndjson"):
        reply = site.post(LOOKUP, BODIES[kind], **{"Content-Type": kind}, Accept=accept)
        records = reply.json if accept == "application/json" else reply.lines
        assert [path_of(record) for record in records] == expected
        assert [record["status"] for record in records] == ["unknown", *["ok"] * 6]
    rows = site.post(
        f"{LOOKUP}?columns=status,path", BODIES[kind], **{"Content-Type": kind}, Accept="text/tab-separated-values"
    ).rows
    assert [row[0] for row in rows] == ["status", "unknown", *["ok"] * 6]
    assert rows[2][1] == "/v/caf%E9 %FF.mp4"


def test_ten_thousand_paths_are_answered_at_once(site: Site) -> None:
    asked = [f"/v/{number}.mp4" for number in range(10_000)] + ["/v/a.mp4"]
    reply = site.post(LOOKUP, "\0".join(asked).encode(), Accept="application/x-ndjson")
    assert [record["path"] for record in reply.lines] == asked
    assert reply.lines[-1]["status"] == "ok"


def test_folders_among_many_paths_stand_for_their_files(site: Site) -> None:
    assert [record["path"] for record in site.post(LOOKUP, ["/v/no", "/v/b", "/v/a.mp4"]).json] == [
        *("/v/no", "/v/b/1.mp4", "/v/b/2.mp4", "/v/a.mp4")
    ]


@pytest.mark.parametrize("body", [b"", b"\0\0", b"\n"])
def test_no_paths_have_no_answers(site: Site, body: bytes) -> None:
    assert site.post(LOOKUP, body).json == []


def test_lines_end_at_line_breaks_only_where_there_is_no_nul(site: Site) -> None:
    assert [record["path"] for record in site.post(LOOKUP, b"/a\n/b\0").json] == ["/a\n/b"]


@pytest.mark.parametrize(
    "named",
    [
        *({}, "text", None, 7, [None], [7], [["/a"]], ["a"], [""], ["/a\0"], ["\ud800"], [{}], [{"path": "a"}]),
        *([{"path": None}], [{"path_b64": None, "path": "/a"}], [{"path_b64": "%%"}], [{"path_b64": "YQ=="}]),
    ],
)
def test_json_that_names_no_paths_is_refused(site: Site, named: object) -> None:
    reply = site.post(LOOKUP, named)
    assert (reply.status, reply.fields["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000, b'["/a"] x'])
@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_what_is_no_json_though_it_says_so_is_refused(site: Site, kind: str, body: bytes) -> None:
    assert site.post(LOOKUP, body, **{"Content-Type": kind}).status == 400


# the names of other machines


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("/Volumes/Media/a.mp4", "/v/a.mp4"),
        ("/Volumes/Media//a.mp4", "/v/a.mp4"),
        ("/Volumes/Media/Series/1.mp4", "/v/b/1.mp4"),
        ("/Volumes/Media/Zürich/é.mp4", NFC),
        (unicodedata.normalize("NFD", "/Volumes/Media/Zürich/é.mp4"), NFC),
        ("/v/a.mp4", "/v/a.mp4"),
    ],
)
def test_a_file_is_found_by_the_name_that_another_machine_has_for_it(mapped: Site, asked: str, stored: str) -> None:
    record = mapped.get(target(asked)).json
    assert (record["status"], record["media"]["tags"]["title"]) == ("ok", stored.encode().decode("latin-1"))
    # by the name that was asked for, but for how its last part is written
    assert unicodedata.normalize("NFC", record["path"]) == unicodedata.normalize("NFC", asked).replace("//", "/")


@pytest.mark.parametrize("asked", ["/Volumes/Media2/a.mp4", "/Volumes/Nowhere/a.mp4", "/Volumes/Media/none.mp4"])
def test_what_is_not_known_is_answered_by_the_name_that_was_asked_for(mapped: Site, asked: str) -> None:
    assert statuses(mapped.post(LOOKUP, [asked], Accept="application/x-ndjson")) == [(asked, "unknown")]


def test_the_files_of_a_folder_have_the_names_of_the_machine_that_asks(mapped: Site) -> None:
    def paths(asked: str) -> Sequence[str]:
        return [record["path"] for record in mapped.get(target(asked)).json]

    assert paths("/Volumes/Media/Series/") == ["/Volumes/Media/Series/1.mp4", "/Volumes/Media/Series/2.mp4"]
    assert "/Volumes/Media/b/1.mp4" in paths("/Volumes/Media")
