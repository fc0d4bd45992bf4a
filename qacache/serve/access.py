"""Access: who asks, and may they? The head of a request comes in, an `Identity` goes out, or a `Denied`.

What is checked, in this order: the address that asks, the host that is asked, the token, and whether a page of another
site asks by a browser (Fetch Metadata; the Origin where there is none). All of it is in memory, and takes microseconds.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import OrderedDict
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

from qacache.errors import QacacheError
from qacache.serve.tokens import Scope, scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from ipaddress import IPv4Address

    from qacache.serve.tokens import Token

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "[::1]"))

_BEARER = "bearer "
_WITH_PORT = re.compile(r"\[([^]]+)\](?::[0-9]+)?|([^:]+):[0-9]+")
# so many failures of one address, of which one more is forgiven after so many seconds
_MOST_FAILURES = 10
_FORGIVEN_AFTER_S = 6.0
_MOST_ADDRESSES = 10_000


class Denied(QacacheError):
    """A request is not answered, for who asks, or how."""

    def __init__(self, status: HTTPStatus, why: str, *, hint: str = "", more: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(why, hint=hint or None)
        self.status = status
        self._more = more

    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return the header fields that the answer has to have."""
        challenge = (("WWW-Authenticate", 'Bearer realm="qacache"'),)
        return self._more + (challenge if self.status is HTTPStatus.UNAUTHORIZED else ())


class Identity(NamedTuple):
    """Who asks: the address at the far end, and what the token is good for, if there was one."""

    address: str
    scope: Scope | None

    def may(self, scope: Scope) -> bool:
        """Whether that is allowed."""
        return self.scope in ("write", scope)


class Rules(NamedTuple):
    """Who may ask what of one listener. Without `networks`, anybody; `hosts` are names without their ports.

    `tokens` is None where none are asked for. `origins` are those of pages that may ask from elsewhere.
    """

    networks: Sequence[Network] = ()
    proxies: Sequence[Network] = ()
    hosts: Collection[str] = LOOPBACK_HOSTS
    origins: Collection[str] = ()
    tokens: Sequence[Token] | None = None


class Gate:
    """Checks who asks of one listener. `rules` may be set anew at any time. For any thread."""

    def __init__(self, rules: Rules, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._failures = _Failures(monotonic)

    def identify(self, method: str, fields: Mapping[str, str], peer: str, *, is_for_all: bool = False) -> Identity:
        """Return who asks; raises `Denied`. Whether that one may have what is asked for, is another question.

        Of what `is_for_all` no token is looked at, and so none is wrong.
        """
        rules = self.rules
        address = client_address(peer, fields.get("x-forwarded-for", ""), rules.proxies)
        if rules.networks and not _is_in(address, rules.networks):
            raise Denied(HTTPStatus.FORBIDDEN, "this address may not ask")
        host = fields.get("host", "").lower()
        if _without_port(host) not in rules.hosts:
            raise Denied(
                HTTPStatus.MISDIRECTED_REQUEST, "no such host here", hint="name it in server.hosts of the configuration"
            )
        if method not in SAFE_METHODS:
            _refuse_other_sites(fields, host, rules.origins)
        return Identity(str(address), None if is_for_all else self._scope(fields, address, rules.tokens))

    def _scope(self, fields: Mapping[str, str], address: Address, tokens: Sequence[Token] | None) -> Scope | None:
        if tokens is None:
            return "write"
        given = fields.get("authorization", "")
        if not given:
            return None
        self._failures.check(address)
        is_bearer = given[: len(_BEARER)].lower() == _BEARER
        scope = scope_of(given[len(_BEARER) :].strip(), tokens) if is_bearer else None
        if scope is None:
            self._failures.add(address)
        return scope


def client_address(peer: str, forwarded_for: str, proxies: Sequence[Network]) -> Address:
    """Return the address that asks: that of the connection, or what the nearest trusted proxy says it is.

    Of the addresses in X-Forwarded-For, the last one that is no trusted proxy counts: those before it anybody may have
    written. What is no address there ends the search.
    """
    address = parse_address(peer)
    for text in reversed(forwarded_for.split(",") if forwarded_for else []):
        if not _is_in(address, proxies):
            break
        try:
            address = _forwarded(text.strip())
        except ValueError:
            break
    return address


def _forwarded(text: str) -> Address:
    # some proxies tell the port as well
    match = _WITH_PORT.fullmatch(text)
    return parse_address(match[1] or match[2] if match else text)


@lru_cache(maxsize=1024)
def parse_address(text: str) -> Address:
    """Return an address; one of IPv4 that IPv6 wraps is itself. Raises `ValueError`."""
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and not name.endswith(":") else host


def _refuse_other_sites(fields: Mapping[str, str], host: str, origins: Collection[str]) -> None:
    """Raise `Denied` where a browser asks for a page of another site, which would ask with its user's rights."""
    origin = fields.get("origin", "")
    if origin in origins:
        return
    site = fields.get("sec-fetch-site")
    is_own = site in ("same-origin", "none") if site is not None else origin.partition("://")[2] == host or not origin
    if not is_own:
        raise Denied(HTTPStatus.FORBIDDEN, "a page of another site may not do this", hint="see server.cors_origins")


class _Failures:
    """Counts tokens that were wrong, by address, so that nobody guesses on and on."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # when all of an address's failures will be forgiven
        self._until: OrderedDict[Network | Address, float] = OrderedDict()

    def check(self, address: Address) -> None:
        """Raise `Denied` where there were too many."""
        now = self._monotonic()
        until = self._until.get(_household(address), 0.0)
        wait_s = until - now - (_MOST_FAILURES - 1) * _FORGIVEN_AFTER_S
        if wait_s > 0:
            raise Denied(
                HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens", more=(("Retry-After", str(math.ceil(wait_s))),)
            )

    def add(self, address: Address) -> None:
        """Count one more."""
        with self._lock:
            household, now = _household(address), self._monotonic()
            self._until[household] = max(now, self._until.pop(household, 0.0)) + _FORGIVEN_AFTER_S
            while len(self._until) > _MOST_ADDRESSES:
                self._until.popitem(last=False)


def _household(address: Address) -> Network | Address:
    # who has one address of IPv6 has them all
    return ip_network((address, 64), strict=False) if isinstance(address, IPv6Address) else address
