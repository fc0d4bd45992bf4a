"""The keys that are about a network: addresses, hosts, origins, URLs, and other machines' names for folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from qacache.config import Config, load
from qacache.config.addresses import split_address
from qacache.errors import ConfigError


def loaded(tmp_path: Path, toml: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(toml)
    return load(config_path=path, environ={}).config


def problems(tmp_path: Path, toml: str) -> str:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, toml)
    return str(refused.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8417", ("127.0.0.1", 8417)),
        ("nas.local:0", ("nas.local", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
        (":8417", ("", 8417)),
        ("*:8417", ("", 8417)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert split_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["8417", "nas", "nas:", "nas:x", "nas:65536", "::1:80", "[::1]", "http://nas:80", "a b:80", "-a:80", "a:٣"],
)
def test_what_is_no_address_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        split_address(text)
    assert "server.addr" in problems(tmp_path, f'[server]\naddr = "{text}"\n')


@pytest.mark.parametrize(
    ("key", "given", "taken"),
    [
        ("allow", '["192.168.1.0/24", "fd00::/8", "10.0.0.1"]', ("192.168.1.0/24", "fd00::/8", "10.0.0.1/32")),
        ("trusted_proxies", "[]", ()),
        ("hosts", '["NAS.local", "[FD00::1]"]', ("nas.local", "[fd00::1]")),
        ("cors_origins", '["https://Media.example:8443"]', ("https://media.example:8443",)),
    ],
)
def test_lists_of_a_network_are_taken_in_one_spelling(tmp_path: Path, key: str, given: str, taken: Any) -> None:
    assert getattr(loaded(tmp_path, f"[server]\n{key} = {given}\n").server, key) == taken


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("allow", "192.168.1.7/24"),
        ("allow", "everybody"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("hosts", "nas.local:8417"),
        ("hosts", "*"),
        ("hosts", ""),
        ("cors_origins", "*"),
        ("cors_origins", "null"),
        ("cors_origins", "https://media.example/"),
        ("cors_origins", "media.example"),
        ("cors_origins", "ftp://media.example"),
    ],
)
def test_what_would_let_in_others_than_meant_is_refused(tmp_path: Path, key: str, given: str) -> None:
    assert f"server.{key}" in problems(tmp_path, f'[server]\n{key} = ["{given}"]\n')


@pytest.mark.parametrize(
    ("given", "taken"), [("http://nas:8417/", "http://nas:8417"), ("https://nas/qacache/", "https://nas/qacache")]
)
def test_the_url_of_a_server_has_no_slash_at_its_end(tmp_path: Path, given: str, taken: str) -> None:
    assert loaded(tmp_path, f'[client]\nserver_url = "{given}"\n').client.server_url == taken


def test_the_names_of_other_machines_are_pairs_in_their_order(tmp_path: Path) -> None:
    toml = """
[[paths.map]]
from = "/Volumes/Media"
to = "/mnt/media"
[[paths.map]]
from = "/Volumes/Kids"
to = "/mnt/kids"
[[paths.map]]
from = "/Volumes/Media"
to = "/mnt/media"
"""
    assert loaded(tmp_path, toml).paths.map == (("/Volumes/Media", "/mnt/media"), ("/Volumes/Kids", "/mnt/kids"))


def test_all_that_is_wrong_with_names_of_other_machines_is_told_at_once(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        """
[[paths.map]]
from = "/a"
to = "b"
[[paths.map]]
from = "/a"
to = "/c"
form = "/d"
[[paths.map]]
to = "/e"
""",
    )
    for each in (
        "to of entry 1 is no absolute folder",
        "unknown key form of entry 2: did you mean from?",
        "from of entry 3 is no absolute folder",
        '"/a" is said to be two folders',
    ):
        assert each in told


@pytest.mark.parametrize("toml", ['map = "/a=/b"', "map = 7", 'map = ["/a"]', 'map = {from = "/a", to = "/b"}'])
def test_names_of_other_machines_that_are_no_tables_are_refused(tmp_path: Path, toml: str) -> None:
    assert "paths.map" in problems(tmp_path, f"[paths]\n{toml}\n")
