"""`qacache token`: new."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated, BinaryIO

import typer

from qacache.cli.options import command_app, exit_statuses
from qacache.errors import ConfigError, UsageError
from qacache.serve.tokens import new_token, read_tokens

app = command_app("Make what others need to ask a server.")


class Scope(StrEnum):
    """What a token is good for."""

    READ = "read"
    WRITE = "write"


@app.callback()
def _group() -> None:
    """Make what others need to ask a server."""


@app.command(epilog=exit_statuses(0, 1, 2))
def new(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Who or what it is for.")] = "",
    scope: Annotated[
        Scope, typer.Option("--scope", help="read, or write: to have scans run and files probed, too.")
    ] = Scope.READ,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="FILE", help="Add it to FILE, which server.token_file names.", show_default=False
        ),
    ] = None,
) -> None:
    """Make a token, and print it.

    It is shown this once: the server's file has its SHA-256 alone. Without --file, the line for that file goes to
    stderr. Several tokens may be accepted at a time: give out the new one, then remove the line of the old one. A
    server that runs reads the file again on SIGHUP.
    """
    if not name.isprintable():
        raise UsageError("a name is one line")
    token, known = new_token(scope.value, name)
    if file is None:
        sys.stderr.write(known.line())
    else:
        _add(file, known.line())
    sys.stdout.write(token + "\n")


def _add(path: str, line: str) -> None:
    """Add a line to the file, which nobody else may read; raises `ConfigError`."""
    try:
        if os.path.exists(path):
            read_tokens(path)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with open(descriptor, "ab+") as tokens:
            tokens.write(_end_of_last_line(tokens) + line.encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def _end_of_last_line(tokens: BinaryIO) -> bytes:
    """Return what is missing there: an editor may have left it out, and the new line would be the end of a name."""
    size = tokens.seek(0, os.SEEK_END)
    tokens.seek(max(0, size - 1))
    return b"" if tokens.read() in (b"", b"\n") else b"\n"
