"""Whom to ask: the server of the configuration, or a store of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qacache.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qacache.client.server import Server
    from qacache.config import Config

_HINT = "leave it out, or run it where the store is"


def server_for(config: Config, *, db: str | None, server: str | None) -> Server | None:
    """Return the server to ask, None where there is a store to open; `db` and `server` are the flags as typed.

    Who names a store with --db means it, whatever server is configured. Raises `UsageError` for both.
    """
    if db is not None and server:
        raise UsageError("there is a store to open, and a server to ask", hint="choose one of --db and --server")
    if db is not None or not config.client.server_url:
        return None
    from qacache.client.server import Server  # nobody else waits for http and its parsers to be loaded

    return Server(config.client)


def refuse(options: Mapping[str, object], *, hint: str = _HINT) -> None:
    """Raise `UsageError` for the first of `options` that was given: no server does that."""
    for name, value in options.items():
        if value not in (None, False):
            raise UsageError(f"a server takes no {name}", hint=hint)
