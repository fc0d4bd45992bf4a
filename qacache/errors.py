"""What can go wrong, as types: each error knows its exit status and, where there is one, the way out.

    QacacheError                    1
    ├── UsageError                  2   what was asked for makes no sense
    ├── ConfigError                 2   one error for all that is wrong in a configuration
    ├── StoreError                  1   the store cannot be used as asked
    │   ├── StoreMissing           10   there is no store yet
    │   ├── StoreLocked            11   another process is writing
    │   ├── StoreCorrupt            1   SQLite finds the file damaged
    │   ├── StoreReadOnly           1   the file or its folder cannot be written
    │   ├── StoreFull               1   no space left for the store
    │   ├── StoreOnNetwork          1   the store's folder is on a network filesystem
    │   └── SchemaError            12   the store's schema does not fit this qacache
    │       ├── SchemaForeign      12   some other program's database
    │       ├── SchemaTooNew       12   written by a newer qacache
    │       ├── SchemaUnsupported  12   older than this qacache can migrate
    │       └── SchemaOutdated     12   older, and `qacache migrate` brings it up to date
    ├── SearchTimeout               1   a search took longer than it may
    ├── ServerError                 1   the server that was asked gives no answer that can be used
    │   ├── ServerUnreachable      15   nothing answers there, or not in time
    │   ├── ServerDenied            1   the server does not let us have that
    │   └── ServerHasNone           1   the server has no such thing
    ├── ProberMissing              13   no ffprobe to run
    └── RootRefused                14   a root is missing, unreadable or suspiciously empty

A bad file is never an error here: it is a `Failed` event (see `qacache.events`).
"""

from __future__ import annotations

from typing import ClassVar


class QacacheError(Exception):
    """The base of every error that qacache raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(QacacheError):
    """What was asked for makes no sense."""

    exit_code = 2


class ConfigError(QacacheError):
    """The configuration cannot be used; the message has a line for each thing that is wrong."""

    exit_code = 2


class StoreError(QacacheError):
    """The store cannot be used as asked."""


class StoreMissing(StoreError):
    """There is no store at the configured path."""

    exit_code = 10


class StoreLocked(StoreError):
    """Another process holds the store's scan or write lock."""

    exit_code = 11


class StoreCorrupt(StoreError):
    """SQLite finds the store damaged, or not a database at all."""


class StoreReadOnly(StoreError):
    """The store or its folder cannot be written."""


class StoreFull(StoreError):
    """The store's filesystem has no space left."""


class StoreOnNetwork(StoreError):
    """The store would live on a network filesystem, where SQLite's WAL corrupts."""


class SchemaError(StoreError):
    """The store's schema does not fit this qacache."""

    exit_code = 12


class SchemaForeign(SchemaError):
    """The database belongs to some other program."""


class SchemaTooNew(SchemaError):
    """The store was written by a newer qacache."""


class SchemaUnsupported(SchemaError):
    """The store is older than this qacache knows how to migrate."""


class SchemaOutdated(SchemaError):
    """The store needs `qacache migrate` first."""


class SearchTimeout(QacacheError):
    """A search took longer than it may."""


class ServerError(QacacheError):
    """The server that was asked gives no answer that can be used."""


class ServerUnreachable(ServerError):
    """Nothing answers where the server should be, or not in time."""

    exit_code = 15


class ServerDenied(ServerError):
    """The server answers, but does not let us have what was asked for."""


class ServerHasNone(ServerError):
    """The server has nothing there, or nothing that we may know of."""


class ProberMissing(QacacheError):
    """The program that probes files is not installed, or cannot be run."""

    exit_code = 13


class RootRefused(QacacheError):
    """One or more roots were not scanned, because what is there cannot be trusted."""

    exit_code = 14
