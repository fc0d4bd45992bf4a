"""Manifests: what a backup was when it was made, in a JSON file beside it.

In and out: a `Manifest`, and the file, which also names what made it. A backup is as its manifest says, or damaged.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import NamedTuple

from qacache.store.backup.checking import Contents
from qacache.store.backup.files import TEMPORARY, Access, Partial
from qacache.times import iso_time, iso_time_ms

_FORMAT = 1
# Far more than one ever has; what is larger is something else.
_MOST_BYTES = 1 << 20


class Manifest(NamedTuple):
    """What is known of a backup: size in bytes, SHA-256 in hexadecimal digits, times since the epoch.

    `store` is the path that the store had, with replacement characters where that is no UTF-8, `sqlite` the version of
    SQLite that copied it. `verified_ms` is when all of it was checked last, `damage` what was wrong then, empty if
    nothing.
    """

    size: int
    sha256: str
    contents: Contents
    store: str
    sqlite: str
    created_ms: int
    verified_ms: int
    damage: str = ""


class ManifestUnusable(Exception):
    """There is no manifest, or it is none; the message says so in a few words."""


def read(path: str) -> Manifest:
    """Return the manifest in the file `path`; raises `ManifestUnusable`."""
    try:
        with open(path, "rb") as file:
            return _from_json(file.read(_MOST_BYTES))
    except FileNotFoundError as error:
        raise ManifestUnusable("no manifest") from error
    except OSError as error:
        raise ManifestUnusable(f"its manifest cannot be read: {(error.strerror or str(error)).lower()}") from error
    # RecursionError: brackets without end
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise ManifestUnusable("its manifest is damaged") from error


def write(path: str, manifest: Manifest, access: Access) -> None:
    """Write `manifest` to the file `path`, all of it or nothing; raises `OSError`."""
    temporary = f"{path}{TEMPORARY}"
    # of a process that was killed
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    with Partial(temporary, access) as partial:
        os.write(partial.descriptor, _to_json(manifest))
        partial.move(path)


def _to_json(manifest: Manifest) -> bytes:
    found = manifest.contents
    fields = {
        "manifest": _FORMAT,
        "size": manifest.size,
        "sha256": manifest.sha256,
        "schema": found.schema_version,
        "rows": dict(found.counts),
        "store": manifest.store,
        "store_id": found.store_id,
        "sqlite": manifest.sqlite,
        "created": iso_time(manifest.created_ms),
        "verified": iso_time(manifest.verified_ms),
        "damage": manifest.damage,
    }
    return f"{json.dumps(fields, indent=2)}\n".encode()


def _from_json(text: bytes) -> Manifest:
    """Return the manifest; raises `ValueError`, `LookupError` or `TypeError` for anything else."""
    given = json.loads(text)
    if given["manifest"] != _FORMAT or not re.fullmatch("[0-9a-f]{64}", given["sha256"]):
        raise ValueError(given)
    rows = {str(table): int(count) for table, count in dict(given["rows"]).items()}
    return Manifest(
        int(given["size"]),
        given["sha256"],
        Contents(int(given["schema"]), str(given["store_id"]), rows),
        str(given["store"]),
        str(given["sqlite"]),
        iso_time_ms(given["created"]),
        iso_time_ms(given["verified"]),
        str(given["damage"]),
    )
