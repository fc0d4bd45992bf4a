"""Access: which requests are answered, by who asks, for which host, with which token, and from which page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from qacache.errors import ConfigError, UsageError
from qacache.serve.access import Denied, Gate, Identity, Rules, client_address, parse_address
from qacache.serve.tokens import Token, digest_of
from tests.api_server import Site, bearer, make_tokens, serving
from tests.fakes import FakeClock

HOST = {"host": "localhost:8417"}
TOKENS = [Token(digest_of("r"), "read"), Token(digest_of("w"), "write")]
PEER = "127.0.0.1"


def networks(*texts: str) -> Sequence[Any]:
    return [ip_network(text) for text in texts]


def ask(rules: Rules, fields: Mapping[str, str] | None = None, *, method: str = "GET", peer: str = PEER) -> Identity:
    return Gate(rules).identify(method, HOST | dict(fields or {}), peer)


def refused(rules: Rules, fields: Mapping[str, str] | None = None, *, method: str = "GET", peer: str = PEER) -> int:
    """The status with which a request is refused."""
    with pytest.raises(Denied) as denied:
        ask(rules, fields, method=method, peer=peer)
    return denied.value.status


# addresses


@pytest.mark.parametrize(
    ("peer", "allowed", "is_in"),
    [
        ("192.168.1.7", "192.168.1.0/24", True),
        ("::ffff:192.168.1.7", "192.168.1.0/24", True),
        ("192.168.2.7", "192.168.1.0/24", False),
        ("fd00::7", "fd00::/8", True),
        ("fe80::7%eth0", "fe80::/10", True),
        ("fd00::7", "192.168.1.0/24", False),
    ],
)
def test_only_the_networks_that_are_allowed_may_ask(peer: str, allowed: str, is_in: bool) -> None:
    rules = Rules(networks=networks(allowed))
    if is_in:
        assert ask(rules, peer=peer).address == str(parse_address(peer))
    else:
        assert refused(rules, peer=peer) == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
        ("10.0.0.1", "1.2.3.4, 10.0.0.2:5678", "1.2.3.4"),
        ("10.0.0.1", "[2001:db8::1]:80", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1:80", "2001:db8::1:80"),
        ("10.0.0.1", "1.2.3.4, unknown", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, ", "10.0.0.1"),
        ("9.9.9.9", "1.2.3.4", "9.9.9.9"),
    ],
)
def test_of_forwarded_addresses_the_last_one_counts_that_is_no_trusted_proxy(
    peer: str, forwarded_for: str, address: str
) -> None:
    assert str(client_address(peer, forwarded_for, networks("10.0.0.0/8"))) == address


def test_allowed_networks_are_those_of_who_asks_by_a_proxy_and_not_of_the_proxy() -> None:
    rules = Rules(networks=networks("1.2.3.0/24"), proxies=networks("10.0.0.0/8"))
    assert ask(rules, {"x-forwarded-for": "1.2.3.4"}, peer="10.0.0.1").address == "1.2.3.4"
    assert refused(rules, {"x-forwarded-for": "1.2.3.4, 5.6.7.8"}, peer="10.0.0.1") == HTTPStatus.FORBIDDEN
    assert refused(rules, {"x-forwarded-for": "1.2.3.4"}, peer="5.6.7.8") == HTTPStatus.FORBIDDEN


# hosts


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8417", "[::1]", "[::1]:80"])
def test_this_machine_is_asked_by_its_usual_names(host: str) -> None:
    assert Gate(Rules()).identify("GET", {"host": host}, PEER).scope == "write"


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "localhost:80:80", "localhost:", "127.0.0.1.nip.io", "::1"]
)
def test_another_host_was_led_here_by_somebody_and_is_refused(host: str) -> None:
    with pytest.raises(Denied) as denied:
        Gate(Rules()).identify("GET", {"host": host}, PEER)
    assert denied.value.status == HTTPStatus.MISDIRECTED_REQUEST


# tokens


def test_without_tokens_everybody_may_do_everything_and_with_them_nobody_may_without_one() -> None:
    assert ask(Rules(tokens=None)).may("write")
    assert ask(Rules(tokens=TOKENS)).scope is None
    assert ask(Rules(tokens=[])).scope is None


@pytest.mark.parametrize(
    ("authorization", "scope"),
    [
        ("Bearer r", "read"),
        ("bearer  w ", "write"),
        ("Bearer nobody", None),
        ("Bearer ", None),
        ("Basic r", None),
        ("r", None),
    ],
)
def test_a_bearer_token_tells_what_may_be_done(authorization: str, scope: str | None) -> None:
    assert ask(Rules(tokens=TOKENS), {"authorization": authorization}).scope == scope


def test_read_is_part_of_write_and_not_the_other_way_round() -> None:
    assert Identity("", "write").may("read")
    assert not Identity("", "read").may("write")
    assert not Identity("", None).may("read")


def tries(gate: Gate, token: str, count: int, peer: str = PEER) -> list[int]:
    """What becomes of some requests in a row: 0 for those that are answered."""
    statuses = []
    for _ in range(count):
        try:
            gate.identify("GET", HOST | {"authorization": f"Bearer {token}"}, peer)
            statuses.append(0)
        except Denied as denied:
            statuses.append(int(denied.status))
    return statuses


def test_who_shows_ten_wrong_tokens_has_to_wait_and_is_told_how_long() -> None:
    clock = FakeClock()
    gate = Gate(Rules(tokens=TOKENS), clock.monotonic)
    assert tries(gate, "wrong", 12) == [0] * 10 + [429] * 2
    with pytest.raises(Denied) as denied:
        gate.identify("GET", HOST | {"authorization": "Bearer w"}, PEER)
    ((name, seconds),) = denied.value.fields()
    assert name == "Retry-After"
    clock.advance(int(seconds))
    assert tries(gate, "w", 1) == [0]
    assert tries(gate, "wrong", 2) == [0, 429]
    clock.advance(3600)
    assert tries(gate, "wrong", 11) == [0] * 10 + [429]


def test_right_tokens_and_requests_without_one_are_never_counted() -> None:
    gate = Gate(Rules(tokens=TOKENS), FakeClock().monotonic)
    assert tries(gate, "r", 100) == [0] * 100
    for _ in range(100):
        gate.identify("GET", HOST, PEER)
    assert tries(gate, "wrong", 11) == [0] * 10 + [429]


def test_wrong_tokens_of_one_address_are_no_trouble_to_others() -> None:
    gate = Gate(Rules(tokens=TOKENS), FakeClock().monotonic)
    tries(gate, "wrong", 11, "1.2.3.4")
    assert tries(gate, "r", 1, "1.2.3.5") == [0]


def test_all_addresses_of_one_ipv6_network_count_as_one() -> None:
    gate = Gate(Rules(tokens=TOKENS), FakeClock().monotonic)
    assert [status for number in range(12) for status in tries(gate, "wrong", 1, f"2001:db8::{number:x}")][9:] == [
        0,
        429,
        429,
    ]
    assert tries(gate, "r", 1, "2001:db8:0:1::1") == [0]


def test_failures_of_very_many_addresses_take_no_more_memory_than_of_many() -> None:
    gate = Gate(Rules(tokens=TOKENS), FakeClock().monotonic)
    for number in range(10_001):
        tries(gate, "wrong", 11 if number == 0 else 1, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    # the first was forgotten for the last
    assert tries(gate, "r", 1, "10.0.0.0") == [0]


# pages of other sites

OTHER = {"origin": "https://evil.example"}


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
@pytest.mark.parametrize(
    ("fields", "is_own"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin", "origin": "http://localhost:8417"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://other.localhost"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:8417"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"origin": "http://localhost:8417"}, True),
        ({"origin": "http://localhost:9999"}, False),
        ({"origin": "null"}, False),
        (OTHER, False),
    ],
)
def test_a_page_of_another_site_changes_nothing(method: str, fields: Mapping[str, str], is_own: bool) -> None:
    if is_own:
        assert ask(Rules(), fields, method=method).scope == "write"
    else:
        assert refused(Rules(), fields, method=method) == HTTPStatus.FORBIDDEN


def test_a_page_of_another_site_may_where_it_is_named_and_to_the_letter() -> None:
    rules = Rules(origins={"https://media.example"})
    fields = {"origin": "https://media.example", "sec-fetch-site": "cross-site"}
    assert ask(rules, fields, method="POST").scope == "write"
    for near in (
        "http://media.example",
        "https://media.example:444",
        "https://media.example.evil",
        "https://a.example",
    ):
        assert refused(rules, fields | {"origin": near}, method="POST") == HTTPStatus.FORBIDDEN


def test_what_changes_nothing_is_not_refused_for_its_site() -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ask(Rules(), OTHER | {"sec-fetch-site": "cross-site"}, method=method).scope == "write"


# over the network


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, dict[str, str]]]:
    """A server with all its guards, and the tokens that it accepts, by their scopes."""
    folder = tmp_path_factory.mktemp("guarded")
    read, write, spare = make_tokens(folder / "tokens", "read", "write", "read")
    with serving(
        folder / "qacache.db",
        server__token_file=str(folder / "tokens"),
        server__trusted_proxies="127.0.0.0/8",
        server__allow="127.0.0.1,192.168.0.0/16",
        server__hosts="nas.local",
        server__cors_origins="https://media.example",
    ) as site:
        yield site, {"read": read, "write": write, "spare": spare}


def test_two_tokens_are_good_at_once_and_none_is_not(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    assert [site.get("/api/v1/stats", **bearer(tokens[name])).status for name in ("read", "spare")] == [200, 200]
    for reply in (site.get("/api/v1/stats"), site.post("/api/v1/lookup", ["/a"]), site.get("/nowhere")):
        assert (reply.status, reply.detail) == (401, "a token is asked for")
        assert reply.fields["www-authenticate"] == 'Bearer realm="qacache"'
    assert site.get("/livez").status == 200


def test_a_token_to_read_lets_nothing_be_changed(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    scan = {"roots": ["/nowhere"]}
    assert site.post("/api/v1/scans", scan, **bearer(tokens["read"])).detail == "this token may only read"
    assert site.post("/api/v1/scans", scan, **bearer(tokens["write"])).status == 404
    assert site.ask("DELETE", "/api/v1/scans/1", **bearer(tokens["read"])).status == 403


def test_wrong_tokens_are_limited_for_the_address_behind_the_proxy(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    wrong = bearer("wrong") | {"X-Forwarded-For": "192.168.7.7"}
    replies = [site.get("/api/v1/stats", **wrong) for _ in range(11)]
    assert [reply.status for reply in replies] == [401] * 10 + [429]
    assert 1 <= int(replies[-1].fields["retry-after"]) <= 60
    posted = site.post("/api/v1/lookup", ["/a"], **wrong)
    assert (posted.status, "retry-after" in posted.fields) == (429, True)
    assert site.get("/api/v1/stats", **bearer(tokens["read"])).status == 200


def test_a_wrong_token_does_not_make_the_server_look_dead(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    address = {"X-Forwarded-For": "192.168.8.8"}
    for path in ("/livez", "/healthz"):
        assert {site.ask(method, path, **bearer("old"), **address).status for method in ("GET", "HEAD") * 6} == {200}
    assert site.get("/api/v1/stats", **bearer(tokens["read"]), **address).status == 200


def test_addresses_and_hosts_that_are_not_named_are_refused(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    right = bearer(tokens["read"])
    assert site.get("/api/v1/stats", **right, X_Forwarded_For="8.8.8.8").detail == "this address may not ask"
    assert site.get("/livez", Host="evil.example").status == 421
    assert site.get("/api/v1/stats", **right, Host="NAS.local:8417").status == 200


def test_a_page_that_may_ask_is_told_so_and_others_are_not(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    preflight = site.ask("OPTIONS", "/api/v1/lookup", Origin="https://media.example")
    assert preflight.status == 204
    assert preflight.fields["access-control-allow-origin"] == "https://media.example"
    assert "Authorization" in preflight.fields["access-control-allow-headers"]
    for origin, is_allowed in (("https://media.example", True), ("https://evil.example", False)):
        reply = site.get("/api/v1/stats", **bearer(tokens["read"]), Origin=origin)
        assert reply.status == 200
        assert ("access-control-allow-origin" in reply.fields) is is_allowed
        assert reply.fields["vary"] == "Origin"
        assert "access-control-allow-credentials" not in reply.fields
    assert site.get("/api/v1/stats", **bearer(tokens["read"])).fields["vary"] == "Origin"


def test_a_page_that_may_ask_can_read_why_it_was_refused(guarded: tuple[Site, dict[str, str]]) -> None:
    site, _ = guarded
    page = {"Origin": "https://media.example", "X-Forwarded-For": "192.168.9.9"}
    replies = [site.post("/api/v1/lookup", ["/a"], **bearer("wrong"), **page) for _ in range(11)]
    assert [reply.status for reply in replies] == [401] * 10 + [429]
    replies.append(site.get("/api/v1/stats", **bearer("wrong"), **page))
    replies.append(site.get("/api/v1/stats", Origin="https://media.example", X_Forwarded_For="8.8.8.8"))
    assert {reply.fields.get("access-control-allow-origin") for reply in replies} == {"https://media.example"}


def test_a_page_of_another_site_is_refused_whatever_token_it_has(guarded: tuple[Site, dict[str, str]]) -> None:
    site, tokens = guarded
    reply = site.post("/api/v1/scans", {}, **bearer(tokens["write"]), **{"Sec-Fetch-Site": "cross-site"})
    assert reply.detail == "a page of another site may not do this"


@pytest.mark.parametrize(
    ("addr", "why"),
    [("0.0.0.0:0", "no token is asked for"), (":0", "no token is asked for"), ("[::]:0", "no token is asked for")],
)
def test_other_machines_cannot_be_let_in_without_tokens(tmp_path: Path, addr: str, why: str) -> None:
    with pytest.raises(UsageError, match=why), serving(tmp_path / "q.db", server__addr=addr):
        pass


def test_all_addresses_are_listened_on_only_where_hosts_are_named(tmp_path: Path) -> None:
    make_tokens(tmp_path / "tokens", "read")
    guards = {"server__addr": ":0", "server__token_file": str(tmp_path / "tokens")}
    with pytest.raises(UsageError, match=r"server\.hosts names none"), serving(tmp_path / "q.db", **guards):
        pass
    with serving(tmp_path / "q.db", **guards, server__hosts="nas.local") as site:
        assert site.get("/livez", Host="nas.local").status == 200


def test_a_token_file_that_others_may_read_keeps_the_server_from_starting(tmp_path: Path) -> None:
    make_tokens(tmp_path / "tokens", "read")
    (tmp_path / "tokens").chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        serving(tmp_path / "q.db", server__token_file=str(tmp_path / "tokens")).__enter__()
