"""`qacache --version --json`."""

from __future__ import annotations

import sys

from qacache.config import Ffprobe, load
from qacache.errors import ConfigError
from qacache.text import json_line
from qacache.versions import versions


def write_versions() -> None:
    """Print the versions of all that matters, of the probers those that are configured."""
    try:
        wanted = load().config.ffprobe
    except ConfigError:
        # who reports that needs the versions, too
        wanted = Ffprobe()
    sys.stdout.write(json_line(versions(wanted)))
