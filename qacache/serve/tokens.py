"""Tokens: who may ask for what. A file with a line for each token comes in, the scope of a token goes out.

A line is `SCOPE sha256:DIGEST [NAME]`, such as `read sha256:9f86... laptop`; the token itself is in no file of the
server. As many lines as there are count, so that a new token can be handed out before the old one goes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from qacache.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

Scope = Literal["read", "write"]
"""`write` is to have scans run and files probed, and all of `read`."""

PREFIX = "qacache_"
"""What tokens begin with: those that search for secrets in the wrong places know them by it."""

_BYTES = 32
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


class Token(NamedTuple):
    """A token that is accepted: the SHA-256 of it, in hex, and what it is for."""

    digest: str
    scope: Scope
    name: str = ""

    def line(self) -> str:
        """Return the line of the file."""
        return " ".join(filter(None, (self.scope, f"sha256:{self.digest}", self.name))) + "\n"


def new_token(scope: Scope, name: str = "") -> tuple[str, Token]:
    """Return a token that nobody can guess, and what is to be known of it."""
    token = PREFIX + secrets.token_urlsafe(_BYTES)
    return token, Token(digest_of(token), scope, name)


def digest_of(token: str) -> str:
    """Return the SHA-256 of a token, in hex."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def scope_of(token: str, accepted: Iterable[Token]) -> Scope | None:
    """Return what `token` is good for, None for none of `accepted`; how long that takes tells nothing of them."""
    digest = digest_of(token)
    scope: Scope | None = None
    for each in accepted:
        if hmac.compare_digest(each.digest, digest) and scope != "write":
            scope = each.scope
    return scope


def read_tokens(path: str) -> list[Token]:
    """Return the tokens in the file `path`. Raises `ConfigError`: also where others than its owner may read it."""
    try:
        with open(path, encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"tokens cannot be read: {path}: {why}", hint="make one: qacache token new") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO) and not _is_credential(path):
        raise ConfigError(f"others may read the tokens: {path}", hint=f"keep them out: chmod 600 {path}")
    return [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if _says_something(line)]


def _is_credential(path: str) -> bool:
    # systemd keeps others out by the folder
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    return bool(folder) and os.path.dirname(os.path.realpath(path)) == os.path.realpath(folder)


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _parse(line: str, place: str) -> Token:
    scope, _, rest = line.strip().partition(" ")
    digest, _, name = rest.strip().partition(" ")
    match = _DIGEST.fullmatch(digest)
    if scope not in get_args(Scope) or match is None:
        raise ConfigError(
            f"{place} is no token", hint="a line is: SCOPE sha256:DIGEST NAME, as `qacache token new` writes it"
        )
    return Token(match[1], "write" if scope == "write" else "read", name.strip())
