"""Addresses: what is listened on, and who may ask there, as it is configured.

In: the configuration, and the sockets that were handed over. Out: an `Address` for each socket, by the name of who is
to ask there, and the `Rules` for that name. Where strangers could ask, nothing is listened on at all.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from qacache.config.addresses import split_address
from qacache.errors import UsageError
from qacache.serve.access import LOOPBACK_HOSTS, Rules
from qacache.serve.listener import url_host
from qacache.serve.server import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.config import Config
    from qacache.serve.notify import Handed
    from qacache.serve.tokens import Token

PUBLIC, OPS = "public", "ops"
"""Who asks where: everybody, and operators."""


def addresses_of(config: Config, handed: Sequence[Handed]) -> list[Address]:
    """Return what is listened on: the sockets that were handed over, and what is configured for a name without one."""
    configured = {PUBLIC: config.server.addr, OPS: config.server.ops_addr}
    taken = [_address_of(each) for each in handed]
    names = {address.name for address in taken}
    own = [Address(*split_address(text), name) for name, text in configured.items() if text and name not in names]
    return [*taken, *own]


def _address_of(handed: Handed) -> Address:
    host, port = handed.socket.getsockname()[:2]
    name = OPS if handed.name == OPS else PUBLIC
    return Address(host, port, name, handed.socket)


def refuse_strangers(address: Address, config: Config, *, has_tokens: bool) -> None:
    """Raise `UsageError` where others than this machine could ask, and nothing keeps strangers from it."""
    if _is_loopback(address.host):
        return
    shown = f"{url_host(address.host)}:{address.port}"
    if not has_tokens:
        raise UsageError(
            f"{shown} is for other machines, too, and no token is asked for",
            hint="make one with: qacache token new --file FILE, and name the file in server.token_file",
        )
    if _is_everywhere(address.host) and not config.server.hosts:
        raise UsageError(
            f"{shown} is all addresses there are, and server.hosts names none",
            hint="say in server.hosts by which names this server is asked",
        )


def _is_loopback(host: str) -> bool:
    ip = _ip(host)
    return host == "localhost" or (ip is not None and ip.is_loopback)


def _is_everywhere(host: str) -> bool:
    ip = _ip(host)
    return not host or (ip is not None and ip.is_unspecified)


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def rules_of(config: Config, name: str, addresses: Sequence[Address], tokens: Sequence[Token] | None) -> Rules:
    """Return who may ask at the addresses of that name; `tokens` are None where none is asked for."""
    server = config.server
    own = {url_host(each.host).lower() for each in addresses if each.name == name and not _is_everywhere(each.host)}
    allowed = server.allow if name == PUBLIC else server.ops_allow
    return Rules(
        networks=[ipaddress.ip_network(each) for each in allowed],
        proxies=[ipaddress.ip_network(each) for each in server.trusted_proxies],
        hosts=frozenset((*LOOPBACK_HOSTS, *server.hosts, *own)),
        origins=frozenset(server.cors_origins),
        tokens=tokens,
    )
