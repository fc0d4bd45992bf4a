"""The client against servers that are broken, strange or not there: each ends in time, and in words."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from itertools import islice
from pathlib import Path

import pytest

from qacache.client.files import RemoteFiles, look_up
from qacache.client.line import OutOfTime, Patience, dial
from qacache.client.listings import duplicates, failures, scans
from qacache.client.rows import VALUES
from qacache.client.server import Server
from qacache.config.serving import Client
from qacache.errors import (
    ConfigError,
    QacacheError,
    RootRefused,
    SchemaTooNew,
    ServerDenied,
    ServerError,
    ServerHasNone,
    ServerUnreachable,
    StoreLocked,
    UsageError,
)
from qacache.selection import Selection
from qacache.store.reader import COLUMNS
from qacache.store.records import RECORD_COLUMNS
from tests.fakes import FakeClock
from tests.odd_servers import Behaviour, answering, answering_at_once, dripping, head_of, odd_server, response, silent

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PROBLEM = "application/problem+json"


def server_at(url: str, *, timeout_s: float = 5.0, token_file: str = "") -> Server:
    return Server(Client(server_url=url, timeout_s=timeout_s, connect_timeout_s=timeout_s, token_file=token_file))


def refusal(behave: Behaviour, *, timeout_s: float = 5.0) -> QacacheError:
    """What comes of asking such a server."""
    with odd_server(behave) as url, pytest.raises(QacacheError) as raised:
        server_at(url, timeout_s=timeout_s).get("/version")
    assert url in str(raised.value) or isinstance(raised.value, UsageError)
    return raised.value


def token_in(folder: Path, text: str = "qacache_secret\n", mode: int = 0o600) -> str:
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        dripping(b""),
        dripping(b"HTTP/1.1 200 OK\r\nX-Long: "),
        dripping(HEAD + b"Content-Length: 1000000\r\n\r\n{"),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n"),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n{"),
        dripping(b"HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\n"),
    ],
    ids=["silence", "spaces", "head", "body", "chunk size", "chunk", "error"],
)
def test_what_comes_too_slowly_ends_with_the_time_for_it(behave: Behaviour) -> None:
    error = refusal(behave, timeout_s=0.2)

    assert isinstance(error, ServerUnreachable)
    assert error.exit_code == 15
    assert "within 200ms" in str(error)
    assert "client.timeout" in (error.hint or "")


def test_time_that_the_reader_takes_is_none_of_the_servers(clock: FakeClock) -> None:
    patience = Patience(1.0, clock.monotonic)
    with patience as first:
        clock.advance(0.4)
    clock.advance(1000)
    with patience as second:
        clock.advance(0.7)

    assert first == 1.0
    assert second == pytest.approx(0.6)
    with pytest.raises(OutOfTime), patience:
        pass


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ServerUnreachable, match="connection refused") as raised:
        server_at(f"http://127.0.0.1:{port}").get("/version")
    assert raised.value.hint == "does `qacache serve` run there?"


def test_a_full_backlog_ends_with_the_time_to_connect() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        with pytest.raises(ServerUnreachable, match="does not answer within 200ms"):
            server_at(f"http://127.0.0.1:{port}", timeout_s=0.2).get("/version")
        for each in waiting:
            each.close()


def test_tls_has_the_same_time_to_connect() -> None:
    with odd_server(silent) as url, pytest.raises(ServerUnreachable, match="does not answer within 200ms"):
        server_at(url.replace("http:", "https:"), timeout_s=0.2).get("/version")


def test_a_server_without_tls_is_told() -> None:
    with (
        odd_server(answering_at_once(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as url,
        pytest.raises(ServerUnreachable) as raised,
    ):
        server_at(url.replace("http:", "https:")).get("/version")
    assert "begins with http:" in (raised.value.hint or "")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate")
def test_tls_is_for_those_with_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += [
        "-keyout",
        str(key),
        "-out",
        str(certificate),
        "-subj",
        "/CN=nas",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def behave(connection: socket.socket, is_over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            answering(response(b'{"a":1}'))(secured, is_over)

    with odd_server(behave) as url:
        server = server_at(url.replace("http:", "https:"))
        with pytest.raises(ServerUnreachable, match="signed certificate") as raised:
            server.get("/version")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert server.get("/version") == {"a": 1}
    assert "SSL_CERT_FILE" in (raised.value.hint or "")


def test_a_name_without_address_is_unreachable() -> None:
    with pytest.raises(ServerUnreachable, match=r"no address is known of nowhere\.invalid|within 5s"):
        server_at("http://nowhere.invalid").get("/version")


def test_of_several_addresses_a_later_one_may_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as gone:
        ports = gone.getsockname()[1], listener.getsockname()[1]
        gone.close()
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

        with dial("nas.local", 80, most_s=5.0, is_tls=False) as connection:
            assert connection.getpeername()[1] == ports[1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD + b"Content-Length: 100\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        response(gzip.compress(b"{}" * 100)[:-9], more="Content-Encoding: gzip\r\n"),
    ],
    ids=["nothing", "body", "chunk", "no chunk", "gzip"],
)
def test_what_breaks_off_is_no_answer(data: bytes) -> None:
    error = refusal(answering(data))

    assert isinstance(error, ServerUnreachable)
    assert "hung up" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        HEAD,
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}",
        response(b"<html>Welcome!</html>", kind="text/html"),
        response(b"<html>Bad Gateway</html>", status="502 Bad Gateway", kind="text/html"),
        response(b"not there", status="404 Not Found", kind="text/plain"),
        response(b"{", status="400 Bad Request", kind=PROBLEM),
        response(b"[]"),
        response(b"{"),
        response(b"[" * 100_000),
        response(b"no gzip", more="Content-Encoding: gzip\r\n"),
        response(b"{}", more="Content-Encoding: br\r\n"),
    ],
)
def test_what_is_no_server_of_qacache_is_told_apart_from_none(data: bytes) -> None:
    error = refusal(answering(data))

    assert type(error) is ServerError
    assert error.exit_code == 1
    assert str(error).isprintable()


def test_a_line_without_end_is_given_up() -> None:
    def behave(connection: socket.socket, _: object) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 99999999\r\n\r\n")
        while True:
            connection.sendall(b" " * 65_536)

    with odd_server(behave) as url, pytest.raises(ServerError, match="a line of more than 16 MiB"):
        list(look_up(server_at(url), [b"/a.mp4"], ()))


def test_gzip_that_unpacks_without_end_is_given_up() -> None:
    bomb = gzip.compress(b" " * (300 << 20), compresslevel=1)

    error = refusal(answering(response(bomb, more="Content-Encoding: gzip\r\n")), timeout_s=60)

    assert "more than 256 MiB" in str(error)


def test_gzip_is_asked_for_and_unpacked() -> None:
    heads: list[bytes] = []

    def behave(connection: socket.socket, _: object) -> None:
        heads.append(head_of(connection))
        connection.sendall(response(gzip.compress(b'{"a":1}'), more="Content-Encoding: gzip\r\n"))

    with odd_server(behave) as url:
        assert server_at(f"{url}/nas").get("/version") == {"a": 1}
    assert heads[0].startswith(b"GET /nas/api/v1/version HTTP/1.1\r\n")
    assert b"\r\nAccept-Encoding: gzip\r\n" in heads[0]


def test_a_redirect_is_told_and_not_followed() -> None:
    asked: list[bytes] = []

    def behave(connection: socket.socket, _: object) -> None:
        asked.append(head_of(connection))
        location = "Location: https://elsewhere.example/\x1b]0;title\x07\r\n"
        connection.sendall(response(b"", status="302 Found", more=location))

    error = refusal(behave)

    assert "leads elsewhere: https://elsewhere.example/" in str(error)
    assert str(error).isprintable()
    assert len(asked) == 1


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with odd_server(answering(response(b'{"a":1}'))) as url:
        assert server_at(url).get("/version") == {"a": 1}


@pytest.mark.parametrize(
    ("status", "told", "kind", "words"),
    [
        ("400 Bad Request", {"detail": "no such path"}, UsageError, "no such path"),
        ("401 Unauthorized", {"detail": "x"}, ServerDenied, "asks for a token"),
        ("403 Forbidden", {"detail": "this token may only read"}, ServerDenied, "this token may only read"),
        ("404 Not Found", {"detail": "no such thing"}, ServerHasNone, "no such thing"),
        ("409 Conflict", {"detail": "runs", "scan": {"scan_id": 7, "roots": ["/a"]}}, StoreLocked, "scan 7 of /a"),
        ("409 Conflict", {"detail": "empty: /a", "kind": "RootRefused"}, RootRefused, "empty: /a"),
        ("429 Too Many Requests", {"detail": "too many"}, ServerDenied, "too many"),
        ("503 Service Unavailable", {"detail": "locked", "kind": "StoreLocked"}, StoreLocked, "locked"),
        ("503 Service Unavailable", {"detail": "newer", "kind": "SchemaTooNew"}, SchemaTooNew, "newer"),
        ("503 Service Unavailable", {"detail": "full"}, ServerError, "full"),
        ("503 Service Unavailable", {"detail": "\x1b[2J\u202e", "hint": "\x07"}, ServerError, r"\x1b[2J\u202e"),
    ],
)
def test_what_a_server_says_is_wrong_is_the_error_of_a_store(
    status: str, told: dict[str, object], kind: type[QacacheError], words: str
) -> None:
    error = refusal(answering(response(json.dumps(told).encode(), status=status, kind=PROBLEM)))

    assert type(error) is kind
    assert words in str(error)
    assert f"{error}{error.hint}".isprintable()


def test_when_to_ask_again_is_a_hint() -> None:
    told = response(b'{"detail":"full"}', status="503 Service Unavailable", kind=PROBLEM, more="Retry-After: 2\r\n")

    assert refusal(answering(told)).hint == "try again in 2 s"


def test_the_token_goes_into_a_header_and_nowhere_else(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def behave(connection: socket.socket, _: object) -> None:
        asked.append(head_of(connection))
        connection.sendall(response(b"{}", status="401 Unauthorized", kind=PROBLEM))

    path = token_in(tmp_path)
    with odd_server(behave) as url, pytest.raises(ServerDenied, match="does not accept the token in") as raised:
        server_at(url, token_file=path).get("/version")

    assert asked[0].count(b"qacache_secret") == 1
    assert b"\r\nAuthorization: Bearer qacache_secret\r\n" in asked[0]
    assert "qacache_secret" not in f"{raised.value} {raised.value.hint}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_token_that_others_may_read_is_not_shown(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="others may read the token") as raised:
        server_at("http://127.0.0.1:1", token_file=token_in(tmp_path, mode=mode))
    assert "chmod 600" in (raised.value.hint or "")


@pytest.mark.parametrize(
    "text", ["", "\n", "two words\n", "tok\x00en\n", "token\rX: y\n", "tökén\n", "x" * 5000 + " y"]
)
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="no token in the first line"):
        server_at("http://127.0.0.1:1", token_file=token_in(tmp_path, text))


def test_a_missing_token_file_and_a_pipe_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        server_at("http://127.0.0.1:1", token_file=str(tmp_path / "nothing"))
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="no token in the first line"):
        server_at("http://127.0.0.1:1", token_file=str(tmp_path / "pipe"))


def test_a_port_that_cannot_be_is_told() -> None:
    with pytest.raises(ConfigError, match="no such port: nas:99999"):
        server_at("http://nas:99999")


@pytest.mark.parametrize(
    "answer",
    [
        {"files": 1},
        {"files": ["x"]},
        {"files": [{"path": "/a"}]},
        {"files": [{"path": "/a", "status": "ok", "size": "1", "mtime_ns": 1}]},
        {"scans": [{"scan_id": "x"}]},
        {"failures": [{"path": 1}]},
        {"failures": [{"path": "/a", "stage": "probe"}]},
        {"groups": [{"digest": "zz"}], "total": {"groups": 1, "copies": 2, "size": 2, "wasted": 1}},
        {"groups": [], "total": 1},
    ],
)
def test_members_of_another_shape_are_told(answer: dict[str, object]) -> None:
    with odd_server(answering(response(json.dumps(answer).encode()))) as url:
        server = server_at(url)
        for ask in (
            lambda: list(RemoteFiles(server).files(Selection(), ())),
            lambda: list(scans(server)),
            lambda: list(failures(server, [])),
            lambda: list(duplicates(server, min_size=1, under=[], most=None).groups),
        ):
            with pytest.raises(ServerError, match="cannot be read"):
                ask()


def test_a_page_is_asked_for_when_it_is_due() -> None:
    asked: list[bytes] = []
    failure = {
        "path": "/a",
        "attempts": 1,
        "prober": None,
        **dict.fromkeys(("stage", "reason", "message"), "probe"),
        **dict.fromkeys(("failed_at", "next_retry"), "2027-01-15T08:00:00.000Z"),
    }
    files = [{"path": "/a", "mtime_ns": 1, "copy": number} for number in (1, 2)]
    group = {"digest": "00", "size": 1, "verified": False, "files": files}
    totals = {"groups": 9, "copies": 18, "size": 18, "wasted": 9}
    # it never ends by itself
    page = response(json.dumps({"failures": [failure], "groups": [group], "total": totals, "next": "more"}).encode())

    def behave(connection: socket.socket, _: object) -> None:
        asked.append(head_of(connection).partition(b" HTTP")[0].removeprefix(b"GET /api/v1"))
        connection.sendall(page)

    with odd_server(behave) as url:
        assert len(list(islice(failures(server_at(url), [b"/v"]), 2))) == 2
        found = duplicates(server_at(url), min_size=1, under=[], most=2)
        assert (len(asked), found.totals.groups) == (3, 9)
        assert len(list(found.groups)) == 2
    assert asked == [
        b"/failures?under=/v&limit=1000",
        b"/failures?under=/v&limit=1000&after=more",
        b"/dupes?min-size=1&limit=2",
        b"/dupes?min-size=1&limit=2&after=more",
    ]


def test_every_column_of_the_store_is_one_that_a_server_tells() -> None:
    assert {*COLUMNS.values(), *RECORD_COLUMNS} <= VALUES.keys()
