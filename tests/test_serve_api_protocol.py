"""The manners of the API: methods, statuses, errors without the client's words, and names of files that do no harm."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from qacache.events import Probed
from qacache.store import migrations
from qacache.store.retries import RetrySchedule
from qacache.store.writer import Writer
from tests.api_server import DEADLINE_S, Site, serving
from tests.media import make_file
from tests.rows import digest_of, failed, probe_of, probed, stat_of

EVIL = b"/v/<img src=x onerror=alert(1)>\x1b[2J\r\nSet-Cookie: a=b\r\n\r\n\xe2\x80\xae\t=cmd|' /C calc'!A0.mp4"
TITLE = "<script>alert(1)</script>\x1b]0;owned\x07\r\nX-Evil: 1\r\n\u202e\t\0"
MARK = "zzMARKzz"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("protocol")
    db = folder / "qacache.db"
    migrations.create(str(db), 0.2)
    evil = Probed(stat_of(EVIL), digest_of("evil"), probe_of("evil", tags={"title": TITLE}))
    with Writer(str(db), busy_timeout_s=5.0, retries=RetrySchedule(60, 3600)) as writer:
        writer.write([evil, probed(b"/v/a.mp4"), failed(EVIL + b".broken.mp4", message=TITLE)])
    with serving(db, f'[scan]\nroots = ["{make_file(folder / "library" / "x").parent}"]\n') as site:
        yield site


# methods


@pytest.mark.parametrize(
    ("target", "allow"),
    [
        ("/livez", "GET, HEAD, OPTIONS"),
        ("/api/v1/lookup", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/scans", "GET, HEAD, OPTIONS, POST"),
        ("/api/v1/scans/1", "DELETE, GET, HEAD, OPTIONS"),
        ("/api/v1/reprobe", "OPTIONS, POST"),
    ],
)
def test_methods_that_are_not_there_are_refused_with_those_that_are(site: Site, target: str, allow: str) -> None:
    for method in {"PUT", "PATCH", "TRACE", "DELETE", "POST", "GET", "HEAD"} - set(allow.split(", ")):
        reply = site.ask(method, target)
        assert (reply.status, reply.fields["allow"]) == (405, allow)
    assert site.ask("POST" if "POST" not in allow else "PUT", target, b"{}").fields["allow"] == allow
    options = site.ask("OPTIONS", target)
    assert (options.status, options.fields["allow"], options.body) == (204, allow, b"")
    assert "content-length" not in options.fields


def test_the_server_itself_may_be_asked_whether_it_is_there(site: Site) -> None:
    assert site.ask("OPTIONS", "*").status == 204


@pytest.mark.parametrize("target", ["/api/v1/stats", "/api/v1/lookup?path=/v/a.mp4", "/livez", "/nowhere", "/metrics"])
def test_head_has_the_fields_of_get_and_no_body(site: Site, target: str) -> None:
    whole, head = site.get(target), site.ask("HEAD", target)
    changing = {"date", "x-request-id", "content-length" if target == "/metrics" else ""}
    assert head.body == b""
    assert {**head.fields, **dict.fromkeys(changing)} == {**whole.fields, **dict.fromkeys(changing)}


def test_head_of_an_answer_in_pieces_leaves_room_for_others(site: Site) -> None:
    # more than may be asked for at a time
    for target in ("/api/v1/export", "/api/v1/lookup?path=/v") * 10:
        assert site.ask("HEAD", target).status == 200
    assert site.get("/api/v1/export").status == 200


def test_head_of_events_ends(site: Site) -> None:
    reply = site.ask("HEAD", "/api/v1/events")
    assert (reply.status, reply.fields["content-type"], reply.body) == (200, "text/event-stream", b"")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_events_are_followed_by_clients_that_want_no_other_request(site: Site, version: str) -> None:
    with socket.create_connection(("127.0.0.1", site.port), DEADLINE_S) as client:
        client.sendall(f"GET /api/v1/events HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while b"retry: 3000" not in received:
            more = client.recv(65536)
            assert more, received
            received += more
    assert b"\r\nConnection: close\r\n" in received
    assert b"Content-Length" not in received


# what is not there


@pytest.mark.parametrize(
    "target", ["/", "/api", "/api/v1", "/api/v1/", "/api/v1/lookup/", "/API/v1/stats", "/api/v1/scans/", "/favicon.ico"]
)
def test_what_is_not_there_is_answered_the_same_everywhere(site: Site, target: str) -> None:
    nothing = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "there is no such thing"}
    assert site.get(target).json == nothing
    assert site.post(target, b"{}").json == nothing


@pytest.mark.parametrize(
    "target", ["/api/../livez", "//livez", "/api/v1/%2e%2e/x", "/api%2Fv1/stats", "/livez%00", "/live\\z", "/%2flivez"]
)
def test_a_path_in_disguise_is_refused(site: Site, target: str) -> None:
    assert site.get(target).status == 400


def test_what_is_for_operators_is_at_their_address_alone(tmp_path: Path) -> None:
    with serving(tmp_path / "qacache.db", server__ops_addr="127.0.0.1:0") as site:
        for target in ("/metrics", "/ready", "/readyz"):
            assert (site.get(target).status, site.ops.get(target).status) == (404, 200)
        assert (site.post("/api/v1/scans", {}).status, site.ops.post("/api/v1/scans", {}).status) == (405, 409)
        assert (site.get("/api/v1/stats").status, site.ops.get("/api/v1/stats").status) == (200, 404)
        for target in ("/livez", "/healthz", "/api/v1/version", "/api/v1/openapi.json"):
            assert (site.get(target).status, site.ops.get(target).status) == (200, 200)


# sizes and forms


def test_bodies_that_are_too_large_are_refused_before_they_are_sent(site: Site) -> None:
    for target, most in (("/api/v1/lookup", 16 << 20), ("/api/v1/reprobe", 1 << 20), ("/api/v1/scans", 1 << 20)):
        connection = HTTPConnection("127.0.0.1", site.port, timeout=DEADLINE_S)
        connection.putrequest("POST", target)
        connection.putheader("Content-Length", str(most + 1))
        connection.endheaders()
        response = connection.getresponse()
        assert (response.status, response.getheader("Content-Type")) == (413, "application/problem+json")
        connection.close()
    assert site.ask("GET", "/api/v1/stats", b"x").status == 413


def test_bodies_of_another_kind_are_read_as_paths_or_refused(site: Site) -> None:
    assert site.post("/api/v1/lookup", b"/v/a.mp4", **{"Content-Type": "video/mp4"}).json[0]["status"] == "ok"
    assert site.post("/api/v1/lookup", b"<xml/>", **{"Content-Type": "text/xml"}).status == 400
    assert (
        site.post("/api/v1/scans", b"roots=/v", **{"Content-Type": "application/x-www-form-urlencoded"}).status == 400
    )


def test_a_target_that_is_too_long_is_refused(site: Site) -> None:
    assert site.get("/api/v1/lookup?path=/" + "a" * 9000).status == 414


# errors

REPEATING = [
    f"/{MARK}",
    f"/api/v1/files?{MARK}=1",
    f"/api/v1/files?limit={MARK}",
    f"/api/v1/files?sort={MARK}",
    f"/api/v1/files?longer-than={MARK}",
    f"/api/v1/files?modified-since={MARK}",
    f"/api/v1/files?after={MARK}",
    f"/api/v1/files?columns={MARK}",
    f"/api/v1/export?bigger-than={MARK}",
    f"/api/v1/dupes?min-size={MARK}",
    f"/api/v1/lookup?path={MARK}",
    f"/api/v1/scans/{MARK}",
]


@pytest.mark.parametrize("target", REPEATING)
def test_no_error_repeats_what_was_sent(site: Site, target: str) -> None:
    fields = {"X-Request-Id": f"<{MARK}>", "Origin": f"https://{MARK}", "Referer": MARK}
    for reply in (site.get(target, **fields), site.get(target.replace(MARK, quote(f"{MARK}\r\nX: <b>")), **fields)):
        assert reply.status in (400, 404)
        assert reply.fields["content-type"] == "application/problem+json"
        assert MARK not in f"{reply.fields}{reply.body!r}"


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/api/v1/lookup", MARK.encode()),
        ("/api/v1/lookup", [{"path": MARK}]),
        ("/api/v1/lookup", [{"path_b64": f"%{MARK}"}]),
        ("/api/v1/scans", {MARK: 1}),
        ("/api/v1/scans", {"roots": [MARK]}),
        ("/api/v1/scans", {"roots": [f"/{MARK}"]}),
        ("/api/v1/reprobe", [f"/{MARK}"]),
        ("/api/v1/failures/retry", {"since": MARK}),
        ("/api/v1/failures/retry", {"under": [MARK]}),
    ],
)
def test_no_error_repeats_the_body(site: Site, target: str, body: object) -> None:
    reply = site.post(target, body)
    assert reply.status in (400, 404)
    assert MARK not in f"{reply.fields}{reply.body!r}"


def test_a_request_has_an_id_its_own_where_that_is_plain(site: Site) -> None:
    assert site.get("/livez", **{"X-Request-Id": "job-7.a_b"}).fields["x-request-id"] == "job-7.a_b"
    ids = {site.get("/livez", **{"X-Request-Id": given}).fields["x-request-id"] for given in ("", "a b", "x" * 65)}
    assert len(ids) == 3
    assert all(len(each) == 16 for each in ids)


# names and tags


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/tab-separated-values"])
def test_names_and_tags_come_back_inert(site: Site, accept: str) -> None:
    replies = [
        site.get(f"/api/v1/lookup?path={quote(EVIL)}", Accept=accept),
        site.post("/api/v1/lookup", EVIL + b"\0", Accept=accept),
        site.get("/api/v1/files?status=any&limit=1", Accept=accept),
        site.get("/api/v1/files?limit=1&text=" + quote("<img"), Accept=accept),
    ]
    for reply in replies:
        assert reply.status == 200
        # no browser takes it for a page, and no field is anybody's
        assert reply.fields["content-type"].startswith(accept)
        assert reply.fields["x-content-type-options"] == "nosniff"
        assert reply.fields["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert not {"set-cookie", "x-evil"} & set(reply.fields)
        # what a terminal acts on is escaped, and so are the ends of lines
        text = reply.body.decode()
        assert not any(letter in text for letter in "\x1b\x07\r\0")
        assert len(text.splitlines()) <= 4


def test_names_in_reports_come_back_inert(site: Site) -> None:
    for target in ("/api/v1/failures", "/api/v1/export", "/api/v1/stats", "/api/v1/dupes"):
        reply = site.get(target)
        assert reply.status == 200
        assert not any(letter in reply.body for letter in b"\x1b\x07\r\0")
        assert not {"set-cookie", "x-evil"} & set(reply.fields)


def test_the_name_and_the_tag_are_still_the_same_to_those_who_read_them(site: Site) -> None:
    record = site.get(f"/api/v1/lookup?path={quote(EVIL)}").json
    assert (record["path"].encode(), record["media"]["tags"]["title"]) == (EVIL, TITLE)
