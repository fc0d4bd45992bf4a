"""What `lookup --probe-missing` adds to a look-up: files that the store does not know are probed first."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qacache.assembly import make_crew, make_filters, open_store
from qacache.cli.run import show_run
from qacache.lookup import look_up
from qacache.scan.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qacache.config import Config


def probe_missing(paths: Sequence[bytes], config: Config) -> int:
    """Probe and store those of `paths` that the store does not know, and that are there; return the exit status."""
    with open_store(config) as store:
        missing = [each.path for each in look_up(store.reader, paths, ()) if each.found is None]
        missing = [path for path in missing if os.path.exists(path)]
        if not missing:
            return 0
        refresh = Refresh(store, make_crew(config), make_filters(config), reuse=True)
        return show_run(refresh, refresh.events(missing), quiet=True)
