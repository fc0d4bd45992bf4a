"""Addresses, networks, hosts, origins and URLs: the kinds of values of the keys that are about a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qacache.config.kinds import Kind, list_of

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_PORT = 65_535
_HOST = r"[0-9A-Za-z]([0-9A-Za-z._-]*[0-9A-Za-z])?"
_ADDRESS = re.compile(rf"(?:({_HOST}|\*)|\[([0-9A-Fa-f:.%a-z0-9]+)\])?:([0-9]{{1,5}})")
_ORIGIN = re.compile(rf"https?://(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?")
_URL = re.compile(rf"https?://(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(:[0-9]{{1,5}})?(/[!-~]*)?")


def split_address(text: str) -> tuple[str, int]:
    """Return host and port of an address; an empty host is all addresses there are. Raises `ValueError`."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[4]) > _MOST_PORT:
        raise ValueError(text)
    host = match[1] or match[3] or ""
    return ("" if host == "*" else host), int(match[4])


def _address(value: object, _folder: str) -> str | None:
    if value == "":
        return ""
    try:
        split_address(str(value))
    except ValueError:
        return None
    return str(value)


def _network(value: object, _folder: str) -> str | None:
    import ipaddress  # few configurations have any

    try:
        return str(ipaddress.ip_network(value)) if isinstance(value, str) else None
    except ValueError:
        return None


def _matching(pattern: str | re.Pattern[str], *, may_be_empty: bool = False) -> Callable[[object, str], str | None]:
    def take(value: object, _folder: str) -> str | None:
        if not isinstance(value, str) or not (re.fullmatch(pattern, value) or (may_be_empty and not value)):
            return None
        return value.lower() if pattern is not _URL else value.rstrip("/")

    return take


ADDRESS = Kind("address", '"127.0.0.1:8417", "[::1]:8417" or ":8417" for all addresses', _address, str)
NETWORKS = list_of(Kind("network", '"192.168.1.0/24" or "fd00::/8"', _network, str), '["192.168.1.0/24"]', ",")
HOSTS = list_of(
    Kind("host", 'a name without port, like "nas.local"', _matching(rf"{_HOST}|\[[0-9A-Fa-f:.]+\]"), str),
    '["nas.local"]',
    ",",
)
ORIGINS = list_of(
    Kind("origin", 'scheme and host, like "https://media.example.org"', _matching(_ORIGIN), str),
    '["https://media.example.org"]',
    ",",
)
URL = Kind("URL", '"http://nas.local:8417"', _matching(_URL, may_be_empty=True), str)
