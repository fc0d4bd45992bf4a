"""The `qacache` command: `python -m qacache` and the installed script both begin here."""

from __future__ import annotations

import gc
import os
import sys


def main() -> int:
    """Run the command line of this process; return the exit status."""
    # a start makes tens of thousands of objects, none of them garbage: looking for it takes a tenth of a look-up
    gc.set_threshold(10_000)
    from qacache.cli import run

    status = run(sys.argv[1:])
    if "threading" in sys.modules and sys.modules["threading"].active_count() > 1:
        # a thread that reads from a dead mount never ends, and Python would wait for it
        os._exit(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
