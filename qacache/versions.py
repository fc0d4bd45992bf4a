"""Versions of everything that answers may depend on: what a report of a bug needs.

Packages are asked for by name, and the probers by running them.
"""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from qacache import __version__
from qacache.errors import ProberMissing
from qacache.probe.engines import make_ffprobe, make_libav
from qacache.probe.media import PARSER_VERSION
from qacache.store.checkup import SQLITE_VERSION
from qacache.store.database import OLDEST_SCHEMA_VERSION, SCHEMA_VERSION

if TYPE_CHECKING:
    from qacache.config import Ffprobe

PACKAGES = ("av", "platformdirs", "prometheus-client", "rich", "sqlite-utils", "tomli-w", "typer", "xxhash")
"""What qacache depends on."""


def versions(wanted: Ffprobe) -> dict[str, Any]:
    """Return the versions, ready for JSON; null is what is not there. Takes as long as the probers take to start."""
    return {
        "qacache": __version__,
        "schema": SCHEMA_VERSION,
        "oldest_schema": OLDEST_SCHEMA_VERSION,
        "parser": PARSER_VERSION,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "sqlite": ".".join(map(str, SQLITE_VERSION)),
        **_libav(wanted),
        "ffprobe": _ffprobe(wanted),
        "packages": {name: _package(name) for name in PACKAGES},
        "platform": platform.platform(),
        "executable": sys.executable,
    }


def _libav(wanted: Ffprobe) -> dict[str, Any]:
    try:
        prober = make_libav(wanted)
        return {"libav": _number(prober.version), "libraries": dict(prober.libraries)}
    except ProberMissing:
        return {"libav": None, "libraries": {}}


def _ffprobe(wanted: Ffprobe) -> str | None:
    try:
        return _number(make_ffprobe(wanted).version)
    except ProberMissing:
        return None


def _number(prober_version: str) -> str:
    return prober_version.partition(" ")[2]


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
